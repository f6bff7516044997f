"""Advice: each kind of it on a document that needs it, none on one that does not, and always with its place."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from rules.document.places import Places
from rules.document.site import load_site
from rules.lint import SOURCES, Advice, lint

GOOD = """\
site: {id: shop, name: The Shop, timezone: Europe/Zurich}
devices:
  - {id: door, type: contact, mqtt: {topic: b/door, open: a, closed: b}}
  - {id: eye, type: motion, mqtt: {topic: b/eye, on: a, off: b}}
  - {id: pir, type: motion, mqtt: {topic: b/pir, on: a, off: b}}
  - {id: smoke, type: smoke, mqtt: {topic: b/smoke, on: a, off: b}}
  - {id: siren, type: siren, mqtt: {topic: b/siren, on: a, off: b, command: {topic: b/siren/set, on: a, off: b}}}
  - {id: pad, type: keypad, mqtt: {topic: b/pad, code: code}}
  - {id: leaf, type: contact, mqtt: {topic: b/leaf, open: a, closed: b}}
  - {id: rex, type: button, mqtt: {topic: b/rex, on: a}}
  - {id: in, type: reader, mqtt: {topic: b/in, field: card}}
  - {id: out, type: reader, mqtt: {topic: b/out, field: card}}
  - {id: lock, type: lock, mqtt: {topic: b/lock, on: a, off: b, command: {topic: b/lock/set, on: a, off: b}}}
  - {id: cam, type: camera, rtsp: {url: "rtsp://10.0.0.9/main"}}
holidays: {swiss: [01-01]}
schedules:
  closed: {weekly: [{days: [sun-sat], from: 22:00, to: 06:00}]}
  open: {weekly: [{days: [mon-fri], from: 08:00, to: 18:00}], holidays: swiss}
partitions:
  - id: shop
    sirens: [siren]
    cameras: [cam]
    policy: guards
    auto_stay: true
    arming: {schedule: closed, mode: away, on_quiet: 30m, late_to_close: 30m}
zones:
  - {id: entry, device: door, type: entry_exit, partition: shop, supervision: {armed: 20m, disarmed: 4h}}
  - id: room
    device: eye
    type: interior
    partition: shop
    cross: {zones: [hall]}
    supervision: {armed: 20m, disarmed: 4h}
  - {id: hall, device: pir, type: follower, partition: shop, supervision: {armed: 20m, disarmed: 4h}}
  - {id: fire, device: smoke, type: fire, partition: shop, supervision: {armed: 20m, disarmed: 4h}}
people:
  - id: ada
    level: 3
    codes: [{digest: DIGEST1}, {digest: DIGEST2, duress: true}]
doors:
  - id: back
    lock: lock
    contact: leaf
    rex: rex
    reader: in
    reader_out: out
    policy: guards
    unlock_schedule: open
    first_in: true
keypads:
  - {device: pad, partition: shop}
rules:
  - id: loud
    name: Loud
    when: {event: contact.opened, device: door}
    if: [{schedule: closed}]
    then:
      - open_incident: {severity: high, title: Door}
      - command: {device: siren, set: on, for: 3m}
      - notify: {policy: guards}
