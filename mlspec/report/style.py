"""How figures and tables look: every size, limit and colour, with its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mlspec.core.standing import Standing
from mlspec.core.trace import Block
from mlspec.core.verdict import Outcome


@dataclass(frozen=True)
class Colours:
    """Colours of a figure.

    Those of categories are from the sets of P. Tol and of Okabe and Ito, which stay apart for every
    kind of colour vision; magnitudes use perceptually uniform maps of matplotlib.
    """

    ink: str = "#222222"
    muted: str = "#6b6b6b"
    grid: str = "#e3e3e3"
    frame: str = "#bbbbbb"
    perturbed: str = "#ff6f3c"
    """Outline and name of the perturbed object: stands out from black, white and the maps."""
    target: str = "#3d8fd1"
    nothing: str = "#c9ced6"
    """Pixels whose certified epsilon is zero."""
    fixed: str = "#c4c4c4"
    """Hatching of pixels that do not move."""
    border: str = "#ffffff80"
    """Borders between layers or boxes."""
    owner_border: str = "white"
    """Borders between the layers of different objects."""
    epsilon_map: str = "viridis"
    layer_map: str = "cividis"
    change_map: str = "RdBu_r"


@dataclass(frozen=True)
class FigureStyle:
    """Sizes and limits of a figure."""

    colours: Colours = Colours()
    width: float = 13.0
    """Inches."""
    picture_height: float = 4.4
    """Inches, of the row of pictures."""
    narrow_picture_height: float = 3.4
    """Inches, of that row where each direction has a picture of its own."""
    curve_height: float = 3.9
    """Inches, of the row of plots."""
    gallery_height: float = 4.9
    """Inches, of the row of violating images."""
    margins: float = 0.9
    """Inches, of headline and footer together."""
    explained_line: float = 0.26
    """Inches, of each sentence that explains the headline."""
    headline_size: float = 15.0
    """Points."""
    headline_characters: int = 98
    """How many of them fit into one line."""
    large: float = 11.0
    """Points, of titles."""
    normal: float = 10.0
    """Points, of the names of axes."""
    medium: float = 9.0
    """Points, of the numbers at axes."""
    small: float = 8.5
    """Points, of legends and notes."""
    caption_characters: int = 34
    """How many of them fit below a picture."""
    caption_line: float = 0.075
    """Height of a line of a caption, as a share of the picture."""
    ring_every: int = 5
    """Every so many layers a picture shows a border."""
    decades: float = 3.0
    """A logarithmic scale of epsilons spans at most so many powers of ten: what is smaller is drawn
    alike, so that one small epsilon does not squeeze all others."""
    most_bars: int = 48
    """More boxes or pixels than this are drawn as points."""
    most_ticks: int = 14
    """Numbers of layers beside an axis, of all objects together."""
    half_bar: float = 0.21
    """Half the width of a bar where a layer has one for each direction; a layer is 1 wide."""
    bar_width: float = 0.84
    """Width of a bar where a layer has one."""
    point_spread: float = 0.35
    """Points of one distance are spread by up to this many pixels, as they would cover each
    other."""
    gallery_images: int = 6
    """Violating images at most."""
    gallery_scores: int = 3
    """Scores below each of them at most."""
    label_width: float = 10.0
    """Inches, of the figure of labels."""
    label_row: float = 0.34
    """Inches, of each label in it."""
    label_margins: float = 2.1
    """Inches, of its headline, axes and footer together."""
    label_characters: int = 80
    """How many characters of the headline fit into one of its lines."""
    label_mark: float = 90.0
    """Area of a mark, in square points."""
    log_from: float = 30.0
    """Values that differ by more than this factor are drawn on a logarithmic axis."""

    outcomes: Mapping[Outcome, tuple[str, str]] = field(
        default_factory=lambda: {
            Outcome.ROBUST: ("#009e73", "o"),
            Outcome.VIOLATED: ("#d55e00", "x"),
            Outcome.UNKNOWN: ("#8a8a8a", "v"),
        }
    )
    """Colour and marker of a step by its verdict."""
    blocks: Mapping[Block, tuple[str, str]] = field(
        default_factory=lambda: {
            Block.WITNESS: ("#5b84b1", "a violating image"),
            Block.CAP: ("#4f9d69", "nothing, any value is allowed"),
            Block.BUDGET: ("#e0b04c", "not known"),
        }
    )
    """Colour and words of a layer by what keeps it from growing."""
    standings: Mapping[Standing, str] = field(
        default_factory=lambda: {
            Standing.ALWAYS: "#009e73",
            Standing.EITHER: "#e69f00",
            Standing.NEVER: "#5b84b1",
            Standing.UNKNOWN: "#8a8a8a",
        }
    )
    """Colour of a label by how it stands."""


@dataclass(frozen=True)
class TableStyle:
    """Limits of tables on a terminal."""

    two_columns_from: int = 12
    """From so many layers on they are listed in two columns."""
    name_characters: int = 28
    """Longer names of layers take several lines."""
    most_rows: int = 64
    """More epsilons than this are summed up by distance instead of listed."""
    most_runs: int = 20
    """Rows of such a summary."""
    result_width: int = 17
    """Least number of characters of the column of each result in a comparison."""
    listed_layers: int = 3
    """A sentence lists up to so many runs of layers and counts more."""
    listed_moves: int = 6
    """A violation names up to so many of the layers that it moves."""
    named_shares: int = 3
    """So many layers are named of those that use up most of the margin."""
    free_share: float = 0.01
    """A layer that uses up less than this share of the margin counts as free."""
    listed_changes: int = 8
    """A comparison lists up to so many layers, the largest change first."""
    large_gap: float = 10.0
    """From this share on a gap is told as a multiple instead of in percent."""
    informative_gap: float = 1.0
    """A gap above this share says little: the short answer leaves it out."""


FIGURE: Final = FigureStyle()
TABLE: Final = TableStyle()
