"""Partitions and zones in the site document: what it says by default, and one mistake at a time."""

from __future__ import annotations

import pytest

from rules.document.figures import ABORT_WINDOW, ENTRY_AND_ABORT, ENTRY_DELAY, EXIT_DELAY, SETTLE, SWINGER
from rules.document.site import Site, load_site
from rules.errors import DocumentError

SECOND = 1_000_000
GOOD = """\
site: {id: house, name: House}
devices:
  - {id: door, type: contact, mqtt: {topic: b/door, field: c, open: 0, closed: 1}}
  - {id: eye, type: motion, mqtt: {topic: b/eye, field: m, on: 1, off: 0}}
  - {id: smoke, type: smoke, mqtt: {topic: b/smoke, field: s, on: 1, off: 0}}
  - {id: key, type: contact, mqtt: {topic: b/key, field: k, open: 0, closed: 1}}
  - {id: horn, type: siren, mqtt: {topic: b/horn, field: h, on: 1, off: 0, command: {topic: b/horn/set, on: A, off: B}}}
  - {id: cam, type: camera, rtsp: {url: "rtsp://10.0.0.9/main"}}
schedules:
  night: {weekly: [{days: [mon-fri], from: 22:00, to: 06:00}]}
partitions:
  - {id: main, modes: [away, stay], sirens: [horn], cameras: [cam], policy: guards, exit_delay: {away: 60s, stay: 0s}}
  - {id: barn, arming: {schedule: night, mode: away}}
  - {id: hall, owners: [main, barn]}
zones:
  - {id: front, device: door, type: entry_exit, partition: main, modes: [away, stay], entry_delay: {away: 40s}}
  - {id: stairs, device: eye, type: interior, partition: main, cross: {zones: [front], count: 2, within: 30s}}
  - {id: fumes, device: smoke, type: fire, partition: main, supervision: {armed: 1h, disarmed: 4h}}
  - {id: turn, device: key, type: key_switch, partition: main, arms: away}
"""

