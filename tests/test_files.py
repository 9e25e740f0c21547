"""A place is found unwritable before the work, and is left as it was."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from mlspec.errors import InputError
from mlspec.files import free_name, require_writable, written_whole


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


def test_what_is_no_ordinary_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        places = {
            tmp_path / "pipe": "it is a pipe",
            tmp_path / "link": "it is a pipe",
            tmp_path / "loop": "symbolic links",
            tmp_path / "socket": "it is a socket",
            Path("/dev/null"): "it is a device",
        }
        for place, why in places.items():
            with pytest.raises(InputError, match=why):
                require_writable(place)
            with pytest.raises(OSError, match=why), written_whole(place):
                pass
    assert (tmp_path / "pipe").is_fifo()


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target = tmp_path / "folder" / "target.txt"
    (tmp_path / "link.txt").symlink_to(target)
    for text in ("one", "two"):
        with written_whole(tmp_path / "link.txt") as temporary:
            assert temporary.suffix == ".txt"
            temporary.write_text(text)
        assert (tmp_path / "link.txt").is_symlink()
        assert target.read_text() == text
        target.chmod(0o640)
    assert target.stat().st_mode & 0o777 == 0o640
    assert sorted(file.name for file in target.parent.iterdir()) == ["target.txt"]


def test_what_fails_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError), written_whole(tmp_path / "a") as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise RuntimeError
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_free_names_count_up(tmp_path: Path) -> None:
    assert free_name(tmp_path / "r.nc").name == "r.1.nc"
    (tmp_path / "r.1.nc").symlink_to("nowhere")
    assert free_name(tmp_path / "r.nc").name == "r.2.nc"
