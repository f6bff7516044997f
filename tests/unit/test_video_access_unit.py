"""Packets as cameras really send them become whole pictures with both times."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from agent.video.access_unit import AccessUnit, Normaliser, RawPacket

TICK = Fraction(1, 90_000)
STEP = 3_600
"""Ticks of a frame at 25 a second, which are 40,000 µs."""


def packet(number: int, *, key: bool = False, data: bytes | None = None) -> RawPacket:
    return RawPacket(
        data=data if data is not None else b"p%d" % number,
        pts=number * STEP,
        dts=number * STEP,
        duration=STEP,
        key=key,
        arrival=number * 40_000,
    )


def through(*packets: RawPacket) -> tuple[list[AccessUnit], Normaliser]:
    normaliser = Normaliser(time_base=TICK)
    return [unit for each in packets for unit in normaliser.take(each)], normaliser


def test_a_unit_is_given_out_when_the_next_begins() -> None:
    units, _ = through(packet(0, key=True), packet(1), packet(2))
    assert [(unit.data, unit.pts, unit.dts, unit.key) for unit in units] == [
        (b"p0", 0, 0, True),
        (b"p1", 40_000, 40_000, False),
    ]


def test_slices_of_one_picture_are_merged() -> None:
    units, normaliser = through(packet(0, key=True, data=b"a"), packet(0, data=b"b"), packet(1), packet(2))
    assert [unit.data for unit in units] == [b"ab", b"p1"]
    assert units[0].key
    assert normaliser.dropped == 0


def test_a_first_picture_without_time_is_counted_back() -> None:
    units, _ = through(replace(packet(0, key=True), pts=None, dts=None), packet(1), packet(2))
    assert [(unit.pts, unit.dts) for unit in units] == [(0, 0), (40_000, 40_000)]


def test_reordered_pictures_without_decode_times_at_the_start() -> None:
    # I P B B as libav hands them out: no dts until the reordering depth is known.
    shown = [2, 5, 3, 4, 8]
    packets = [
        replace(packet(number, key=number == 2), dts=None if index < 2 else index * STEP)
        for index, number in enumerate(shown)
    ]
    units, _ = through(*packets)
    assert [unit.dts for unit in units] == [0, 40_000, 80_000, 120_000]
    assert [unit.pts for unit in units] == [80_000, 200_000, 120_000, 160_000]


def test_a_stream_that_never_names_its_times_is_given_even_ones() -> None:
    packets = [replace(packet(number), pts=None, dts=None) for number in range(12)]
    units, _ = through(*packets)
    assert [after.dts - before.dts for before, after in pairwise(units)] == [40_000] * 10


def test_out_of_order_packets_are_dropped_and_counted() -> None:
    units, normaliser = through(packet(0, key=True), packet(2), packet(1), packet(3), packet(4))
    assert [unit.data for unit in units] == [b"p0", b"p2", b"p3"]
    assert normaliser.dropped == 1


def test_a_clock_set_back_is_a_new_beginning_not_a_drop() -> None:
    units, normaliser = through(packet(100, key=True), packet(101), packet(0, key=True), packet(1), packet(2))
    assert [unit.data for unit in units] == [b"p100", b"p101", b"p0", b"p1"]
    assert normaliser.dropped == 0
