"""Solver profiles and the folders that ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.errors import InputError, SpecError
from mlspec.spec import assets, find_profile, load_spec, profile_names, profiles
from mlspec.spec.search import SolverChoice, named

MINE = (
    "{name: mine, backend: highs, interface: i, install: x, licence: MIT, "
    "native: {threads: [threads]}}"
)


@pytest.mark.parametrize("name", profile_names())
def test_shipped_profiles_load_under_their_own_names(name):
    profile = find_profile(SolverChoice(profile=name))
    assert profile.name == name
    assert profile.licence


@pytest.mark.parametrize("name", profile_names())
def test_shipped_profiles_run_on_one_thread_with_tight_tolerances(name):
    limits = find_profile(SolverChoice(profile=name)).limits
    assert limits.gap == 1e-6
    assert limits.threads in {1, None}
    assert limits.feasibility_tolerance in {1e-7, None}
    assert limits.integrality_tolerance in {1e-6, 1e-7, None}


def test_limits_and_options_get_the_solvers_own_names():
    assert find_profile(SolverChoice()).native_options() == {
        "threads": 1,
        "mip_rel_gap": 1e-6,
        "mip_feasibility_tolerance": 1e-6,
        "primal_feasibility_tolerance": 1e-7,
    }


def test_a_spec_changes_limits_and_options(minimal):
    spec = load_spec(minimal, ["solver={threads: 2, seconds: 5, options: {presolve: 'off'}}"])
    profile = find_profile(spec.solver, spec.source)
    options = profile.native_options()
    assert options["threads"] == 2
    assert profile.limits.seconds == 5.0
    assert options["presolve"] == "off"
    assert options["mip_rel_gap"] == 1e-6


def test_a_profile_is_found_by_path(folder, minimal):
    (folder / "mine.yaml").write_text(MINE)
    spec = load_spec(minimal, ["solver={profile: mine.yaml, gap: 0.1}"])
    assert find_profile(SolverChoice(profile="mine.yaml"), spec.source).native_options() == {}
    with pytest.raises(SpecError) as caught:
        find_profile(spec.solver, spec.source)
    assert str(caught.value) == "--set: solver.gap: solver 'mine' has no such limit"


def test_a_profile_is_found_in_a_folder_beside_the_spec_or_here(folder, minimal, monkeypatch):
    (folder / "specs" / "solvers").mkdir(parents=True)
    (folder / "specs" / "solvers" / "mine.yaml").write_text(MINE)
    (folder / "specs" / "s.yaml").write_text(Path(minimal).read_text() + "solver: mine\n")
    spec = load_spec("specs/s.yaml")
    assert find_profile(spec.solver, spec.source).name == "mine"
    assert "mine" in profiles(spec.source)
    with pytest.raises(SpecError, match="no solver profile 'mine'"):
        find_profile(SolverChoice(profile="mine"))
    monkeypatch.chdir(folder / "specs")
    assert find_profile(SolverChoice(profile="mine")).name == "mine"
    (folder / "specs" / "solvers" / "mine.yaml").write_text(MINE.replace("mine", "yours", 1))
    with pytest.raises(SpecError, match=r"the file is mine\.yaml: call the profile 'mine'"):
        find_profile(SolverChoice(profile="mine"))


def test_a_list_of_solvers_has_its_places(folder, minimal):
    text = Path(minimal).read_text() + "solver: [highs, {profile: hihgs, threads: 2}]\n"
    (folder / "s.yaml").write_text(text)
    spec = load_spec("s.yaml")
    first, second = spec.solver
    assert find_profile(first, spec.source, "solver[0]").name == "highs"
    with pytest.raises(SpecError, match=r"^s\.yaml:4:27: solver\[1\]\.profile: no solver profile"):
        find_profile(second, spec.source, "solver[1]")
    assert named("highs, scip") == (SolverChoice(), SolverChoice(profile="scip"))
    assert named("scip") == SolverChoice(profile="scip")


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