""".replace("DIGEST1", "a" * 64).replace("DIGEST2", "b" * 64)

ARMING = "    arming: {schedule: closed, mode: away, on_quiet: 30m, late_to_close: 30m}\n"
WATCH = ", supervision: {armed: 20m, disarmed: 4h}"


def partition(words: str) -> list[tuple[str, str]]:
    return [("    policy: guards\n    auto", f"    policy: guards\n    {words}\n    auto")]


# What is changed, and each advice that then comes: its path, its topic and whose figures it follows.
CASES: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str, str]]]] = {
    # after CP-01
    "a short exit delay": (
        partition("exit_delay: 44s"),
        [("partitions.0.exit_delay", "exit-delay", "CP-01")] * 2,
    ),
    "a long exit delay in one mode": (
        partition("exit_delay: {away: 256s}"),
        [("partitions.0.exit_delay.away", "exit-delay", "CP-01")],
    ),
    "exit delays at the edges": (partition("exit_delay: {away: 255s, stay: 45s}"), []),
    "a short entry delay": (
        partition("entry_delay: {away: 29s}"),
        [("partitions.0.entry_delay.away", "entry-delay", "CP-01")],
    ),
    "an entry delay too long for both": (
        partition("entry_delay: {away: 241s}"),
        [
            ("partitions.0.entry_delay.away", "entry-delay", "CP-01"),
            ("partitions.0.entry_delay.away", "entry-to-unset", "EN 50131"),
            ("partitions.0.entry_delay.away", "entry-and-abort", "CP-01"),
        ],
    ),
    "an entry delay of 45s and a short abort window": (
        partition("entry_delay: {away: 45s}\n    abort_window: 15s"),
        [("partitions.0.abort_window", "local-warning", "EN 50131")],
    ),
    "entry and abort together": (
        partition("entry_delay: {away: 31s}"),
        [("partitions.0.entry_delay.away", "entry-and-abort", "CP-01")],
    ),
    "a zone's own entry delay": (
        [("type: entry_exit, partition: shop", "type: entry_exit, partition: shop, entry_delay: 29s")],
        [("zones.0.entry_delay", "entry-delay", "CP-01")],
    ),
    "no abort window": (
        partition("abort_window: 0s"),
        [
            ("partitions.0.abort_window", "abort-window", "CP-01"),
            ("partitions.0.abort_window", "local-warning", "EN 50131"),
        ],
    ),
    "a long abort window": (
        partition("abort_window: 46s"),
        [
            ("partitions.0.entry_delay", "entry-and-abort", "CP-01"),
            ("partitions.0.entry_delay", "entry-and-abort", "CP-01"),
            ("partitions.0.abort_window", "abort-window", "CP-01"),
        ],
    ),
    "a short cancel window": (
        partition("cancel_window: 4m"),
        [("partitions.0.cancel_window", "cancel-window", "CP-01")],
    ),
    "inputs that count too soon": (partition("settle: 59s"), [("partitions.0.settle", "settle-time", "CP-01")]),
    "no exit restart": (partition("exit_restart: false"), [("partitions.0.exit_restart", "exit-restart", "CP-01")]),
    "no auto-stay": ([("    auto_stay: true\n", "")], [("partitions.0.auto_stay", "auto-stay", "CP-01")]),
    "no auto-stay where there is no stay": (
        [("    auto_stay: true\n", "    modes: [away]\n")],
        [],
    ),
    "no swinger shutdown": (partition("swinger: 0"), [("partitions.0.swinger", "swinger-shutdown", "CP-01")]),
    "no swinger shutdown of one zone": (
        [("type: interior\n", "type: interior\n    swinger: 0\n")],
        [("zones.1.swinger", "swinger-shutdown", "CP-01")],
    ),
    "no cross-zone": ([("    cross: {zones: [hall]}\n", "")], [("partitions.0", "cross-zone", "CP-01")]),
    # partitions and zones
    "a partition without zones": (
        [("zones:\n  - {id: entry", "  - {id: yard, policy: guards, auto_stay: true}\nzones:\n  - {id: entry")],
        [("partitions.1", "no-zones", "practice")],
    ),
    "no entry zone": (
        [("type: entry_exit", "type: perimeter")],
        [("partitions.0", "no-entry-zone", "practice"), ("zones.2.type", "follows-nobody", "practice")],
    ),
    "a mode that guards nothing": (
        [("type: entry_exit, partition: shop", "type: entry_exit, partition: shop, modes: [away]")],
        [("partitions.0", "empty-mode", "practice")],
    ),
    "a mode that guards nothing, written out": (
        [
            ("type: entry_exit, partition: shop", "type: entry_exit, partition: shop, modes: [away]"),
            ("    auto_stay: true\n", "    auto_stay: true\n    modes: [away, stay]\n"),
        ],
        [("partitions.0.modes.1", "empty-mode", "practice")],
    ),
    "no siren": (
        [("    sirens: [siren]\n", "")],
        [("partitions.0", "no-siren", "practice"), ("zones.3.partition", "silent-fire", "practice")],
    ),
    "no policy": ([("    policy: guards\n    auto", "    auto")], [("partitions.0", "no-policy", "practice")]),
    "no keypad": (
        [("keypads:\n  - {device: pad, partition: shop}\n", "")],
        [("devices.5", "unheard-device", "practice"), ("partitions.0", "no-way-to-disarm", "practice")],
    ),
    "people inside": (
        [("type: interior\n", "type: interior\n    modes: [away, stay]\n")],
        [("zones.1.modes.1", "people-inside", "practice")],
    ),
    "a fire zone anybody may leave out": (
        [("type: fire, partition: shop", "type: fire, partition: shop, bypassable: true")],
        [("zones.3.bypassable", "bypassed-life-safety", "practice")],
    ),
    "no supervision": (
        [(f"type: fire, partition: shop{WATCH}", "type: fire, partition: shop")],
        [("zones.3", "no-supervision", "practice")],
    ),
    # arming by schedule
    "a short warning": (
        [("mode: away, on_quiet", "mode: away, warn: 59s, on_quiet")],
        [("partitions.0.arming.warn", "short-warning", "practice")],
    ),
    "arming over people": ([(", on_quiet: 30m", "")], [("partitions.0.arming", "arms-over-people", "practice")]),
    "nobody hears that it was not armed": (
        [(", late_to_close: 30m", "")],
        [("partitions.0.arming", "no-late-to-close", "practice")],
    ),
    "armed with windows open": (
        [("late_to_close: 30m}", "late_to_close: 30m, force: true}")],
        [("partitions.0.arming.force", "forced-arming", "practice")],
    ),
    "a schedule that never changes": (
        [("from: 22:00, to: 06:00", "from: 00:00, to: 24:00")],
        [("partitions.0.arming.schedule", "endless-schedule", "practice")],
    ),
    # doors and people
    "a door without contact": (
        [("    contact: leaf\n", "")],
        [("devices.6", "unheard-device", "practice"), ("doors.0", "no-contact", "practice")],
    ),
    "a door one leaves by force": (
        [("    rex: rex\n", ""), ("    reader_out: out\n", "")],
        [
            ("devices.7", "unheard-device", "practice"),
            ("devices.9", "unheard-device", "practice"),
            ("doors.0", "no-way-out", "practice"),
        ],
    ),
    "a door nobody enters": (
        [("    rex: rex\n    reader: in\n", ""), ("    unlock_schedule: open\n    first_in: true\n", "")],
        [
            ("devices.7", "unheard-device", "practice"),
            ("devices.8", "unheard-device", "practice"),
            ("schedules.open", "unused-schedule", "practice"),
            ("doors.0", "nobody-enters", "practice"),
        ],
    ),
    "a door held open for long": (
        [("    rex: rex\n", "    rex: rex\n    held_after: 4m\n")],
        [("doors.0.held_after", "held-long", "practice")],
    ),
    "passback on one side": (
        [("    reader_out: out\n", "    to: vault\n    anti_passback: hard\n")],
        [
            ("devices.9", "unheard-device", "practice"),
            ("doors.0.anti_passback", "one-sided-passback", "practice"),
            ("doors.0.anti_passback", "unforgiving-passback", "practice"),
        ],
    ),
    "a door unlocked for nobody": (
        [("    first_in: true\n", "")],
        [("doors.0.unlock_schedule", "unlocks-for-nobody", "practice")],
    ),
    "a door unlocked on holidays": (
        [(", holidays: swiss", "")],
        [("doors.0.unlock_schedule", "no-holidays", "practice")],
    ),
    "a door nobody hears of": (
        [("    policy: guards\n    unlock", "    unlock")],
        [("doors.0", "no-policy", "practice")],
    ),
    "a name without a code": (
        [("doors:\n", "  - {id: bob, level: 3}\ndoors:\n")],
        [("people.1", "no-credential", "practice")],
    ),
    "no duress code": ([(", duress: true", "")], [("people", "no-duress", "practice")]),
    "nobody in charge": ([("    level: 3\n", "")], [("people", "nobody-in-charge", "practice")]),
    # the rest
    "no time zone": ([(", timezone: Europe/Zurich", "")], [("site", "no-timezone", "practice")]),
    "a camera nobody uses": ([("    cameras: [cam]\n", "")], [("devices.11", "unused-device", "practice")]),
    "an incident nobody hears of": (
        [("      - notify: {policy: guards}\n", "")],
        [("rules.0.then.0", "no-policy", "practice")],
    ),
    "an incident of low severity may be quiet": (
        [("      - notify: {policy: guards}\n", ""), ("severity: high", "severity: low")],
        [],
    ),
    "a siren without end": (
        [("set: on, for: 3m", "set: on")],
        [("rules.0.then.1.command", "endless-siren", "practice")],
    ),
    "a camera a rule listens to": (
        [("    cameras: [cam]\n", ""), ("{event: contact.opened, device: door}", "{event: camera.lost}")],
        [],
    ),
}  # fmt: skip


def changed(case: str) -> str:
    text = GOOD
    for before, after in CASES[case][0]:
        assert before in text, before
        text = text.replace(before, after, 1)
    return text


@cache
def advice(case: str) -> list[Advice]:
    return lint(load_site(changed(case), "site.yaml"))


def every() -> list[Advice]:
    return [each for case in CASES for each in advice(case)]


def test_a_good_document_needs_no_advice() -> None:
    assert lint(load_site(GOOD, "site.yaml")) == []


@pytest.mark.parametrize("case", CASES)
def test_advice(case: str) -> None:
    expected = CASES[case][1]
    assert [(".".join(map(str, each.path)), each.topic, each.after) for each in advice(case)] == expected


def test_advice_is_a_sentence_and_claims_nothing() -> None:
    for each in every():
        assert each.after in SOURCES
        assert re.fullmatch(r"[^\n]{20,200}", each.says), each
        assert not re.search(r"complian|conform|certif|must\b", each.says, re.IGNORECASE), each


@pytest.mark.parametrize("case", CASES)
def test_advice_has_its_place_in_the_document(case: str) -> None:
    places = Places(text=changed(case), file="site.yaml")
    for each in advice(case):
        around = next(n for n in range(len(each.path), 0, -1) if each.path[:n] in places.values)
        assert len(each.path) - around <= 1, each  # the word itself, or where it would stand


def test_every_topic_is_in_the_table_of_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "rules" / "calendar" / "README.md").read_text("utf-8")
    missing = {each.topic for each in every()} - set(re.findall(r"`([a-z-]+)`", readme))
    assert not missing


def topics_in_code() -> set[str]:
    folder = Path(__file__).parents[2] / "rules" / "lint"
    made: set[str] = set()
    for path in folder.glob("*.py"):
        made |= set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', path.read_text("utf-8")))
    return made


def test_every_kind_of_advice_is_tested() -> None:
    assert topics_in_code() == {each.topic for each in every()}
