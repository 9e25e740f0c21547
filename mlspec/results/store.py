"""Result files: written in one piece, read in one piece."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from mlspec.errors import DataError
from mlspec.files import is_hdf, written_whole
from mlspec.interrupts import undisturbed, within
from mlspec.results.digests import CONTENTS, contents_digest, digests
from mlspec.results.schema import ASYMMETRIC, ATTRIBUTES, LATER, VARIABLES, Layout


def save(ds: xr.Dataset, path: str | Path) -> None:
    """Write a result to ``path`` (netCDF 4) and create the folder if need be.

    A reader sees the file of before or the whole new one, whatever happens in between. Raises
    DataError when the place cannot be written.
    """
    # Within the netCDF library Ctrl-C may leave a lock held.
    with undisturbed(afterwards=True):
        _write(ds, Path(path))


def _write(ds: xr.Dataset, path: Path) -> None:
    try:
        with written_whole(path) as temporary:
            signed = ds.assign_attrs({CONTENTS: contents_digest(ds)})
            signed.to_netcdf(temporary, format="NETCDF4", engine="netcdf4", encoding=_encoding(ds))
    # On a full disk netCDF raises RuntimeError.
    except (OSError, RuntimeError, MemoryError) as error:
        raise DataError(
            f"{path}: the result cannot be written ({_why(error)}); give another place"
        ) from error


def open_result(path: str | Path) -> xr.Dataset:
    """Read a result into memory and close its file.

    Raises DataError when it is missing, unreadable, cut short, not a result of mlspec, or was
    changed since mlspec wrote it.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: there is no such {_nearest(path)}")
    if path.is_dir():
        raise DataError(f"{path} is a folder, a result is a file; in it: {_listing(path)}")
    if not path.is_file():
        raise DataError(f"{path} is a device, pipe or socket, a result is a file")
    try:
        limit = Layout.seconds + path.stat().st_size / Layout.bytes_per_second
        ds = within(limit, partial(_loaded, path))
        ds.attrs = {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in ds.attrs.items()
        }
        _check(ds, path)
    except DataError:
        raise
    except TimeoutError as error:
        raise DataError(
            f"{path}: damaged: reading it has {error}; this process can read no other file now"
        ) from None
    except MemoryError:
        raise DataError(f"{path}: reading it needs more memory than there is") from None
    # netCDF, HDF and xarray report damage by whatever error the broken part leads to.
    except Exception as error:
        raise DataError(f"{path}: {_damage(path, error)}") from error
    ds.attrs.pop(CONTENTS, None)
    # How this file was packed must not bind the next one.
    return ds.drop_encoding()


def _loaded(path: Path) -> xr.Dataset:
    with xr.open_dataset(path, engine="netcdf4", decode_times=False) as opened:
        if opened.nbytes > Layout.most_bytes:
            raise DataError(
                f"{path}: it claims to hold {opened.nbytes / 2**30:.3g} GiB, more than the "
                f"{Layout.most_bytes / 2**30:.0f} GiB that a result may have"
            )
        return opened.load()


def _encoding(ds: xr.Dataset) -> Mapping[str, dict[str, Any]]:
    packed = {"zlib": True, "complevel": 4, "shuffle": True, "fletcher32": True}
    return {
        str(name): packed
        for name, variable in ds.data_vars.items()
        if variable.dtype.kind in "fiu" and variable.nbytes >= Layout.compressed_from
    }


def _check(ds: xr.Dataset, path: Path) -> None:
    written = ds.attrs.get("mlspec_format")
    if written is None:
        raise DataError(f"{path}: netCDF, but not a result of mlspec (no attribute mlspec_format)")
    if not isinstance(written, int | np.integer):
        raise DataError(
            f"{path}: damaged: the attribute mlspec_format is {written!r:.80}, no number"
        )
    if written > Layout.version:
        raise DataError(
            f"{path}: written by a newer mlspec (format {written}, this one reads {Layout.version})"
        )
    lacking = [name for name in ATTRIBUTES if name not in ds.attrs]
    if lacking:
        raise DataError(
            f"{path}: a result of mlspec that lacks the attributes {', '.join(lacking)}"
        )
    needed = [name for name in VARIABLES if name not in LATER | ASYMMETRIC | {"blocking_witness"}]
    missing = [name for name in needed if name not in ds]
    if missing:
        raise DataError(f"{path}: a result of mlspec that lacks {', '.join(missing)}")
    eps = ds["epsilon"].values
    wrong = eps[~((eps >= 0.0) & (eps <= 1.0))]
    if wrong.size:
        raise DataError(f"{path}: damaged: epsilons lie in [0, 1]; one is {wrong[0]}")
    for name, digest in digests(ds["classifier_onnx"].values, ds["image"].values).items():
        if ds.attrs.get(name) != digest:
            raise DataError(f"{path}: damaged: its contents do not match the stored {name}")
    if CONTENTS in ds.attrs and ds.attrs[CONTENTS] != contents_digest(ds):
        raise DataError(
            f"{path}: it was changed since mlspec wrote it: its contents do not match the stored "
            f"{CONTENTS}; take the file that mlspec wrote"
        )


def _damage(path: Path, error: Exception) -> str:
    if is_hdf(path):
        return f"a netCDF file that is cut short or damaged ({_why(error)})"
    return "not a netCDF file; a result is written by 'mlspec solve'"


def _why(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.splitlines()[0] if text else type(error).__name__


def _nearest(path: Path) -> str:
    if not path.parent.is_dir():
        return f"folder as {path.parent}"
    names = [item.name for item in path.parent.glob("*.nc")]
    near = get_close_matches(path.name, names, n=1)
    return f"file; did you mean '{path.with_name(near[0])}'?" if near else "file"


def _listing(path: Path) -> str:
    names = sorted(item.name for item in path.glob("*.nc"))
    shown = ", ".join(names[:5]) or "no .nc file"
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
