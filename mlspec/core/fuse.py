"""The same function with fewer ops, for bounds, attacks and encodings.

A ReLU that touches a max-pool goes into it, a scale into the conv or linear op before it or behind
it: relaxations and encodings of the fused op are tighter and smaller than those of the pair. Which
ops can be one the ops say themselves. They are joined only where nothing else reads the value
between them.

Parameters of a joined op are rounded to float64. How far they are from exact ones the op knows
(``error`` of ``mlspec.ops.weighted``), and bounds count it: they hold for the network as it was
read.
"""

from __future__ import annotations

from mlspec.core.network import Network, Op


def fused(network: Network) -> Network:
    """Return the network with every pair of ops joined that can be one."""
    joined = _joined_once(network)
    while joined is not None:
        network, joined = joined, _joined_once(joined)
    return network


def _joined_once(network: Network) -> Network | None:
    for second, op in enumerate(network.ops):
        first = network.inputs[second][0] - 1
        if first < 0 or network.users(first + 1) != [second] or len(network.inputs[second]) > 1:
            continue
        before = network.ops[first]
        one = before.joined_to_next(op) or op.joined_to_previous(before)
        if one is not None:
            return _replaced(network, first, second, one)
    return None


def _replaced(network: Network, first: int, second: int, one: Op) -> Network:
    """Put ``one`` in the place of ``second``, take ``first`` out."""
    ops = [*network.ops]
    inputs = [*network.inputs]
    ops[second], inputs[second] = one, network.inputs[first]
    del ops[first], inputs[first]
    gone = first + 1
    renumbered = tuple(tuple(value - (value > gone) for value in values) for values in inputs)
    return Network(tuple(ops), network.input_shape, renumbered)
