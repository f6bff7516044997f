"""Why a zone rang, and why it did not: state, mode, what leaves it out, and the document in force."""

from __future__ import annotations

from functools import cache

import pytest

from rules.engine import Engine
from rules.explain import Explanation, Kind, explain
from rules.scenario import GATEWAY, Loaded, log_of
from rules.walk import Version, Walk
from tests.unit import nights

SECOND = 1_000_000
NINE = 1_768_420_800_000_000  # 2026-01-14 21:00:00 in Zurich
SITE = nights.SITE + (
    "people: [{id: ada, name: Ada, codes: [{digest: {of: '1'}}]}]\nkeypads: [{device: pad, partition: house}]\n"
)
BYPASS = (
    "  - {id: leave-out, name: Leave out, when: {event: key.pressed, device: pad},"
    " then: [{bypass: {zone: hall, reason: a cat}}]}\n"
    "  - {id: call, name: Call, when: {event: zone.alarmed, zone: hall}, if: [{schedule: late}],"
    " then: [{open_incident: {severity: low, title: Called}}]}\nschedules:\n"
)
NIGHT = """
scenario: Armed
says: A detector armed, left out, on the way in, and disarmed.
uses: night
normal: true
at: 2026-01-14 21:00:00
timeline:
  - {at: 0s, do: {code: ada, on: pad, wish: arm_away}, expect: [partition.exiting house away for 1m by Ada]}
  - {at: 10m, do: {event: motion.started, device: hall}}
  - {at: +10s, do: {event: motion.ended, device: hall}}
  - {at: +40s, do: {code: ada, on: pad, wish: disarm}}
  - {at: 20m, do: {event: motion.started, device: hall}}
  - {at: +1s, do: {event: motion.ended, device: hall}}
  - {at: 30m, do: {key: help, on: pad}}
  - {at: +1s, do: {code: ada, on: pad, wish: arm_away}}
  - {at: 40m, do: {event: motion.started, device: hall}}
  - {at: +1s, do: {event: motion.ended, device: hall}}
  - {at: 50m, do: {event: contact.opened, device: door}}
  - {at: +30s - 1us}
  - {at: +1us}
"""


@cache
def armed() -> Loaded:
    """The scenario."""
    return nights.night(NIGHT, site=SITE.replace("schedules:\n", BYPASS))


@cache
def log() -> tuple[bytes, ...]:
    """What it wrote."""
    return tuple(log_of(armed()))


def asked(after: int, *, kind: Kind = "zone", name: str = "hall") -> Explanation:
    """The answer for the second `after` nine o'clock."""
    world, at = armed().world, NINE + after * SECOND
    engine = Engine(site=world.site, site_sha256=world.sha256, origin=GATEWAY)
    walk = Walk(engine=engine, version=Version(3, world.sha256, world.site), gateway=GATEWAY)
    return explain(walk, log(), kind=kind, name=name, at=at, until=at + SECOND)


def test_it_rang_because_it_was_armed() -> None:
    found = asked(600)
    assert found.rang
    assert found.because == "motion.started hall: zone.alarmed hall follower"
    assert (found.stood["state"], found.stood["mode"], found.stood["device hall"]) == ("armed", "away", "off")
    assert found.document == 3


def test_it_did_not_ring_because_it_was_disarmed() -> None:
    found = asked(1200)
    assert not found.rang
    assert "house was disarmed" in found.because
    assert [moment.happened for moment in found.moments][:1] == ["motion.started hall"]


def test_it_did_not_ring_because_it_was_left_out() -> None:
    found = asked(2400)
    assert not found.rang
    assert found.because.startswith("zone.ignored hall (bypassed by")
    assert found.stood["bypassed"]["reason"] == "a cat"


def test_a_running_delay_is_said() -> None:
    found = asked(3029)
    assert not found.rang
    assert found.timers == {"panel entry house": "in 0.000001s"}


@pytest.mark.parametrize(("after", "state", "left"), [(3010, "entering", "19s"), (1805, "exiting", "55s")])
def test_how_it_stood_is_of_that_second_and_not_of_the_next_fact(after: int, state: str, left: str) -> None:
    found = asked(after)
    assert found.moments == []
    assert found.stood["state"] == state
    assert left in {when.removeprefix("in ") for when in found.timers.values()}


def test_the_end_of_a_delay_rings_for_the_zone_that_began_it() -> None:
    found = asked(3030, name="front-door")
    assert found.rang
    assert found.moments[0].happened == "time.passed"


def test_a_partition_is_asked_as_well() -> None:
    found = asked(600, kind="partition", name="house")
    assert found.rang
    assert "siren on for 3m" in found.moments[0].followed


@pytest.mark.parametrize("after", [599, 601, 700, 1100])
def test_a_second_without_anything_says_what_was_last(after: int) -> None:
    found = asked(after)
    assert not found.rang
    assert found.because.startswith("nothing happened to it then; the last was")


def test_a_rule_that_listens_to_an_alarm_is_asked_for_its_condition() -> None:
    found = asked(600, kind="rule", name="call")
    assert not found.rang
    assert found.because == 'rule call: condition 0 did not hold: {"schedule": "late"}'
