"""Solver profiles and the folders that ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.errors import InputError, SpecError
from mlspec.spec import assets, find_profile, load_spec, profile_names
from mlspec.spec.search import SolverChoice


@pytest.mark.parametrize("name", profile_names())
def test_shipped_profiles_load_under_their_own_names(name):
    profile = find_profile(SolverChoice(profile=name))
    assert profile.name == name
    assert profile.licence


def test_highs_runs_on_one_thread_with_tight_tolerances():
    assert find_profile(SolverChoice()).native_options() == {
        "threads": 1,
        "mip_rel_gap": 1e-6,
        "mip_feasibility_tolerance": 1e-7,
        "primal_feasibility_tolerance": 1e-7,
    }


def test_a_spec_changes_limits_and_options(minimal):
    spec = load_spec(minimal, ["solver={threads: 2, seconds: 5, options: {presolve: 'off'}}"])
    options = find_profile(spec.solver, spec.source).native_options()
    assert options["threads"] == 2
    assert options["time_limit"] == 5.0
    assert options["presolve"] == "off"
    assert options["mip_rel_gap"] == 1e-6


def test_a_profile_is_found_by_path(folder, minimal):
    (folder / "mine.yaml").write_text(
        "{name: mine, backend: highs, description: d, licence: MIT, native: {threads: [threads]}}"
    )
    spec = load_spec(minimal, ["solver={profile: mine.yaml, gap: 0.1}"])
    assert find_profile(SolverChoice(profile="mine.yaml"), spec.source).native_options() == {}
    with pytest.raises(SpecError) as caught:
        find_profile(spec.solver, spec.source)
    assert str(caught.value) == "--set: solver.gap: solver 'mine' has no such limit"


def test_an_unknown_profile_names_the_nearest(folder, minimal):
    text = Path(minimal).read_text() + "solver: {profile: hihgs}\n"
    (folder / "s.yaml").write_text(text)
    spec = load_spec("s.yaml")
    with pytest.raises(SpecError) as caught:
        find_profile(spec.solver, spec.source)
    line = str(caught.value)
    assert line.startswith("s.yaml:4:19: solver.profile: no solver profile 'hihgs'; known: ")
    assert line.endswith("did you mean 'highs'?")


def test_a_wheel_holds_its_own_folders(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "mlspec"
    (package / "_assets" / "specs").mkdir(parents=True)
    (package / "_assets" / "specs" / "small.yaml").touch()
    (package.parent / "specs").mkdir()
    monkeypatch.setattr(assets, "_PACKAGE", package)
    assert assets.asset_dir("specs") == package / "_assets" / "specs"
    assert assets.shipped("specs/small.yaml") == package / "_assets" / "specs" / "small.yaml"
    assert assets.shipped("specs/../specs/small.yaml") is None
    assert assets.shipped("small.yaml") is None
    with pytest.raises(InputError, match="the folder 'solvers' of mlspec is not installed"):
        assets.asset_dir("solvers")
