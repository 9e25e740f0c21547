"""What each operation of a network is, one module per operation.

An operation states its shape rule, its forward pass in numpy and in torch, its interval rule, its
step of a CROWN pass, its encoding as rows of a MILP, what it fuses with, and the ONNX nodes that it
is read from. Bounds, attack and MILP ask the operation; none of them knows which operations there
are. A new one needs its own module and its line in ``registry``.

``op`` is the part that needs numpy alone, so that ``core`` does not load torch.
"""
