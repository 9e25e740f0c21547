"""Results: datasets of finished and unfinished searches, and the files that hold them."""

from mlspec.results.accessor import ResultAccessor, blocked_radii, ranges
from mlspec.results.dataset import RUNNING, Provenance, origin_of, to_dataset
from mlspec.results.destination import Destination, destination
from mlspec.results.labels import (
    ORIGIN,
    labels_dataset,
    open_order,
    order_diagram,
    proved_order,
)
from mlspec.results.moves import move_name
from mlspec.results.question import differences
from mlspec.results.reading import (
    aim_of,
    blocking_witness,
    eps_of,
    is_asymmetric,
    label_names_of,
    layering_of,
    margin_shares_of,
    neighborhood_of,
    objective_of,
    per_radius,
    property_of,
    sensitivities_of,
    value_of,
)
from mlspec.results.saver import Saver
from mlspec.results.store import open_result, save

__all__ = [
    "ORIGIN",
    "RUNNING",
    "Destination",
    "Provenance",
    "ResultAccessor",
    "Saver",
    "aim_of",
    "blocked_radii",
    "blocking_witness",
    "destination",
    "differences",
    "eps_of",
    "is_asymmetric",
    "label_names_of",
    "labels_dataset",
    "layering_of",
    "margin_shares_of",
    "move_name",
    "neighborhood_of",
    "objective_of",
    "open_order",
    "open_result",
    "order_diagram",
    "origin_of",
    "per_radius",
    "property_of",
    "proved_order",
    "ranges",
    "save",
    "sensitivities_of",
    "to_dataset",
    "value_of",
]
