"""Results: datasets of finished and unfinished searches, and the files that hold them."""

from mlspec.results.accessor import ResultAccessor, blocked_layers, ranges
from mlspec.results.dataset import Provenance, to_dataset
from mlspec.results.reading import label_names_of, layering_of, neighborhood_of, property_of
from mlspec.results.store import open_result, save

__all__ = [
    "Provenance",
    "ResultAccessor",
    "blocked_layers",
    "label_names_of",
    "layering_of",
    "neighborhood_of",
    "open_result",
    "property_of",
    "ranges",
    "save",
    "to_dataset",
]