# What is replaced, by what, and every line that is then said.
BAD: dict[str, tuple[str, str, list[str]]] = {
    "two partitions of one name": ("id: barn,", "id: main,", [
        "13:10: partitions.1.id: 'main' is used by two partitions",
        "14:31: partitions.2.owners.1: 'barn' is no partition of this site; known: hall, main",
    ]),
    "two zones of one name": ("id: turn,", "id: stairs,", ["19:10: zones.3.id: 'stairs' is used by two zones"]),
    "a zone named as a partition": ("id: turn,", "id: barn,", [
        "19:10: zones.3.id: 'barn' is the name of a partition as well; a command could mean either",
    ]),
    "a siren that is none": ("sirens: [horn]", "sirens: [hron]", [
        "12:46: partitions.0.sirens.0: 'hron' is no siren or output of this site; did you mean horn?",
    ]),
    "a camera that is none": ("cameras: [cam]", "cameras: [door]", [
        "12:63: partitions.0.cameras.0: 'door' is no camera of this site; known: cam",
    ]),
    "an owner nobody knows": ("owners: [main, barn]", "owners: [main, bran]", [
        "14:31: partitions.2.owners.1: 'bran' is no partition of this site; did you mean barn?",
    ]),
    "a partition that owns itself": ("owners: [main, barn]", "owners: [hall]", [
        "14:25: partitions.2.owners.0: hall cannot own itself",
    ]),
    "an owner with owners": ("{id: barn, arming: {schedule: night, mode: away}}", "{id: barn, owners: [main]}", [
        "14:31: partitions.2.owners.1: barn has owners of its own; name those here",
    ]),
    "a mode twice": ("modes: [away, stay], sirens", "modes: [away, stay, away], sirens", [
        "12:36: partitions.0.modes.2: away stands here twice",
    ]),
    "a mode nobody knows": ("modes: [away, stay], sirens", "modes: [away, sleep], sirens", [
        "12:30: partitions.0.modes.1: 'sleep' is not one of away, stay, night, custom",
    ]),
    "a delay of a mode that is never armed": ("exit_delay: {away: 60s, stay: 0s}", "exit_delay: {night: 60s}", [
        "12:105: partitions.0.exit_delay.night: main is never armed in night (away, stay)",
    ]),
    "a delay of a mode that is none": ("stay: 0s}", "sty: 0s}", [
        "12:97: partitions.0.exit_delay: 'sty' is not one of away, stay, night, custom; did you mean stay?",
    ]),
    "a delay without unit": ("{away: 60s, stay: 0s}", "60", [
        "12:97: partitions.0.exit_delay: '60' is not a duration; write for example 10s, 1m30s, 2h or 30d",
    ]),
    "a delay of a day": ("{away: 60s, stay: 0s}", "24h", [
        "12:97: partitions.0.exit_delay: '24h' is longer than an hour, too long to leave a building unguarded",
    ]),
    "a schedule nobody knows": ("schedule: night", "schedule: day", [
        "13:35: partitions.1.arming.schedule: 'day' is no schedule of this site; known: night",
    ]),
    "arming in a mode that is not there": ("mode: away}}", "mode: night}}", [
        "13:48: partitions.1.arming.mode: barn is never armed in night (away, stay)",
    ]),
    "a timetable and owners": ("owners: [main, barn]", "owners: [main], arming: {schedule: night}", [
        "14:5: partitions.2: a partition with owners is armed when they are, and by no timetable",
    ]),
    "a siren without end": ("policy: guards", "siren_for: 2h", [
        "12:5: partitions.0: siren_for is more than nothing and at most 1h: a siren that never ends helps nobody",
    ]),
    "an abort window without end": ("policy: guards", "abort_window: 11m", [
        "12:5: partitions.0: an abort_window of more than 10m keeps help away for too long",
    ]),
    "a settling without end": ("policy: guards", "settle: 11m", [
        "12:5: partitions.0: settle is at most 10m: until then nothing that was found is told",
    ]),
    "auto-stay without stay": ("{id: hall,", "{id: hall, auto_stay: true, modes: [away],", [
        "14:5: partitions.2: auto_stay needs the modes away and stay",
    ]),
    "too many alarms": ("policy: guards", "swinger: 7", [
        "12:78: partitions.0.swinger: 7 is out of range: it must be at most 6",
    ]),
    "a zone of no partition": ("partition: main, supervision", "partition: mian, supervision", [
        "18:55: zones.2.partition: 'mian' is no partition of this site; did you mean main?",
    ]),
    "a zone of no device": ("device: eye", "device: aye", [
        "17:26: zones.1.device: 'aye' is no device of this site; did you mean eye?",
    ]),
    "a zone of a siren": ("device: eye", "device: horn", [
        "17:26: zones.1.device: horn is a siren; what serves type interior: input, contact, motion, glass, button,"
        " smoke, heat, co, water, camera",
    ]),
    "a fire zone of a door": ("device: smoke", "device: eye", [
        "18:25: zones.2.device: eye is a motion; what serves type fire: input, contact, smoke, heat, button",
    ]),
    "a type nobody knows": ("type: interior", "type: internal", [
        "17:37: zones.1.type: 'internal' is not one of entry_exit, follower, perimeter, interior, 24h, hold_up, fire,"
        " co, water, tamper, technical, key_switch; did you mean interior?",
    ]),
    "a zone in a mode that is never armed": ("main, modes: [away, stay], entry", "main, modes: [night], entry", [
        "16:74: zones.0.modes.0: main is never armed in night (away, stay)",
    ]),
    "an entry delay of a mode that is never armed": ("entry_delay: {away: 40s}", "entry_delay: {night: 40s}", [
        "16:108: zones.0.entry_delay.night: main is never armed in night (away, stay)",
    ]),
    "modes of a fire": ("partition: main, supervision", "partition: main, modes: [away], supervision", [
        "18:5: zones.2: zone fumes of type fire counts in every mode and when disarmed: leave `modes` out",
    ]),
    "an entry delay of a detector": ("partition: main, cross", "partition: main, entry_delay: 5s, cross", [
        "17:5: zones.1: zone stairs of type interior has no entry_delay; entry_exit zones have",
    ]),
    "a silent fire": ("partition: main, supervision", "partition: main, silent: true, supervision", [
        "18:5: zones.2: zone fumes of type fire is never silent: entry_exit, follower, perimeter, interior, 24h,"
        " hold_up can be",
    ]),
    "a fire that needs two": ("partition: main, supervision", "partition: main, cross: {zones: [front]}, supervision", [
        "18:5: zones.2: zone fumes of type fire rings by itself: cross is for follower, perimeter, interior, 24h",
    ]),
    "a fire that rings too often": ("partition: main, supervision", "partition: main, swinger: 2, supervision", [
        "18:5: zones.2: zone fumes of type fire is never shut down: leave `swinger` out",
    ]),
    "a detector that arms": ("partition: main, cross", "partition: main, arms: away, cross", [
        "17:5: zones.1: zone stairs of type interior has no `arms` and no `momentary`; key_switch zones have",
    ]),
    "a device that is always heard": ("armed: 1h", "armed: 0s", [
        "18:74: zones.2.supervision: no device is heard all the time; write for example {armed: 20m, disarmed: 4h}",
    ]),
    "more zones than there are": ("count: 2", "count: 3", [
        "17:71: zones.1.cross: count 3 can never be reached: with this zone they are 2",
    ]),
    "no time to confirm": ("within: 30s", "within: 0s", [
        "17:71: zones.1.cross: within 0s no two zones are ever active; write for example 60s",
    ]),
    "a zone that confirms itself": ("zones: [front]", "zones: [stairs]", [
        "17:80: zones.1.cross.zones.0: stairs is counted anyway; name the others",
    ]),
    "a zone that confirms twice": ("zones: [front]", "zones: [front, front]", [
        "17:87: zones.1.cross.zones.1: front stands here twice",
    ]),
    "a zone of elsewhere that confirms": (
        "zones:\n",
        "zones:\n  - {id: gate, device: door, type: perimeter, partition: barn}\n",
        [],
    ),
    "a key in a mode that is never armed": ("arms: away", "arms: night", [
        "19:70: zones.3.arms: main is never armed in night (away, stay)",
    ]),
    "a key of a hall": ("type: key_switch, partition: main", "type: key_switch, partition: hall", [
        "19:58: zones.3.partition: hall is armed when its owners are: a key switch belongs to one of them",
    ]),
}  # fmt: skip


