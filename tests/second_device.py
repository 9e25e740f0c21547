"""A second device without hardware: torch's device ``meta``, but with values.

Its tensors hold their values on the CPU and refuse what CUDA tensors refuse: to meet a tensor of
the CPU in an op, unless that has a single value or indexes, and to become an array of numpy. So
code that forgets to send something along fails here as it would there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

HERE, AWAY = torch.device("cpu"), torch.device("meta")
ATEN = torch.ops.aten
MOVES = {ATEN._to_copy.default, ATEN.copy_.default}
INDEXES = {ATEN.index.Tensor, ATEN.index_put.default, ATEN.index_put_.default}
FROM_DATA = {torch.tensor, torch.as_tensor}
"""What makes tensors before dispatch could see it."""


class AwayTensor(Tensor):
    """A tensor on the second device."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> AwayTensor:
        made = Tensor._make_wrapper_subclass(
            cls, here.shape, here.stride(), dtype=here.dtype, device=AWAY
        )
        made.here = here
        return made

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return f"AwayTensor({self.here!r})"

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{op}: the second device is used outside of second_device()")


class Dispatched(TorchDispatchMode):
    """Runs every op where its tensors are."""

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        away = [tensor for tensor in tensors if isinstance(tensor, AwayTensor)]
        checked = [] if op in MOVES or not away else tensors[:1] if op in INDEXES else tensors
        if any(tensor.dim() and not isinstance(tensor, AwayTensor) for tensor in checked):
            raise RuntimeError(f"{op}: tensors on two devices")
        goes_away = bool(away)
        if kwargs.get("device") is not None:
            goes_away = torch.device(kwargs["device"]) == AWAY
            kwargs = kwargs | {"device": HERE}
        inner_args, inner = tree_map(
            lambda leaf: leaf.here if isinstance(leaf, AwayTensor) else leaf, (args, kwargs)
        )
        results = op(*inner_args, **inner)
        changed_in_place = {id(tensor.here): tensor for tensor in away}

        def sent(leaf: Any) -> Any:
            if not isinstance(leaf, Tensor):
                return leaf
            if id(leaf) in changed_in_place:
                return changed_in_place[id(leaf)]
            return AwayTensor(leaf) if goes_away else leaf

        return tree_map(sent, results)


class Made(TorchFunctionMode):
    """Makes tensors from data on the CPU, and sends them away."""

    def __torch_function__(self, made: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if made in FROM_DATA and torch.device(kwargs.get("device") or HERE) == AWAY:
            del kwargs["device"]
            return made(*args, **kwargs).to(AWAY)
        return made(*args, **kwargs)


@contextmanager
def second_device() -> Iterator[torch.device]:
    """Lend the second device."""
    with Made(), Dispatched():
        yield AWAY
