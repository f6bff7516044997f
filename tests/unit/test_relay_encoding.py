"""zstd bodies: what is honest comes out as it was, what is not is refused before it is unpacked."""

from __future__ import annotations

import os

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from relay.api.encoding import TooLong, Unreadable, inflate
from rules import wire
from tests.bench.drain.night import entries

MOST = wire.MAX_BATCH_BYTES


@given(st.binary(max_size=10_000))
def test_what_was_packed_comes_out(data: bytes) -> None:
    assert inflate(zstandard.compress(data), most=MOST) == data


def test_a_real_batch_is_far_from_the_bound() -> None:
    batch = b"\n".join(wire.encode(entry) for entry in entries(500, gateway="gw-1", seed="b", policy="guards"))
    packed = zstandard.compress(batch, 3)
    assert inflate(packed, most=MOST) == batch
    assert len(batch) / len(packed) < 20
    assert len(packed) / 500 <= 100, "bytes a record"


def test_a_bomb_is_refused_by_what_it_says() -> None:
    with pytest.raises(TooLong):
        inflate(zstandard.compress(b"\0" * (MOST + 1)), most=MOST)
    with pytest.raises(Unreadable):
        inflate(zstandard.compress(b"\0" * MOST), most=MOST)  # four megabytes out of a few hundred bytes


def test_a_bomb_that_lies_about_its_size_is_refused() -> None:
    honest = zstandard.compress(b"\0" * 40_000_000)
    size = zstandard.get_frame_parameters(honest).content_size
    lying = honest.replace(size.to_bytes(4, "little"), (50_000).to_bytes(4, "little"), 1)
    assert zstandard.get_frame_parameters(lying).content_size == 50_000
    with pytest.raises(Unreadable):
        inflate(lying, most=MOST)


def test_a_frame_that_says_nothing_of_its_size_is_refused() -> None:
    packer = zstandard.ZstdCompressor(write_content_size=False)
    with pytest.raises(Unreadable):
        inflate(packer.compress(b"{}" * 100), most=MOST)


@pytest.mark.parametrize("left", [1, 5, 50])
def test_a_cut_frame_is_refused(left: int) -> None:
    packed = zstandard.compress(os.urandom(5000))
    with pytest.raises(Unreadable):
        inflate(packed[:-left], most=MOST)
    with pytest.raises(Unreadable):
        inflate(packed + b"x" * left, most=MOST)
    with pytest.raises(Unreadable):
        inflate(packed + packed, most=MOST)


@given(st.binary(max_size=400))
def test_rubbish_is_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises((TooLong, Unreadable), match="zstd|bytes"):
        inflate(data, most=MOST)