def complaints(text: str) -> list[str]:
    try:
        load_site(text, "site.yaml")
    except DocumentError as error:
        return [str(problem).removeprefix("site.yaml:") for problem in error.problems]
    return []


def good() -> Site:
    return load_site(GOOD, "site.yaml")


def test_the_good_document_is_good() -> None:
    assert complaints(GOOD) == []


@pytest.mark.parametrize("mistake", BAD)
def test_one_mistake(mistake: str) -> None:
    before, after, expected = BAD[mistake]
    assert before in GOOD
    assert complaints(GOOD.replace(before, after, 1)) == expected


def test_a_zone_of_elsewhere_confirms_nobody() -> None:
    text = GOOD + "  - {id: gate, device: door, type: perimeter, partition: barn}\n"
    assert complaints(text.replace("zones: [front]", "zones: [gate]")) == [
        "17:80: zones.1.cross.zones.0: gate belongs to partition barn, stairs to main"
    ]


def test_what_holds_where_the_document_says_nothing() -> None:
    barn = good().partitions[1]
    assert barn.modes == ["away", "stay"]
    assert (barn.exit_for("away"), barn.entry_for("stay")) == (EXIT_DELAY.default, ENTRY_DELAY.default)
    assert (barn.abort_window, barn.settle, barn.swinger) == (ABORT_WINDOW.default, SETTLE.default, SWINGER.default)
    assert barn.exit_restart and not barn.auto_stay


def test_delays_per_mode() -> None:
    main = good().partitions[0]
    assert (main.exit_for("away"), main.exit_for("stay"), main.exit_for("night")) == (60 * SECOND, 0, 60 * SECOND)
    text = GOOD.replace("exit_delay: {away: 60s, stay: 0s}", "exit_delay: 1m30s")
    assert load_site(text, "s").partitions[0].exit_for("stay") == 90 * SECOND


def test_the_figures_are_those_of_the_trade() -> None:
    assert [figure.default // SECOND for figure in (EXIT_DELAY, ENTRY_DELAY, ABORT_WINDOW, SETTLE)] == [60, 30, 30, 60]
    assert (EXIT_DELAY.least, EXIT_DELAY.most) == (45 * SECOND, 255 * SECOND)
    assert (ENTRY_DELAY.least, ENTRY_DELAY.most) == (30 * SECOND, 240 * SECOND)
    assert (ABORT_WINDOW.least, ABORT_WINDOW.most) == (15 * SECOND, 45 * SECOND)
    assert tuple(SWINGER) == (1, 6, 2)
    assert ENTRY_DELAY.default + ABORT_WINDOW.default <= ENTRY_AND_ABORT


def test_zones_and_partitions_are_what_facts_may_be_about() -> None:
    assert {"main", "barn", "hall", "front", "stairs", "fumes", "turn"} <= good().subjects()
