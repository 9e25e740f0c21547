"""Every kind of mistake in a spec, with the exact lines, columns and words of its error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlspec import load_spec
from mlspec.errors import SpecError

REQUIRED = {
    "classifier": "classifier: {onnx: net.onnx}",
    "image": "image: {dataset: double-digits, index: 3}",
    "object": "object: {mask: dataset}",
}


def golden_mistakes() -> Iterator[tuple[str, list[str]]]:
    """The blocks of ``mistakes.txt``: a spec that a mistake was made in, and its error."""
    text = Path(__file__).with_name("mistakes.txt").read_text()
    for block in re.split(r"\n\n+", text.strip()):
        if block.startswith("#"):
            continue
        first, *rest = [line for line in block.splitlines() if not re.match(r"    \d", line)]
        lines = list((REQUIRED | {first.partition(":")[0]: first}).values()) + rest
        yield "\n".join(lines) + "\n", re.findall(r"^    (\d.*)$", block, re.MULTILINE)


@pytest.mark.parametrize(("text", "expected"), list(golden_mistakes()))
def test_a_mistake_is_named_where_it_stands(complaints, text, expected):
    assert complaints(text) == [f"s.yaml:{line}" for line in expected]


def test_all_required_keys_are_asked_for(complaints):
    assert complaints("seed: 0") == [
        "s.yaml:1:1: classifier: missing (the network under test)",
        "s.yaml:1:1: image: missing (the image at the centre of the neighborhood)",
        "s.yaml:1:1: object: missing (the pixels of the perturbed object)",
    ]


@pytest.mark.parametrize("text", ["[1]", "word", "null"])
def test_a_spec_is_a_mapping(complaints, text):
    (line,) = complaints(text)
    assert line.startswith("s.yaml:1:1: (spec): expected a mapping with keys from classifier, ")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing but a comment\n"])
def test_an_empty_file_says_how_to_start(complaints, text):
    assert complaints(text) == [
        "s.yaml:1:1: (spec): empty: `mlspec new` writes a spec to start from"
    ]


def test_tabs_cannot_indent(complaints):
    assert complaints("search:\n\tstep: 1.0\n") == [
        "s.yaml:2:1: (syntax): tab character: indent with spaces"
    ]


def test_control_characters_are_refused(complaints):
    assert complaints("seed: 0\ntarget: \x07\n") == [
        "s.yaml:2:9: (syntax): character '\\x07' is not allowed in YAML"
    ]


def test_a_byte_that_is_not_utf8_is_found(complaints):
    assert complaints(b"seed: 0\ntarget: \xc3\xa4 \xff\n") == [
        "s.yaml:2:11: (file): byte 0xff is not UTF-8: save the file as UTF-8"
    ]


def test_a_byte_order_mark_moves_no_column(complaints):
    assert complaints(b"\xef\xbb\xbfsed: 0\n")[-1].startswith("s.yaml:1:1: sed: unknown key")


def test_depth_has_a_limit(complaints):
    assert complaints("[" * 5000) == ["s.yaml:1:1: (syntax): nested too deeply"]


def test_a_huge_number_is_elided(complaints):
    (line,) = complaints(f"{REQUIRED['image']}\nseed: {'9' * 5000}\n")[2:]
    assert line.startswith("s.yaml:2:7: seed: ")
    assert len(line) < 250


def test_a_line_break_in_a_key_stays_on_the_line(complaints):
    assert complaints('"a\\nb": 0\n')[-1].startswith("s.yaml:1:1: a\\nb: unknown key; valid here: ")


def test_a_result_is_no_spec(tmp_path: Path) -> None:
    file = tmp_path / "r.nc"
    file.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(8))
    with pytest.raises(SpecError, match="a result, not a spec: show, plot and verify"):
        load_spec(file)
