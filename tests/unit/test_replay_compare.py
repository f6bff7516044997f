"""A stored night against the same document, and against others."""

from __future__ import annotations

from typing import Any

import pytest

from rules import wire
from rules.actions import Action
from rules.engine import Engine
from rules.errors import WireError
from rules.events import Boot, ContactOpened, EngineFailed, Event, ReadingsPacked, SiteApplied
from rules.incidents import Entry
from rules.panel.panel import Panel
from rules.replay import Replay, Report
from rules.scenario import GATEWAY
from rules.turn import Turn
from rules.walk import Version, Walk
from tests.unit import nights

HOUR = 3600 * 1_000_000
TEN = 1_768_424_400_000_000  # 2026-01-14 22:00:00 in Zurich


def replay(
    records: list[bytes], site: str = nights.SITE, *, since: int | None = None, until: int | None = None
) -> Report:
    """The night under this document."""
    return Replay(walk=nights.walk(site), since=since, until=until).run(records, lambda _: None)


def shown(report: Report) -> list[str]:
    """The differences without their times."""
    return [f"{each.sign} {each.line}" for each in report.differences]


def test_the_same_document_makes_the_same_to_the_byte() -> None:
    records = nights.log()
    report = replay(records)
    assert report.same
    assert report.before == report.after == {"late-visit: incident": 1}
    assert report.agreed == 1
    assert report.inputs == 9


def test_a_wider_schedule_would_have_rung_more() -> None:
    report = replay(nights.log(), nights.SITE.replace("from: 22:00", "from: 21:00"))
    assert shown(report) == ["+ opened A late visit (low)"]
    assert report.differences[0].wall == TEN - HOUR // 6
    assert (report.before["late-visit: incident"], report.after["late-visit: incident"]) == (1, 2)


def test_a_narrower_schedule_would_not_have_rung() -> None:
    report = replay(nights.log(), nights.SITE.replace("from: 22:00", "from: 23:30"))
    assert shown(report) == ["- opened A late visit (low)"]
    assert (report.before["late-visit: incident"], report.after["late-visit: incident"]) == (1, 0)


def test_the_same_words_by_another_path_are_no_difference() -> None:
    """Another id, because the rule has another name; what people see is the same."""
    report = replay(nights.log(), nights.SITE.replace("id: late-visit", "id: visit-late"))
    assert report.same
    assert report.agreed == 0
    assert (report.before["late-visit: incident"], report.after["visit-late: incident"]) == (1, 1)


def test_an_outcome_missing_from_the_log_is_a_difference() -> None:
    records = [data for data in nights.log() if wire.read(data).kind != "incident.opened"]
    assert shown(replay(records)) == ["+ opened A late visit (low)"]


def test_only_what_is_asked_for_is_compared() -> None:
    wider = nights.SITE.replace("from: 22:00", "from: 21:00")
    assert replay(nights.log(), wider, since=TEN).same
    assert shown(replay(nights.log(), wider, until=TEN)) == ["+ opened A late visit (low)"]
    nothing = replay(nights.log(), since=TEN + 24 * HOUR)
    assert nothing.since is None
    assert not nothing.before


def test_what_cannot_be_read_is_said_and_unknown_kinds_are_counted() -> None:
    with pytest.raises(WireError):
        replay([b"not a record"])
    record = nights.log()[0].replace(b"contact.closed", b"novelty.came")
    assert replay([record]).unknown == 1


def test_the_document_that_came_into_force_decides_from_its_start_on() -> None:
    """As the agent does it: restored under the new document, then the start, then `site.applied`."""
    other = nights.SITE.replace("from: 22:00", "from: 21:00")
    old, new = nights.version(), nights.version(other, 2)
    times: list[dict[str, Any]] = [{"gt": 2 * HOUR + n, "wall": TEN - HOUR // 2 + n} for n in range(3)]
    ids = [f"00000000-0000-7000-8000-00000000000{n}" for n in range(3)]
    boot = Boot(id=ids[0], software="s", epoch="e", off_time=0, clean=True, **times[0])
    applied = SiteApplied(id=ids[1], version=2, sha256=new.sha256, who="ada", why="earlier", **times[1])
    opened = ContactOpened(id=ids[2], device="door", **times[2])

    def versions(sha256: str) -> Version | None:
        return {old.sha256: old, new.sha256: new}.get(sha256)

    def again(*records: bytes) -> Report:
        engine = Engine(site=old.site, site_sha256=old.sha256, origin=GATEWAY)
        walk = Walk(engine=engine, version=old, gateway=GATEWAY, versions=versions)
        report = Replay(walk=walk).run(records, lambda _: None)
        assert walk.version is (new if len(records) > 2 else old)
        return report

    quiet = nights.log()[1].replace(b"motion.started", b"motion.ended")
    report = again(quiet, *(wire.encode(fact) for fact in (boot, applied, opened)))
    assert shown(report) == ["+ opened A late visit (low)"]
    assert again(quiet, wire.encode(boot)).same  # a start at the very end is stepped as well


def test_packed_readings_are_stepped_one_by_one() -> None:
    packed = ReadingsPacked(
        id="00000000-0000-7000-8000-000000000001", gt=5, wall=5, kinds=["reading.temperature"] * 3,
        devices=["hall"] * 3, values=[1.0, 2.0, 3.0], after=[0, 1, 2],
    )  # fmt: skip
    assert replay([wire.encode(packed)]).inputs == 3


def test_what_the_engine_failed_at_then_is_not_decided_now() -> None:
    """It was put aside: the log has the fact, and nothing was made of it."""
    opened = next(data for data in nights.log() if wire.read(data).kind == "contact.opened")
    record = wire.read(opened)
    failed = EngineFailed(
        id="00000000-0000-7000-8000-000000000001", gt=record.gt or 0, wall=record.wall, reason="a fault",
        fact=record.id, told="contact.opened", of="door",
    )  # fmt: skip
    report = replay([wire.encode(failed), opened])
    assert report.inputs == 1
    assert [line for line in shown(report) if "late visit" in line] == []


def test_what_the_engine_fails_at_now_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a step must not stay: all others are decided as they were."""
    step, failing = Engine.step, []

    def faulty(engine: Engine, fact: Event | Entry) -> list[Action]:
        actions = step(engine, fact)
        if fact.kind == "contact.opened" and fact.wall == TEN - HOUR // 6:
            failing.append(fact)
            raise KeyError("1234")
        return actions

    expected = replay(nights.log())
    records = nights.log()
    monkeypatch.setattr(Engine, "step", faulty)
    report = replay(records)
    assert len(failing) == 1
    (fault,) = report.faults
    assert (fault.fact, fault.timer) == (failing[0], None)
    assert fault.reason.startswith("KeyError in tests/unit/test_replay_compare.py, line ")
    assert not report.same
    assert report.differences == []
    assert (report.inputs, report.after) == (expected.inputs, expected.after)


def test_a_deadline_the_engine_fails_at_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What met it is decided all the same."""
    lapse = Panel.lapse
    site = nights.SITE.replace("    then: [{open", "    then: [{arm: {partition: house, mode: away}}, {open")

    def faulty(panel: Panel, turn: Turn, what: str, subject: str) -> None:
        if what == "exit":
            raise KeyError(what)
        lapse(panel, turn, what, subject)

    monkeypatch.setattr(Panel, "lapse", faulty)
    report = replay(nights.log(), site)
    assert {fault.timer for fault in report.faults} == {"panel exit house"}
    assert report.after["late-visit: incident"] == 1
