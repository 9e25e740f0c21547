"""Pixels in layers around an object, or in the parts of another partition."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlspec.core.network import Array
from mlspec.core.partitions import LAYERS, PartitionKind
from mlspec.errors import InputError

Index = NDArray[np.integer[Any]]

DIRECTIONS: Final = ("down", "up")
"""The directions in which a pixel moves, in the order of an eps."""


@dataclass(frozen=True, eq=False)
class Layering:
    """A partition of the pixels: ``index`` ``(H, W)`` holds each pixel's layer, or ``FIXED``.

    Layers count from 0 to ``layers - 1``, as a rule from the object outwards. The epsilons of a
    neighborhood are a vector ``eps`` ``(R,)``. An entry of it is a *radius*, its place a *radius
    index*: a layer has one for both directions or, once ``directed``, one downwards and one
    upwards.
    """

    FIXED: ClassVar[int] = -1
    """The layer of a pixel that does not move."""
    NO_RADIUS: ClassVar[int] = -1
    """The radius index of a direction in which no pixel of a layer has room."""

    index: Index
    layers: int
    """Number of layers ``K``."""
    kind: PartitionKind = LAYERS
    """What the layers are: rings around an object, or the parts of another partition."""
    names: tuple[str, ...] = ()
    """A name for each layer; its number where there are none."""
    distances: NDArray[np.int64] | None = None
    """How far each layer is from the object, ``(K,)``; its number where there are none."""
    radius_of: Index | None = None
    """``(K, 2)``: the radius index of each layer downwards and upwards; ``NO_RADIUS`` where no
    pixel of it has room. None: entry ``d`` holds for both directions of layer ``d``."""

    @property
    def count(self) -> int:
        """Number of epsilons ``R``: entries of an eps."""
        return self.layers if self.radius_of is None else int(self.radius_of.max()) + 1

    @property
    def asymmetric(self) -> bool:
        """Whether layers have an epsilon for each direction."""
        return self.radius_of is not None

    @cached_property
    def pixels(self) -> NDArray[np.int64]:
        """Number of pixels ``(K,)`` of each layer."""
        return np.bincount(self.index[self.index >= 0], minlength=self.layers)

    @property
    def distance(self) -> NDArray[np.int64]:
        """How far each layer is from the object, ``(K,)``."""
        return np.arange(self.layers) if self.distances is None else self.distances

    @cached_property
    def layer_of(self) -> NDArray[np.int64]:
        """The layer ``(R,)`` of each entry of an eps."""
        if self.radius_of is None:
            return np.arange(self.layers)
        return np.nonzero(np.asarray(self.radius_of != self.NO_RADIUS))[0]

    @property
    def layer_names(self) -> tuple[str, ...]:
        """A name for each layer."""
        return self.names or tuple(str(layer) for layer in range(self.layers))

    @property
    def owners(self) -> tuple[str, ...]:
        """The name of the object that each layer surrounds, where several objects have layers of
        their own; otherwise empty."""
        if not (self.kind.concentric and self.names):
            return ()
        return tuple(name.rpartition(":")[0] for name in self.names)

    @property
    def radius_names(self) -> tuple[str, ...]:
        """A name for each entry of an eps: that of its layer, with its direction if layers have
        two."""
        if self.radius_of is None:
            return self.layer_names
        layers, directions = np.nonzero(np.asarray(self.radius_of != self.NO_RADIUS))
        return tuple(
            f"{self.layer_names[layer]} {DIRECTIONS[direction]}"
            for layer, direction in zip(layers, directions, strict=True)
        )

    def directed(self, image: Array) -> Layering:
        """Return the same layers with an epsilon for each direction, in the order of the layers.

        A direction in which no pixel of the layer has room, as a black one downwards, has no
        epsilon: any value is allowed there. ``image`` ``(C, H, W)`` is the centre.
        """
        room = np.zeros((self.layers, 2), dtype=bool)
        for direction, extreme in enumerate((image.max(axis=0) > 0.0, image.min(axis=0) < 1.0)):
            room[self.index[(self.index >= 0) & extreme], direction] = True
        numbers = np.cumsum(room).reshape(room.shape) - 1
        return replace(self, radius_of=np.where(room, numbers, self.NO_RADIUS))

    def reach(self, eps: Array) -> tuple[Array, Array]:
        """Return how far each pixel may move downwards and upwards, two maps ``(..., H, W)``.

        ``eps`` is ``(..., R)``. Pixels that are fixed have 0, those of a direction without epsilon
        1.
        """
        padded = np.concatenate(
            [eps, np.ones((*eps.shape[:-1], 1)), np.zeros((*eps.shape[:-1], 1))], axis=-1
        )
        down, up = self._radius_maps
        return np.asarray(padded[..., down]), np.asarray(padded[..., up])

    def spread(self, eps: Array) -> Array:
        """Return how far each pixel may move in both directions, ``(..., H, W)``, for ``eps``
        ``(..., R)``; 0 where fixed."""
        return np.asarray(np.minimum(*self.reach(eps)))

    def table(self, values: NDArray[Any], free: Any) -> NDArray[Any]:
        """Return ``values`` ``(..., R)`` by layer and direction, ``(..., K, 2)``; ``free`` where
        there is no epsilon."""
        padding = np.full((*values.shape[:-1], 1), free, dtype=values.dtype)
        return np.asarray(np.concatenate([values, padding], axis=-1)[..., self._radii])

    def radii(self, table: NDArray[Any]) -> NDArray[Any]:
        """Return the values ``(..., R)`` of a table ``(..., K, 2)`` that ``directed`` made."""
        if self.radius_of is None:
            raise ValueError("the layers have no directions")
        return np.asarray(table[..., np.asarray(self.radius_of != self.NO_RADIUS)])

    def eps_meant(self, eps: ArrayLike) -> Array:
        """Return the ``eps`` ``(R,)`` that is meant: one value, or one per layer; with directions
        also ``(K, 2)``, or those values in a row.

        Raises InputError for any other number of values, for what is no number, and for values
        outside [0, 1].
        """
        try:
            given = np.asarray(eps, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(f"epsilons are numbers, one or one per layer; got {eps!r}") from None
        wrong = given[~((given >= 0.0) & (given <= 1.0))]
        if wrong.size:
            raise InputError(f"epsilons lie in [0, 1] (pixel intensities); got {wrong[0]}")
        if given.ndim == 0 or given.shape == (self.layers,):
            return np.broadcast_to(given, (self.layers,))[self.layer_of].copy()
        if self.asymmetric and given.shape in ((self.layers, 2), (2 * self.layers,)):
            return self.radii(given.reshape(self.layers, 2))
        ways = ", or one downwards and one upwards for each" if self.asymmetric else ""
        raise InputError(
            f"{given.size} epsilons for {self.layers} layers: give one, or one per layer{ways}"
        )

    def total(self, values: Array) -> Array:
        """Sum ``values`` ``(B, C, H, W)`` over channels and the pixels of each layer: ``(B,
        K)``."""
        inside = self.index >= 0
        rows = values.sum(axis=1)[:, inside]
        sums = [np.bincount(self.index[inside], row, self.layers) for row in rows]
        return np.array(sums, dtype=np.float64).reshape(-1, self.layers)

    def total_by_radius(self, down: Array, up: Array) -> Array:
        """Sum what belongs to movements downwards and upwards, both ``(B, C, H, W)``, over the
        pixels that each entry of an eps holds for: ``(B, R)``."""
        if self.radius_of is None:
            return self.total(down + up)
        return self.radii(np.stack([self.total(down), self.total(up)], axis=-1))

    def extents(self, change: Array) -> Array:
        """Return how far ``change`` ``(C, H, W)`` goes, ``(R,)``: the smallest eps that holds
        it."""
        inside = self.index >= 0
        largest = np.zeros((self.layers, 2))
        for direction, moved in enumerate((-change, change)):
            np.maximum.at(
                largest[:, direction], self.index[inside], moved.max(axis=0, initial=0.0)[inside]
            )
        return largest.max(axis=1) if self.radius_of is None else self.radii(largest)

    @cached_property
    def _radii(self) -> Index:
        """``(K, 2)``: the radius index of each layer, the number after the last if it has
        none."""
        if self.radius_of is None:
            return np.repeat(np.arange(self.layers)[:, None], 2, axis=1)
        return np.where(self.radius_of == self.NO_RADIUS, self.count, self.radius_of)

    @cached_property
    def _radius_maps(self) -> tuple[Index, Index]:
        """Two maps ``(H, W)`` into an eps with 1 and 0 put behind it; fixed pixels (-1) find the
        last entry, which is 0."""
        layers = np.concatenate([self._radii, [[self.NO_RADIUS, self.NO_RADIUS]]])
        return layers[self.index, 0], layers[self.index, 1]
