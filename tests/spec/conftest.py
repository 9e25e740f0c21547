"""A folder to write specs into, and the lines of the errors they give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlspec.errors import SpecError
from mlspec.spec import load_spec

MINIMAL = """\
classifier: {onnx: net.onnx}
image: {dataset: double-digits, index: 3}
object: {mask: dataset}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def minimal(folder: Path) -> str:
    (folder / "s.yaml").write_text(MINIMAL)
    return "s.yaml"


@pytest.fixture
def complaints(folder: Path) -> Callable[..., list[str]]:
    """Loads a spec of some bytes or text and gives the lines of the error."""

    def lines(text: str | bytes, *overrides: str) -> list[str]:
        raw = text.encode() if isinstance(text, str) else text
        (folder / "s.yaml").write_bytes(raw)
        with pytest.raises(SpecError) as caught:
            load_spec("s.yaml", overrides)
        assert caught.value.exit_code == 2
        return str(caught.value).splitlines()

    return lines
