"""Datasets by name, and the errors of wrong names and paths."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from mlspec.data import DATASETS, open_dataset
from mlspec.errors import DataError
from mlspec.spec.image import DatasetName
from mlspec.spec.training import TrainingDataset


def test_specs_name_exactly_the_datasets_there_are() -> None:
    assert set(get_args(DatasetName)) == set(DATASETS)


def test_training_names_the_composed_datasets() -> None:
    names = get_args(TrainingDataset.model_fields["name"].annotation)
    assert set(names) == set(DATASETS) - {"multi-mnist-folder"}


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(DataError, match=r"'doubel-digits'; did you mean 'double-digits'\?"):
        open_dataset("doubel-digits", "test")


def test_unknown_split_is_refused() -> None:
    with pytest.raises(DataError, match=r"split 'tets'; did you mean 'test'\?"):
        open_dataset("double-digits", "tets")


@pytest.mark.parametrize("name", ["double-mnist", "triple-mnist", "multi-mnist-folder"])
def test_missing_path_says_what_it_must_hold(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs a path: the folder that holds"):
        open_dataset(name, "test")
    with pytest.raises(DataError, match="no-such-folder is not a folder; it must hold"):
        open_dataset(name, "test", tmp_path / "no-such-folder")


def test_bundled_dataset_takes_no_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="takes no path"):
        open_dataset("double-digits", "test", tmp_path)
