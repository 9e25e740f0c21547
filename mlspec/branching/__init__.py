"""Branch and cut over ReLUs and max-pool windows, on linear programs of HiGHS.

A MILP solver knows rows only. Here integers are known to say which candidate wins a ReLU or a
max-pool window: cuts come from the convex hull of each over the box of its inputs (``hull``), and
the tree branches where the relaxation of one is loose (``rule``). A leaf is closed by a dual bound
of its linear program, which holds in exact arithmetic (``bound``).
"""
