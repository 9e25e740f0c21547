"""Every encoding as the text of an LP file: a change of a model shows as a change of a file.

After an intended change, ``pytest tests/golden --regenerate-golden`` rewrites the files; read what
``git diff tests/golden`` says, and commit them with the change.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from models import MODELS, lp_text

FILES = Path(__file__).parent / "lp"


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_written_as_its_golden_file(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    text = lp_text(MODELS[name](), tmp_path)
    file = FILES / f"{name}.lp"
    if request.config.getoption("--regenerate-golden"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert file.is_file(), "no golden file: run pytest tests/golden --regenerate-golden"
    assert text == file.read_text()


def test_every_golden_file_has_a_model() -> None:
    assert {file.stem for file in FILES.glob("*.lp")} == set(MODELS)
