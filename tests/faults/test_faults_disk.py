"""Full disks, read-only folders, two searches on one file: nothing certified is lost."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from results_cases import PROVENANCE, random_case
from run_cases import SMALL, small
from shell import mlspec as mlspec_command

import mlspec
from mlspec.errors import DataError, InputError, SaveWarning, SpecError
from mlspec.files import claimed, require_writable
from mlspec.results import Saver, open_result, save
from mlspec.resume import harmless
from mlspec.spec import Source
from mlspec.spec.search import SolverChoice


@pytest.fixture
def ds() -> xr.Dataset:
    return random_case(np.random.default_rng(5)).ds


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@contextmanager
def file_size_limit(most: int) -> Iterator[None]:
    """Let no file grow beyond ``most`` bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 0.99])
def test_a_full_disk_leaves_the_old_file(ds: xr.Dataset, tmp_path: Path, share: float) -> None:
    """Wherever in the file the disk is full."""
    path = tmp_path / "r.nc"
    save(ds, path)
    before = path.read_bytes()
    with (
        file_size_limit(int(share * len(before))),
        pytest.raises(DataError, match=r"r\.nc: the result cannot be written \(.+\); give another"),
    ):
        save(ds.assign_attrs(seed=8), path)
    assert path.read_bytes() == before
    assert names(tmp_path) == ["r.nc"]
    save(ds.assign_attrs(seed=8), path)
    assert open_result(path).attrs["seed"] == 8


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace"])
def test_a_disk_that_fails_at_the_end_leaves_the_old_file(
    ds: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    path = tmp_path / "r.nc"
    save(ds, path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(call, fail)
        with pytest.raises(DataError, match=os.strerror(number)):
            save(ds.assign_attrs(seed=8), path)
    assert path.read_bytes() == before
    assert names(tmp_path) == ["r.nc"]


def test_a_search_outlives_a_disk_that_was_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so once, goes on, and saves when there is room again."""
    monkeypatch.setattr(Saver, "every", -1.0)
    case = random_case(np.random.default_rng(3))
    saver = Saver(case.problem, PROVENANCE, None)
    saver.path = tmp_path / "r.nc"
    with (
        file_size_limit(1000),
        pytest.warns(SaveWarning, match=r"r\.nc: .* cannot be written .*; the search goes on"),
    ):
        saver(case.trace, "full")
    assert names(tmp_path) == []
    case.trace.best = case.trace.best / 2
    saver(case.trace, "room again")
    assert float(open_result(saver.path)["size"]) == case.problem.size(case.trace.best)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_write_protected_is_said_early(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match=r"cannot be written \(Permission denied"):
            require_writable(tmp_path / "r.nc")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_place_where_no_file_can_be_made_is_said_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As root, or on a read-only file system, whose folders look writable."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("mlspec.files.tempfile.NamedTemporaryFile", fail)
    with pytest.raises(InputError, match=rf"cannot be written \({os.strerror(number)}\)"):
        mlspec.solve(small(), tmp_path / "r.nc")


def test_the_second_search_on_one_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.nc"
    (tmp_path / "link.nc").symlink_to(path)
    inside = []

    def search(*_: object, **__: object) -> xr.Dataset:
        for same in (path, tmp_path / "link.nc"):
            with pytest.raises(InputError, match="another mlspec is writing its result there"):
                mlspec.solve(small(), same)
            ran = mlspec_command("solve", SMALL, "-o", same, cwd=tmp_path)
            assert (ran.code, ran.out) == (2, "")
            assert ran.err.startswith(f"{same}: another mlspec is writing its result there")
        inside.append(True)
        return random_case(np.random.default_rng(5)).ds

    monkeypatch.setattr("mlspec.run.solve_experiment", search)
    mlspec.solve(small(), path)
    assert inside == [True]
    assert names(tmp_path) == ["link.nc", "r.nc"]


HOLD = """
import sys, time
from pathlib import Path
from mlspec.files import claimed
with claimed(Path(sys.argv[1])):
    print("claimed", flush=True)
    time.sleep(60)
"""


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "r.nc"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "claimed\n"
        with pytest.raises(InputError, match="another mlspec"), claimed(path):
            pass
        other.kill()
    with claimed(path):
        pass
    assert names(tmp_path) == []


def test_only_one_of_many_claims(tmp_path: Path) -> None:
    """Claims come and go all the time; no two hold at once."""
    inside, most, refused = 0, 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal inside, most, refused
        for _ in range(50):
            try:
                with claimed(tmp_path / "r.nc"):
                    with lock:
                        inside += 1
                        most = max(most, inside)
                    with lock:
                        inside -= 1
            except InputError:
                with lock:
                    refused += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert refused < 200


Change = Callable[[xr.Dataset], xr.Dataset]
EDITS: dict[str, Change] = {
    "a larger epsilon": lambda ds: ds.assign(epsilon=ds["epsilon"] * 0.0 + 0.5),
    "a larger size": lambda ds: ds.assign(size=ds["size"] + 1.0),
    "another weight": lambda ds: ds.assign(weight=ds["weight"] + 1.0),
    "another target": lambda ds: ds.assign_attrs(targets="[]"),
    "another solver": lambda ds: ds.assign_attrs(solver="other"),
    "a name of a label": lambda ds: ds.assign_coords(label=[f"{n}!" for n in ds["label"].values]),
    "one more variable": lambda ds: ds.assign(mine=1.0),
    "one variable less": lambda ds: ds.drop_vars("step_proof"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_result_that_was_edited_says_so(ds: xr.Dataset, tmp_path: Path, name: str) -> None:
    save(ds, tmp_path / "r.nc")
    with xr.open_dataset(tmp_path / "r.nc", decode_times=False) as opened:
        edited = EDITS[name](opened.load())
    edited.to_netcdf(tmp_path / "edited.nc")
    with pytest.raises(DataError, match="it was changed since mlspec wrote it"):
        open_result(tmp_path / "edited.nc")


def test_a_file_that_claims_to_be_huge_is_not_read(ds: xr.Dataset, tmp_path: Path) -> None:
    """A few kilobytes may claim terabytes: what was never written takes no space."""
    save(ds, tmp_path / "r.nc")
    with netCDF4.Dataset(tmp_path / "r.nc", "a") as file:
        file.createDimension("many", 10**9)
        file.createDimension("more", 10**9)
        file.createVariable("claim", "f8", ("many", "more"), zlib=True)
    assert (tmp_path / "r.nc").stat().st_size < 10**6
    with pytest.raises(DataError, match=r"claims to hold .* GiB, more than the 4 GiB"):
        open_result(tmp_path / "r.nc")


@pytest.mark.parametrize("profile", ["/etc/solver.yaml", "../solver.yaml", "a/../../b.yaml"])
def test_a_result_names_no_solver_outside_its_folder(ds: xr.Dataset, profile: str) -> None:
    spec = mlspec.load_spec(SMALL, {"solver": {"profile": profile}})
    with pytest.raises(SpecError, match="a result names no profile outside its folder"):
        mlspec.recertify(ds.assign_attrs(spec=spec.to_json()), origin="r.nc")


def test_options_of_a_result_name_no_files() -> None:
    """Gurobi's LogFile is one that would be written."""
    options = {"LogFile": "/tmp/somewhere", "Threads": 1}
    choice = SolverChoice(profile="highs", options=options)
    for solver in (choice, (choice, choice)):
        kept = harmless(solver, Source("r.nc"))
        each = kept if isinstance(kept, SolverChoice) else kept[1]
        assert each.options == {"Threads": 1}
