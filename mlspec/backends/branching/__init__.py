"""Branch and cut of our own, on linear programs: for decisions whose integers have a meaning.

A MILP solver sees rows. Here every integer is known to say which candidate wins a ReLU or a
max-pool window, so the convex hull of each over the box of its inputs can be cut (``hull``), every
leaf is proved by a dual bound computed in float64 (``relaxation``), and the tree branches where
the relaxation is loose (``tree``).
"""
