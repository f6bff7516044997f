"""Why a rule acted, and why it did not: the first condition that did not hold, asked of a stored night."""

from __future__ import annotations

import pytest

from rules.actions import Action
from rules.engine import Engine
from rules.events import Event
from rules.explain import Explanation, Kind, explain
from rules.incidents import Entry
from rules.scenario import log_of
from tests.unit import nights

SECOND = 1_000_000
DOOR = (
    "  - {id: bolt, type: lock, mqtt: {topic: b/bolt, on: A, off: B, command: {topic: b/bolt/set, on: A, off: B}}}\n"
    "doors: [{id: front, name: Front, lock: bolt, contact: door}]\n"
)
NINE = 1_768_420_800_000_000  # 2026-01-14 21:00:00 in Zurich


def asked(at: int, *, kind: Kind = "rule", name: str = "late-visit", site: str = nights.SITE) -> Explanation:
    """The answer for one second, `at` seconds after nine."""
    start = NINE + at * SECOND
    return explain(nights.walk(site), nights.log(), kind=kind, name=name, at=start, until=start + SECOND)


def test_why_it_acted() -> None:
    found = asked(70 * 60)
    assert found.rang
    assert found.because == "contact.opened door: opened A late visit (low)"
    (moment,) = found.moments
    assert [line.partition(":")[0] for line in moment.asked] == [
        "rule late-visit", "when matched", "if.0 held", "if.1 held",
    ]  # fmt: skip


def test_why_not_for_the_time_of_day() -> None:
    found = asked(50 * 60)
    assert not found.rang
    assert found.because.startswith("if.0 did not hold")


def test_why_not_for_a_state() -> None:
    found = asked(2 * 3600)
    assert not found.rang
    assert found.because.startswith("if.1 did not hold")
    assert found.earlier[-1].followed == ["opened A late visit (low)"] or found.earlier


def test_nothing_happened_then() -> None:
    found = asked(60 * 60)
    assert not found.rang
    assert found.moments == []
    assert found.because == "nothing happened to it then; the last was contact.opened door 10m before"


def test_another_document_is_asked_the_same() -> None:
    assert asked(50 * 60, site=nights.SITE.replace("from: 22:00", "from: 21:00")).rang


def test_what_is_not_in_the_document_is_said_with_the_nearest() -> None:
    with pytest.raises(LookupError, match="has no rule late-visits; did you mean late-visit"):
        asked(0, name="late-visits")
    with pytest.raises(LookupError, match="has no door lobby; it has none"):
        asked(0, kind="door", name="lobby")


def test_what_a_rule_does_is_not_the_ringing_of_the_zone_it_listens_to() -> None:
    found = asked(70 * 60, kind="zone", name="front-door")
    assert not found.rang
    assert found.because == (
        "zone front-door: active: does not count now (house was disarmed); what rang then: rule late-visit"
    )
    assert found.moments[0].followed == ["opened A late visit (low) (rule late-visit)"]
    house = asked(70 * 60, kind="partition", name="house")
    assert not house.rang
    assert house.because == found.because


def test_a_forced_door_is_not_the_ringing_of_the_zone_with_the_same_contact() -> None:
    site = nights.SITE.replace("partitions:\n", DOOR + "partitions:\n", 1)
    records, start = log_of(nights.night(site=site)), NINE + 50 * 60 * SECOND
    zone = explain(nights.walk(site), records, kind="zone", name="front-door", at=start, until=start + SECOND)
    assert (zone.rang, zone.because.endswith("; what rang then: door front forced")) == (False, True)
    door = explain(nights.walk(site), records, kind="door", name="front", at=start, until=start + SECOND)
    assert (door.rang, door.because) == (True, "contact.opened door: door.forced front")


@pytest.mark.parametrize(
    ("at", "said"),
    [(-3600, "; the log begins at 2026-01-14 21:00"), (86_400, "; the log ends at 2026-01-14 23:00:05")],
)
def test_a_time_the_log_does_not_reach_is_said(at: int, said: str) -> None:
    assert asked(at).because.endswith(said)


def test_a_fault_of_the_program_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names what the program failed at and where, and the question is answered all the same."""
    step, ask = Engine.step, Engine.ask

    def faulty(engine: Engine, fact: Event | Entry) -> list[Action]:
        if fact.kind == "contact.opened":
            raise KeyError("1234")
        return step(engine, fact)

    def faulty_ask(engine: Engine, rule: str, fact: Event) -> list[str]:
        if fact.kind == "contact.opened":
            raise KeyError("1234")
        return ask(engine, rule, fact)

    log, start = nights.log(), NINE + 70 * 60 * SECOND
    monkeypatch.setattr(Engine, "step", faulty)
    found = explain(nights.walk(), log, kind="rule", name="late-visit", at=start, until=start + SECOND)
    assert not found.rang
    assert found.because.startswith("the program failed at contact.opened door: KeyError in tests/unit/")
    assert "1234" not in found.because
    monkeypatch.setattr(Engine, "ask", faulty_ask)
    again = explain(nights.walk(), log, kind="rule", name="late-visit", at=start, until=start + SECOND)
    assert again.because == found.because
