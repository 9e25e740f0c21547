"""The gallery: images just beyond the certified neighborhood in which the classifier errs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.colors import SymLogNorm
from matplotlib.figure import FigureBase
from matplotlib.ticker import NullLocator

from mlspec.core.naming import part_name
from mlspec.core.network import Array
from mlspec.report.drawing import as_picture, color_bar, lettered, outline
from mlspec.report.labels import label_change
from mlspec.report.numbers import above
from mlspec.report.pictures import object_mask, picture
from mlspec.report.style import FIGURE
from mlspec.report.words import witness_extent
from mlspec.results import blocked_radii, blocking_witness, layering_of, per_radius


def chosen(ds: xr.Dataset, most: int = FIGURE.gallery_images) -> list[int]:
    """Return up to ``most`` radius indices with a blocking witness, spread from the object
    outwards."""
    blocked = blocked_radii(ds)
    picks = np.unique(np.linspace(0, len(blocked) - 1, min(most, len(blocked))).round().astype(int))
    return [blocked[pick] for pick in picks]


def gallery(figure: FigureBase, ds: xr.Dataset, shown: Sequence[int], letter: str) -> None:
    """The last panel: the blocking witnesses of the radius indices ``shown``, each above its change
    of the image, and the scores before and after it."""
    layering, scores = layering_of(ds), per_radius(ds, "blocking_scores")
    grid = figure.subplots(2, FIGURE.gallery_images, squeeze=False)
    witnesses = [np.asarray(blocking_witness(ds, r)) for r in shown]
    changes = [_signed(witness - ds["image"].values) for witness in witnesses]
    low, high = _change_range(changes)
    for column, (top, bottom) in enumerate(grid.T):
        if column >= len(shown):
            top.set_axis_off()
            bottom.set_axis_off()
            continue
        r = shown[column]
        picture(top, witnesses[column])
        change = label_change(ds, scores[r])
        limit = above(witness_extent(ds, r), 2)
        name = part_name(layering, r).replace(", ", ",\n")
        by = limit if layering.asymmetric else f"±{limit}"
        top.set_title(
            f"{name} at {by}:\n{change.sentence}", fontsize=FIGURE.medium, color=FIGURE.colours.ink
        )
        norm = SymLogNorm(linthresh=low, linscale=0.5, vmin=-high, vmax=high)
        drawn = bottom.imshow(
            changes[column], cmap=FIGURE.colours.change_map, norm=norm, interpolation="nearest"
        )
        outline(bottom, object_mask(ds), color=FIGURE.colours.ink, width=0.7)
        as_picture(bottom)
        compared = change.scores[: FIGURE.gallery_scores]
        lines = [f"score of {label}: {_score(old)} → {_score(new)}" for label, old, new in compared]
        bottom.set_xlabel("\n".join(lines), fontsize=FIGURE.small, color=FIGURE.colours.ink)
        if column == len(shown) - 1:
            bar = color_bar(bottom, drawn, "change of intensity")
            ticks = [-high, -low, 0.0, low, high]
            bar.set_ticks(ticks, labels=[f"{tick:+.2g}" if tick else "0" for tick in ticks])
            bar.ax.yaxis.set_minor_locator(NullLocator())
    grid[0, 0].set_ylabel("violating image", fontsize=FIGURE.medium)
    grid[1, 0].set_ylabel("its change", fontsize=FIGURE.medium)
    what = "the epsilon" if layering.kind.whole else f"a {layering.kind.part}"
    figure.suptitle(
        lettered(letter, f"Just beyond: the images that keep {what} from growing"),
        fontsize=FIGURE.large,
        color=FIGURE.colours.ink,
        x=0.012,
        ha="left",
    )


def _score(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _signed(change: Array) -> Array:
    """Of each pixel ``(C, H, W)`` the largest change of a channel, with its sign: ``(H, W)``."""
    strongest = np.abs(change).argmax(axis=0)
    return np.asarray(np.take_along_axis(change, strongest[None], axis=0)[0])


def _change_range(changes: Sequence[Array]) -> tuple[float, float]:
    """Ends of the logarithmic part of the scale: a typical change, and the largest."""
    moved = np.abs(np.stack(changes))
    high = float(moved.max()) or 1.0
    typical = float(np.median(moved[moved > high / 1000.0])) if moved.any() else high
    return min(typical, high / 3.0), high
