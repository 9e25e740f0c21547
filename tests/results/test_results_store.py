"""Result files: round trips, writing in one piece, and clear errors."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from law import law
from results_cases import Case, cases, random_case

from mlspec.errors import DataError
from mlspec.results import open_result, save
from mlspec.results.schema import Layout


@pytest.fixture
def ds() -> xr.Dataset:
    return random_case(np.random.default_rng(5)).ds


@law(cases(), quick=25, deep=300)
def test_a_dataset_survives_its_file(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.nc"
        save(case.ds, path)
        xr.testing.assert_identical(open_result(path), case.ds)


def test_an_opened_result_no_longer_needs_its_file(ds: xr.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "result.nc"
    save(ds, path)
    opened = open_result(path)
    path.unlink()
    xr.testing.assert_identical(opened, ds)
    assert {name: type(value) for name, value in opened.attrs.items()} == {
        name: type(value) for name, value in ds.attrs.items()
    }


def test_an_opened_result_can_be_changed_and_saved_again(ds: xr.Dataset, tmp_path: Path) -> None:
    save(ds, tmp_path / "result.nc")
    part = open_result(tmp_path / "result.nc").isel(step=slice(0, 1), witness=slice(0, 1))
    save(part, tmp_path / "part.nc")
    xr.testing.assert_identical(open_result(tmp_path / "part.nc"), part)


def test_the_folder_is_made_and_holds_nothing_but_the_file(ds: xr.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "some" / "where" / "result.nc"
    save(ds, path)
    save(ds, path)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("disk full"), RuntimeError("HDF error")])
def test_a_failed_save_leaves_the_old_file(
    ds: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = tmp_path / "result.nc"
    save(ds, path)
    before = path.read_bytes()

    def fail(self: xr.Dataset, target: Path, **options: Any) -> None:
        Path(target).write_bytes(b"half a file")
        raise error

    monkeypatch.setattr(xr.Dataset, "to_netcdf", fail)
    with pytest.raises(DataError, match=r"result\.nc: the result cannot be written"):
        save(ds, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_save_leaves_the_old_file(
    ds: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.nc"
    save(ds, path)

    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(ds.assign_attrs(seed=8), path)
    assert open_result(path).attrs["seed"] == 7
    assert list(tmp_path.iterdir()) == [path]


def test_places_that_cannot_be_written(ds: xr.Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    for place in (tmp_path, tmp_path / "file" / "result.nc"):
        with pytest.raises(DataError, match="the result cannot be written"):
            save(ds, place)
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_a_missing_file_names_the_nearest(ds: xr.Dataset, tmp_path: Path) -> None:
    save(ds, tmp_path / "pgd_img3.nc")
    with pytest.raises(DataError, match=r"no such file; did you mean '.*pgd_img3\.nc'\?"):
        open_result(tmp_path / "pdg_img3.nc")
    with pytest.raises(DataError, match=r"no such file$"):
        open_result(tmp_path / "else.nc")
    with pytest.raises(DataError, match="no such folder as"):
        open_result(tmp_path / "nowhere" / "a.nc")
    with pytest.raises(DataError, match=r"is a folder.*pgd_img3\.nc"):
        open_result(tmp_path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_a_file_cut_short(ds: xr.Dataset, tmp_path: Path, share: float) -> None:
    path = tmp_path / "result.nc"
    save(ds, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match="cut short or damaged"):
        open_result(path)


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n"])
def test_a_file_of_another_kind(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "result.nc"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a netCDF file"):
        open_result(path)


def test_netcdf_of_another_origin(ds: xr.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "result.nc"
    without = ds.copy()
    del without.attrs["stop_reason"]
    others = {
        "not a result of mlspec": xr.Dataset({"a": 1.0}),
        "mlspec_format is 'two', no number": ds.assign_attrs(mlspec_format="two"),
        "lacks the attributes stop_reason": without,
        "newer mlspec": ds.assign_attrs(mlspec_format=Layout.version + 1),
        "lacks epsilon": ds.drop_vars("epsilon"),
        "do not match the stored image_sha256": ds.assign(image=ds["image"] / 2),
        "do not match the stored classifier_sha256": ds.assign_attrs(classifier_sha256=""),
    }
    for message, other in others.items():
        other.to_netcdf(path)
        with pytest.raises(DataError, match=message):
            open_result(path)
