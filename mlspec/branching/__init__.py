"""Branch and cut over ReLUs and max-pool windows, on linear programs of HiGHS.

A MILP solver sees rows. Here every integer is known to say which candidate wins a ReLU or a
max-pool window, so the convex hull of each over the box of its inputs can be cut (``hull``), every
leaf is proved by a dual bound computed in float64 (``relaxation``), and the tree branches where
the relaxation is loose (``tree``).
"""
