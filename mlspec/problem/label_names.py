"""The names of a classifier's outputs."""

from __future__ import annotations

from typing import assert_never

from mlspec.core.network import Network
from mlspec.spec import ExperimentSpec
from mlspec.spec import schema as specs


def names_of(spec: ExperimentSpec, network: Network) -> tuple[str, ...]:
    """Return one name for each output of ``network``.

    Raises SpecError, at the place in the spec, where there are others than that, where two are the
    same, and where the decision rule does not fit them.
    """
    source, place = spec.source, "classifier.labels"
    match spec.classifier.labels:
        case specs.LabelFile(file=file):
            place = "classifier.labels.file"
            names = _names_in(spec, file)
        case "numbers":
            names = tuple(str(number) for number in range(network.labels))
        case "digits":
            names = specs.DIGITS
        case tuple(given):
            names = given
        case labels:
            assert_never(labels)
    if network.labels != len(names):
        raise source.error(
            place, f"{len(names)} names, but the classifier has {network.labels} scores"
        )
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise source.error(place, f"label '{repeated}' is there twice: names must differ")
    match spec.classifier.decision:
        case specs.TopK(k=k):
            if k >= len(names):
                message = f"k must be below the number of labels, {len(names)}; got {k}"
                raise source.error("classifier.decision.k", message)
        case specs.Threshold(tau=tau):
            if isinstance(tau, tuple) and len(tau) != len(names):
                message = f"one tau per label is needed, {len(names)}; got {len(tau)}"
                raise source.error("classifier.decision.tau", message)
        case decision:
            assert_never(decision)
    return names


def _names_in(spec: ExperimentSpec, file: str) -> tuple[str, ...]:
    place = "classifier.labels.file"
    path = spec.source.resolve_path(place, file)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise spec.source.error(place, f"{path}: no text that can be read ({error})") from error
    return tuple(line.strip() for line in lines if line.strip())
