"""Every command does what it says, plain where nobody watches, from any folder."""

from __future__ import annotations

import csv
import json
import re
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from cli_cases import SMALL, Ran, controls, mlspec, spec_with
from PIL import Image

from mlspec import load_spec, open_result
from mlspec.core import forward
from mlspec.data.images import read_image
from mlspec.run import prepare
from mlspec.spec import ExperimentSpec

SHIPPED = ("small", "none_img3", "l0_img3", "pgd_img3")


@pytest.mark.parametrize(
    "command", [[], ["solve"], ["check"], ["verify"], ["show"], ["plot"], ["train"], ["new"]]
)
def test_help_names_what_there_is(command: list[str], tmp_path: Path) -> None:
    ran = mlspec(*command, "--help", cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert "Usage: mlspec" in ran.out
    assert controls(ran.out) == set()


def test_help_lists_commands_in_the_order_of_their_use(tmp_path: Path) -> None:
    listed = re.findall(r"^│ ([a-z]+) ", mlspec("--help", cwd=tmp_path).out, flags=re.M)
    assert listed[:4] == ["solve", "check", "verify", "show"]
    assert {"plot", "solvers", "train", "export", "schema", "new"} <= set(listed)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_specs_are_ready_to_solve(name: str, tmp_path: Path) -> None:
    ran = mlspec("check", f"specs/{name}.yaml", cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert f"{name}: ready to solve" in ran.out
    assert "object " in ran.out
    assert controls(ran.out) == set()


def test_check_takes_several_specs(tmp_path: Path) -> None:
    ran = mlspec("check", *(f"specs/{name}.yaml" for name in SHIPPED), cwd=tmp_path)
    assert re.findall(r"^(\w+): ready", ran.out, re.MULTILINE) == list(SHIPPED)


def test_an_object_may_be_a_mask_file_a_box_or_a_component(tmp_path: Path) -> None:
    mask = Image.new("L", (64, 64))
    mask.paste(255, (5, 20, 25, 40))
    mask.save(tmp_path / "mask.png")
    forms = ["{file: mask.png}", "{box: [20, 5, 40, 25]}", "{component_at: [30, 10]}"]
    for form in forms:
        (tmp_path / "s.yaml").write_text(spec_with(f"object: {form}\ntarget: '9'"))
        ran = mlspec("check", "s.yaml", cwd=tmp_path)
        assert (ran.code, ran.err) == (0, "")
    assert (
        "object       400 pixels"
        in mlspec("check", "s.yaml", "--set", "object={box: [20, 5, 40, 25]}", cwd=tmp_path).out
    )


def test_schema_is_that_of_the_spec(tmp_path: Path) -> None:
    ran = mlspec("schema", cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out) == ExperimentSpec.json_schema()


def test_a_new_spec_can_be_checked_at_once(tmp_path: Path) -> None:
    ran = mlspec("new", "mine", cwd=tmp_path)
    assert (ran.code, ran.out) == (0, "wrote mine.yaml; next: mlspec check mine.yaml\n")
    assert mlspec("check", "mine.yaml", cwd=tmp_path).code == 0


def test_the_next_command_can_be_copied(tmp_path: Path) -> None:
    ran = mlspec("new", "my spec", cwd=tmp_path)
    assert (ran.code, ran.out) == (0, "wrote my spec.yaml; next: mlspec check 'my spec.yaml'\n")


def test_new_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("precious")
    for name in ("mine", "mine.yaml"):
        ran = mlspec("new", name, cwd=tmp_path)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err == "mine.yaml exists already: choose another name\n"
    assert (tmp_path / "mine.yaml").read_text() == "precious"


def test_solve_saves_where_it_says_and_prints_every_epsilon(solved_run: tuple[Ran, Path]) -> None:
    ran, path = solved_run
    ds = open_result(path)
    assert ran.err == ""
    assert controls(ran.out) == set()
    assert ran.out.splitlines()[0].startswith("first certified neighborhood after ")
    assert ran.out.splitlines()[-1] == f"saved in {Path('results') / 'small.nc'}"
    assert float(ds["size"]) > 0.0
    rows = re.findall(r"^ +(\d+) +([\d.e-]+) +", ran.out, re.MULTILINE)
    assert [int(layer) for layer, _ in rows] == list(range(ds.sizes["layer"]))
    # Printed radii are rounded down: what is shown is certified.
    for (_, printed), eps in zip(rows, ds["epsilon"].values, strict=True):
        assert float(printed) <= eps <= float(printed) * 1.01 + 1e-12


def test_show_prints_the_summary_of_a_result(solved_run: tuple[Ran, Path], tmp_path: Path) -> None:
    ran = mlspec("show", solved_run[1], cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.strip() in solved_run[0].out
    assert controls(ran.out) == set()


def test_show_compares_several_results(solved: Path, tmp_path: Path) -> None:
    (tmp_path / "other.nc").write_bytes(solved.read_bytes())
    ran = mlspec("show", solved, "other.nc", cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("small") >= 2
    assert controls(ran.out) == set()


def test_plot_draws_beside_the_result_or_where_it_is_told(solved: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.nc").write_bytes(solved.read_bytes())
    ran = mlspec("plot", "mine.nc", cwd=tmp_path)
    assert (ran.code, ran.out, ran.err) == (0, "saved in mine.png\n", "")
    with Image.open(tmp_path / "mine.png") as picture:
        assert min(picture.size) > 300
    assert mlspec("plot", "mine.nc", "-o", "deep/fig.svg", cwd=tmp_path).code == 0
    assert (tmp_path / "deep" / "fig.svg").read_text().startswith("<?xml")


def test_a_figure_format_that_nobody_knows_is_said(solved: Path, tmp_path: Path) -> None:
    ran = mlspec("plot", solved, "-o", "fig.foo", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert "fig.foo: the figure cannot be written" in ran.err


def test_a_result_is_verified_from_its_file_alone(
    solved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alone.nc").write_bytes(solved.read_bytes())
    # No spec, no classifier, no dataset within reach.
    monkeypatch.setattr("mlspec.spec.source.shipped", lambda path: None)
    monkeypatch.setattr("mlspec.problem.scene.open_dataset", None)
    ran = mlspec("verify", "alone.nc", cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == "robust"
    assert re.fullmatch(r"target 2, eps \S+( to \S+)?, 3 layers", lines[1])
    assert re.fullmatch(r"margin >= [\d.e-]+ \(certified\)", lines[2])
    assert re.fullmatch(r"decided by (interval|crown|alpha|milp) after [\d.]+ s", lines[3])
    assert re.fullmatch(r"proof: (bounds|dual bounds in float64)", lines[4])


def test_a_small_neighborhood_is_robust(solved: Path, tmp_path: Path) -> None:
    halves = open_result(solved)["epsilon"].values / 2
    for eps in ("0", "0.0005", "5e-4", ",".join(map(str, halves))):
        ran = mlspec("verify", SMALL, "--eps", eps, cwd=tmp_path)
        assert (ran.out.splitlines()[0], ran.code, ran.err) == ("robust", 0, "")
        assert "(certified)" in ran.out


def test_a_large_neighborhood_is_violated(tmp_path: Path) -> None:
    ran = mlspec("verify", SMALL, "--eps", "1", cwd=tmp_path)
    assert ran.code == 1
    assert ran.out.splitlines()[0] == "violated"
    assert re.search(r"^margin = -?[\d.]+ \(of the witness\)$", ran.out, re.MULTILINE)
    assert "decided by attack" in ran.out


def test_a_level_is_told_with_the_weakest_images(tmp_path: Path) -> None:
    ran = mlspec("verify", SMALL, "--eps", "0.0009", "--level", cwd=tmp_path)
    assert ran.code == 0, ran.err
    outcome, question, first, proof, second = ran.out.splitlines()
    assert proof.startswith("proof of its lower end: ")
    assert (outcome, question) == ("robust", "target 2, eps 0.0009, 3 layers")
    level = re.fullmatch(r"robustness level (\S+) \(exact\) after \S+ s", first)
    assert level is not None
    margins = [float(each) for each in second.split(": ")[1].split(", ")]
    assert margins == sorted(margins)
    assert margins[0] == pytest.approx(float(level[1]), rel=1e-3)
    ran = mlspec("verify", SMALL, "--eps", "0.1", "--level", "--explain", cwd=tmp_path)
    assert (ran.code, ran.err) == (2, "--explain is about a decision: leave it out, or --level\n")
    ran = mlspec("verify", SMALL, "--level", cwd=tmp_path)
    assert ran.code == 2
    assert "--eps" in ran.err


def test_a_violation_says_what_takes_over_and_what_moved(tmp_path: Path) -> None:
    ran = mlspec("verify", SMALL, "--eps", "0.5,0,0.25", "--witness", "w.npy", cwd=tmp_path)
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[:2] == ["violated", "target 2, eps 0 to 0.5, 3 layers"]
    lost = re.fullmatch(r"2 is lost to (\d)", lines[2])
    assert lost is not None
    problem = prepare(load_spec(SMALL)).problem
    image = np.load(tmp_path / "w.npy")
    scores = forward.scores(problem.network, image[None])[0]
    assert scores[int(lost[1])] >= scores[2]
    told = dict(re.findall(r"^score of (\d): \S+ -> (\S+)$", ran.out, re.MULTILINE))
    assert float(told["2"]) == pytest.approx(scores[2], rel=1e-3)
    moved = dict(re.findall(r"layer (\d) by ([\d.]+)", ran.out))
    extents = problem.layering.extents(image - problem.image)
    assert set(moved) == {str(layer) for layer in np.flatnonzero(extents)}
    for layer, by in moved.items():
        assert float(by) == pytest.approx(extents[int(layer)], rel=1e-2)
    assert lines[-1] == "violating image saved in w.npy"
    assert problem.margin(image[None])[0] <= 0.0
    assert problem.neighborhood(np.array([0.5, 0.0, 0.25])).box.contains(image)


def test_a_violating_image_can_be_a_picture(tmp_path: Path) -> None:
    ran = mlspec("verify", SMALL, "--eps", "0.5", "--witness", "deep/w.png", cwd=tmp_path)
    assert ran.code == 1
    assert ran.out.splitlines()[-1] == "violating image saved in deep/w.png"
    problem = prepare(load_spec(SMALL)).problem
    assert problem.margin(read_image(tmp_path / "deep" / "w.png")[None])[0] <= 0.0
    ran = mlspec("verify", SMALL, "--eps", "0", "--witness", "none.png", cwd=tmp_path)
    assert ran.out.splitlines()[-1] == "no violating image: none.png is not written"
    assert not (tmp_path / "none.png").exists()
    ran = mlspec("verify", SMALL, "--eps", "0", "--witness", "w.jpg", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "w.jpg: an image is written as .npy or .png: name it so\n"


def test_a_level_of_a_result_needs_its_file_alone(solved: Path, tmp_path: Path) -> None:
    ran = mlspec("verify", solved, "--level", cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("robust\ntarget 2, eps ")
    assert "robustness level " in ran.out


def test_the_version_is_told(tmp_path: Path) -> None:
    ran = mlspec("--version", cwd=tmp_path)
    assert (ran.code, ran.out, ran.err) == (0, f"mlspec {version('mlspec')}\n", "")


def test_show_writes_json_and_csv(solved: Path, tmp_path: Path) -> None:
    ds = open_result(solved)
    ran = mlspec("show", solved, solved, "--format", "json", cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    first, second = json.loads(ran.out)
    assert first == second
    assert first["size"] == float(ds["size"])
    assert [row["epsilon"] for row in first["epsilons"]] == ds["epsilon"].values.tolist()
    ran = mlspec("show", solved, "--format", "csv", cwd=tmp_path)
    rows = list(csv.DictReader(ran.out.splitlines()))
    assert [float(row["epsilon"]) for row in rows] == ds["epsilon"].values.tolist()
    assert [row["blocked_by"] for row in rows] == ds["blocked_by"].values.tolist()
    ran = mlspec("show", solved, "--format", "xml", cwd=tmp_path)
    assert ran.code == 2


def test_a_verdict_explains_what_each_stage_did(tmp_path: Path) -> None:
    ran = mlspec("verify", SMALL, "--eps", "1", "--explain", cwd=tmp_path)
    lines = ran.out.splitlines()
    head = lines.index(next(line for line in lines if line.startswith("stage ")))
    told = [line.split()[0] for line in lines[head + 1 :]]
    assert told == ["interval", "crown", "attack"]
    assert "a violating image" in lines[-1]


def test_what_nothing_decides_is_unknown_with_its_reason(tmp_path: Path) -> None:
    """Between what bounds prove and what an attack breaks, a MILP with no time decides nothing."""
    ran = mlspec(
        *("verify", "specs/pgd_img3.yaml", "--eps", "0.03"),
        *("--set", "verifier.milp.seconds=0.001", "--set", "verifier.bounds=interval"),
        *("--set", "verifier.attack.restarts=2", "--set", "verifier.attack.steps=1"),
        cwd=tmp_path,
    )
    assert ran.code == 1
    assert ran.out.splitlines()[0] == "unknown"
    assert re.search(r"^reason: .*time limit", ran.out, re.MULTILINE)


def test_overrides_of_the_command_line_are_in_the_result(solved: Path) -> None:
    stored = ExperimentSpec.from_json(open_result(solved).attrs["spec"])
    assert stored.budget.queries == 1
    assert stored.verifier.attack.steps == 20
    assert stored == load_spec(
        SMALL,
        {
            "budget.queries": 1,
            "verifier.attack.restarts": 8,
            "verifier.attack.steps": 20,
        },
    )


def test_a_result_may_be_called_anything(solved: Path, tmp_path: Path) -> None:
    (tmp_path / "r.netcdf").write_bytes(solved.read_bytes())
    assert mlspec("verify", "r.netcdf", cwd=tmp_path).out.startswith("robust\n")
    ran = mlspec("plot", "r.netcdf", "-o", "figure", cwd=tmp_path)
    assert (ran.code, ran.out) == (0, "saved in figure.png\n")
    assert (tmp_path / "figure.png").exists()
