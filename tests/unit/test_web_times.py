"""Moments and ids as people read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.web.times import Times, length, machine_zone, spoken

SECOND = 1_000_000
NIGHT = 1_795_477_267_482_000  # 2026-11-23 23:41:07.482 UTC


def times(zone: str = "UTC", now: int = NIGHT) -> Times:
    return Times(zone_name=zone, now=now)


def test_a_moment_is_said_in_the_relays_zone() -> None:
    assert times().clock_s(NIGHT) == "23:41:07"
    assert times("Europe/Berlin").clock_s(NIGHT) == "00:41:07"
    assert times().full(NIGHT) == "Mon 23 Nov 2026, 23:41:07.482"
    assert times("Asia/Tokyo").iso(NIGHT) == "2026-11-23T23:41:07.482Z"


def test_a_moment_of_another_day_brings_its_day() -> None:
    assert times().short(NIGHT) == "23:41:07"
    assert times().short(NIGHT - 86_400 * SECOND) == "Sun 22 Nov, 23:41"
    assert times().short(NIGHT - 400 * 86_400 * SECOND) == "Sun 19 Oct 2025, 23:41"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (-3, "just now"),
        (5, "5 s ago"),
        (61, "1 min ago"),
        (7200, "2 h ago"),
        (90_000, "yesterday"),
        (3 * 86_400, "3 days ago"),
    ],
)
def test_how_long_ago(seconds: int, words: str) -> None:
    assert times().ago(NIGHT - seconds * SECOND) == words


@pytest.mark.parametrize(
    ("micros", "words"),
    [
        (0, ""),
        (46_000, "+46 ms"),
        (-2_000, "\N{MINUS SIGN}2 ms"),
        (800_000, "+800 ms"),
        (4_200_000, "+4.2 s"),
        (59_960_000, "+1 min 00 s"),
        (200 * SECOND, "+3 min 20 s"),
        (3_900 * SECOND, "+1 h 05 min"),
    ],
)
def test_how_long_after(micros: int, words: str) -> None:
    assert times().after(NIGHT + micros, NIGHT) == words


def test_a_nonsense_clock_still_has_a_time() -> None:
    for moment in (-(2**53), 2**53, 0):
        assert times("America/New_York").full(moment)


def test_ids_are_read_as_words() -> None:
    assert spoken("server-room-door") == "Server room door"
    assert spoken("gw_1") == "Gw 1"
    assert spoken(None) == ""


def test_length() -> None:
    assert length(40_400_000) == "0:40"
    assert length(3_725 * SECOND) == "62:05"


def test_the_machines_zone_comes_from_its_link(tmp_path: Path) -> None:
    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/Europe/Lisbon")
    assert machine_zone(link) == "Europe/Lisbon"
    assert machine_zone(tmp_path / "none") == "UTC"
