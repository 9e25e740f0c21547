"""A place is found unwritable before the work, and is left as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.errors import InputError
from mlspec.files import require_writable


def test_a_writable_place_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("precious")
    require_writable(tmp_path / "old")
    require_writable(tmp_path / "new" / "folder" / "file")
    assert (tmp_path / "old").read_text() == "precious"
    assert list((tmp_path / "new" / "folder").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("folder", "it is a folder"),
        ("file/below", "File exists|Not a directory"),
        ("a\0b", "null"),
        (f"{300 * 'x'}/file", "File name too long"),
    ],
)
def test_an_unwritable_place_says_why(name: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("here")
    with pytest.raises(InputError, match=rf"cannot be written \(.*({why}).*\); give another"):
        require_writable(tmp_path / name)
