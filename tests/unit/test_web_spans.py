"""Byte ranges over several files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.web.spans import Span, etag, parse_range, pieces


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-", (0, 99)),
        ("bytes=10-19", (10, 19)),
        ("bytes=10-1000", (10, 99)),
        ("bytes=-5", (95, 99)),
        ("bytes=-500", (0, 99)),
        ("bytes=0-0", (0, 0)),
        ("bytes=0-3,8-9", (0, 99)),
        ("bytes=100-", None),
        ("bytes=-0", None),
        ("bytes=9-3", None),
        ("bytes=-", None),
        ("lines=0-1", None),
        ("bytes=" + "9" * 40 + "-", None),
    ],
)
def test_ranges(text: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(text, 100) == expected


def test_an_empty_whole_has_no_range() -> None:
    assert parse_range("bytes=0-", 0) is None
    assert parse_range("bytes=-1", 0) is None


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=6), st.data())
def test_pieces_are_the_whole(contents: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(contents)
    if not whole:
        return
    first = data.draw(st.integers(0, len(whole) - 1))
    last = data.draw(st.integers(first, len(whole) - 1))
    spans = [Span(file=Path(str(n)), size=len(content)) for n, content in enumerate(contents)]
    read = b"".join(contents[int(file.name)][at : at + count] for file, at, count in pieces(spans, first, last))
    assert read == whole[first : last + 1]


def test_the_tag_depends_on_the_order() -> None:
    assert etag(["a", "b"]) != etag(["b", "a"])
    assert etag(["a", "b"]) == etag(["a", "b"])
