"""Mistakes in rules: each with its place, what is allowed, and the nearest known word."""

from __future__ import annotations

import pytest

from rules.document.library import SHIPPED
from rules.document.site import Site, load_site
from rules.errors import DocumentError

SITE = """\
site: {id: house, name: House}
devices:
  - {id: door, type: contact, mqtt: {topic: b/door, field: contact, open: false, closed: true}}
  - {id: warm, type: temperature, mqtt: {topic: b/warm, field: temperature}}
  - {id: lock, type: lock, mqtt: {topic: b/lock, on: A, off: B, command: {topic: b/lock/set, on: A, off: B}}}
  - {id: cam, type: camera, rtsp: {url: "rtsp://10.0.0.9/main"}}
partitions:
  - {id: hall}
zones:
  - {id: front, device: door, type: perimeter, partition: hall}
doors:
  - {id: lobby, lock: lock, contact: door}
schedules:
  night: {weekly: [{days: [mon-fri], from: 22:00, to: 06:00}]}
rules:
"""
FIRST = SITE.count("\n") + 1


def rule(when: str = "{event: contact.opened, device: door}", *, if_: str = "", then: str = "") -> str:
    conditions = f"    if: [{if_}]\n" if if_ else ""
    return f"""  - id: probe
    name: Probe
    when: {when}
{conditions}    then: [{then or "{command: {device: lock, set: on}}"}]
"""


def complaints(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        load_site(SITE + text, "site.yaml")
    return [str(problem).removeprefix("site.yaml:") for problem in caught.value.problems]


WHEN: dict[str, tuple[str, str]] = {
    "nothing to wait for": (
        "{device: door}",
        "11: rules.0.when: a rule waits for exactly one of event, count, sequence, absence, holds",
    ),
    "two things to wait for": (
        "{event: contact.opened, holds: {device: door, is: open, for: 1s}}",
        "11: rules.0.when: a rule waits for exactly one of event, count, sequence, absence, holds",
    ),
    "within beside an event": (
        "{event: contact.opened, within: 30s}",
        "11: rules.0.when: within does not belong beside event",
    ),
    "a device beside a count": (
        "{count: {event: contact.opened, at_least: 3, within: 1m}, device: door}",
        "11: rules.0.when: device does not belong beside count; write it inside count",
    ),
    "a sequence without its time": (
        "{sequence: [{event: contact.opened}, {event: contact.closed}]}",
        "11: rules.0.when: a sequence needs within: the longest time from its first event to its last",
    ),
    "a sequence of one": (
        "{sequence: [{event: contact.opened}], within: 1m}",
        "22: rules.0.when.sequence: this list needs at least 2 items",
    ),
    "a count of one": (
        "{count: {event: contact.opened, at_least: 1, within: 1m}}",
        "53: rules.0.when.count.at_least: 1 is out of range: it must be at least 2",
    ),
    "a count beyond its memory": (
        "{count: {event: contact.opened, at_least: 101, within: 1m}}",
        "53: rules.0.when.count.at_least: 101 is out of range: it must be at most 100",
    ),
    "an absence of nothing": (
        "{absence: {event: contact.opened, for: 0s}}",
        "50: rules.0.when.absence.for: this must be at least 1s",
    ),
    "an event that is secret": (
        "{event: duress.raised}",
        "19: rules.0.when.event: no rule listens to duress.raised: what it did could betray the person; it is told in"
        " secret anyhow",
    ),
    "the wrong word for a subject": (
        "{event: zone.alarmed, device: door}",
        "41: rules.0.when.device: zone.alarmed is about a zone: write zone",
    ),
    "a subject that is a field": (
        "{event: zone.alarmed, partition: hall}",
        "44: rules.0.when.partition: zone.alarmed is about a zone: write zone, or where: {partition: ...}",
    ),
    "a subject of what concerns the whole site": (
        "{event: lockdown.started, door: lobby}",
        "43: rules.0.when.door: lockdown.started is about the whole site",
    ),
    "two subjects": (
        "{event: access.granted, door: lobby, area: a}",
        "11: rules.0.when: an event is about one of device, zone, partition, door, area, schedule, rule; for more use"
        " where",
    ),
    "a zone almost right": (
        "{event: zone.alarmed, zone: frnt}",
        "39: rules.0.when.zone: 'frnt' is no zone of this site; did you mean front?",
    ),
    "a door in a sequence": (
        "{sequence: [{event: access.granted, door: loby}, {event: contact.opened}], within: 1m}",
        "53: rules.0.when.sequence.0.door: 'loby' is no door of this site; did you mean lobby?",
    ),
    "a door in unless": (
        "{sequence: [{event: contact.opened}, {event: door.held}], within: 1m, unless: {event: door.held, door: l}}",
        "114: rules.0.when.unless.door: 'l' is no door of this site; known: lobby",
    ),
    "an event this device never tells": (
        "{absence: {event: reading.temperature, device: door, for: 1h}}",
        "29: rules.0.when.absence.event: door is a contact and never tells reading.temperature (it tells battery.low,"
        " battery.restored, contact.closed, contact.opened, device.lost, device.restored, mains.lost, mains.restored,"
        " reading.battery, tamper.closed, tamper.opened)",
    ),
    "a field an event has not": (
        "{event: access.denied, where: {reson: unknown}}",
        "49: rules.0.when.where.reson: access.denied has no field 'reson' (it has door, reader, reason, person); did"
        " you mean reason?",
    ),
    "a partition in where": (
        "{event: zone.alarmed, where: {partition: hal}}",
        "52: rules.0.when.where.partition: 'hal' is no partition of this site; did you mean hall?",
    ),
    "the same of what one has not": (
        "{count: {event: [access.granted, contact.opened], at_least: 2, within: 1m, same: person}}",
        "92: rules.0.when.count.same: access.granted or contact.opened has no field 'person' (it has none)",
    ),
    "a state of nothing": (
        "{holds: {is: open, for: 1m}}",
        "19: rules.0.when.holds: holds is a device, zone, partition or door with `is`, or a reading; each with `for`",
    ),
    "a state this zone never has": (
        "{holds: {zone: front, is: opened, for: 1m}}",
        "37: rules.0.when.holds.is: front is never opened: it is normal, active, short, open, unknown, bypassed,"
        " isolated, alarmed, tampered, troubled; did you mean open?",
    ),
    "a reading of a contact": (
        "{holds: {reading: {device: door, above: 3}, for: 1m}}",
        "38: rules.0.when.holds.reading.device: door is a contact; its only reading is its battery (of: battery)",
    ),
}


@pytest.mark.parametrize("mistake", WHEN)
def test_one_mistake_in_when(mistake: str) -> None:
    when, said = WHEN[mistake]
    assert complaints(rule(when)) == [f"{FIRST + 2}:{said}"]


IF: dict[str, tuple[str, str]] = {
    "a value where there is none": (
        "{value: {above: 3}}",
        "18: rules.0.if.0.value: the event this rule waits for has no value; a reading has",
    ),
    "no bound": ("{value: {}}", "18: rules.0.if.0.value: say above, below or both"),
    "bounds with nothing between": (
        "{value: {above: 5, below: 5}}",
        "18: rules.0.if.0.value: nothing is above 5 and below 5",
    ),
    "a field it has not": (
        "{field: {name: devise, is: door}}",
        "25: rules.0.if.0.field.name: the event this rule waits for has no field 'devise' (it has device); did you mean"
        " device?",
    ),
    "a field and no question": (
        "{field: {name: device}}",
        "18: rules.0.if.0.field: say either what it is, or above and below",
    ),
    "a state of two": (
        "{state: {device: door, zone: front, is: open}}",
        "18: rules.0.if.0.state: a state is of exactly one device, zone, partition or door",
    ),
    "a partition that cannot be so": (
        "{state: {partition: hall, is: armd}}",
        "40: rules.0.if.0.state.is: hall is never armd: it is disarmed, armed, away, stay; did you mean armed?",
    ),
    "a door that cannot be so": (
        "{state: {door: lobby, is: locket}}",
        "36: rules.0.if.0.state.is: lobby is never locket: it is open, closed, unknown, locked, unlocked, forced, held;"
        " did you mean locked?",
    ),
    "a reading of another kind": (
        "{reading: {device: warm, of: humidity, above: 3}}",
        "39: rules.0.if.0.reading.of: warm is a temperature and never tells its humidity",
    ),
    "recent of a door nobody knows": (
        "{recent: {event: access.granted, door: lobbi, within: 30s}}",
        "49: rules.0.if.0.recent.door: 'lobbi' is no door of this site; did you mean lobby?",
    ),
}


@pytest.mark.parametrize("mistake", IF)
def test_one_mistake_in_if(mistake: str) -> None:
    condition, said = IF[mistake]
    assert complaints(rule(if_=condition)) == [f"{FIRST + 3}:{said}"]


THEN: dict[str, tuple[str, str]] = {
    "disarming": (
        "{disarm: {partition: hall}}",
        "12: rules.0.then.0: a rule cannot disarm: what sets it off is a sensor anybody may touch, and lowering"
        " protection needs a person's own code or proof",
    ),
    "arming to disarmed": (
        "{arm: {partition: hall, mode: disarmed}}",
        "42: rules.0.then.0.arm.mode: 'disarmed' is not one of away, stay, night, custom",
    ),
    "arming in a mode it has not": (
        "{arm: {partition: hall, mode: night}}",
        "42: rules.0.then.0.arm.mode: hall is never armed in night (it has away, stay)",
    ),
    "arming a partition nobody knows": (
        "{arm: {partition: hal, mode: away}}",
        "30: rules.0.then.0.arm.partition: 'hal' is no partition of this site; did you mean hall?",
    ),
    "bypassing a zone nobody knows": (
        "{bypass: {zone: back}}",
        "28: rules.0.then.0.bypass.zone: 'back' is no zone of this site; known: front",
    ),
    "waking at once": (
        "{wake: {after: 0s, as: later}}",
        "27: rules.0.then.0.wake.after: this must be at least 1s",
    ),
    "a note to two": (
        "{append_incident: {note: x, door: lobby, partition: hall}}",
        "30: rules.0.then.0.append_incident: an incident is of one rule, partition or door",
    ),
    "a note to a rule nobody knows": (
        "{append_incident: {note: x, rule: prob}}",
        "46: rules.0.then.0.append_incident.rule: 'prob' is no rule of this site; did you mean probe?",
    ),
    "a blank nobody can fill": (
        '{append_incident: {note: "{{ person.name }}"}}',
        "37: rules.0.then.0.append_incident.note: {{ person.name }} cannot be filled in here; known: device.id,"
        " device.name, zone.id, zone.name, partition.id, partition.name, subject.id, subject.name, site.id, site.name,"
        " rule.id, rule.name, event.kind, event.device",
    ),
}


@pytest.mark.parametrize("mistake", THEN)
def test_one_mistake_in_then(mistake: str) -> None:
    then, said = THEN[mistake]
    assert complaints(rule(then=then)) == [f"{FIRST + 3}:{said}"]


@pytest.mark.parametrize(
    ("then", "said"),
    [
        (
            "{open_incident: {severity: low, title: x}}, {append_incident: {note: x}}",
            "a rule opens an incident or adds to one, once",
        ),
        (
            "{append_incident: {note: x}}, {notify: {policy: p}}",
            "notify tells of a new incident: add open_incident to this rule",
        ),
    ],
)
def test_actions_that_do_not_go_together(then: str, said: str) -> None:
    assert complaints(rule(then=then)) == [f"{FIRST}:5: rules.0: {said}"]


@pytest.mark.parametrize(
    ("when", "blank"),
    [
        ("{event: zone.alarmed, zone: front}", "partition.name"),
        ("{event: zone.alarmed, zone: front}", "device.name"),
        ("{event: zone.alarmed}", "partition.name"),
        ("{event: access.granted}", "person.name"),
        ("{event: access.denied, door: lobby}", "event.reason"),
        ("{holds: {door: lobby, is: open, for: 1m}}", "door.name"),
        ("{holds: {reading: {device: warm, above: 8}, for: 1m}}", "device.name"),
        ("{absence: {event: contact.opened, device: door, for: 1m}}", "zone.name"),
        ("{count: {event: access.denied, at_least: 2, within: 1m}}", "person.id"),
        ("{event: area.entered}", "area.name"),
    ],
)
def test_blanks_that_can_be_filled(when: str, blank: str) -> None:
    then = f'{{open_incident: {{severity: low, title: "{{{{ {blank} }}}}"}}}}'
    assert load_site(SITE + rule(when, then=then), "site.yaml").rules


# --- the library ---

USES: dict[str, tuple[str, str]] = {
    "a rule almost right": (
        "use: after-hour-door",
        "'after-hour-door' is no rule of the library; did you mean after-hours-door?",
    ),
    "a rule quite wrong": ("use: xyz", f"'xyz' is no rule of the library; known: {', '.join(SHIPPED)}"),
    "a word that does not belong": (
        "use: after-hours-door\n    whit: {door: door}",
        "'whit' does not belong beside use (known: use, with, id, name, priority, cool_down, storm); did you mean"
        " with?",
    ),
    "a parameter it needs": (
        "use: after-hours-door\n    with: {door: door}",
        "after-hours-door needs schedule: the timetable in which it should stay shut",
    ),
    "a parameter it has not": (
        "use: after-hours-door\n    with: {dor: door, schedule: night}",
        "after-hours-door has no parameter 'dor' (it takes door, schedule, severity?, cameras?, policy?); did you mean"
        " door?",
    ),
    "no mapping": (
        "use: after-hours-door\n    with: door",
        "with is a mapping of what after-hours-door takes: door, schedule, severity?, cameras?, policy?",
    ),
    "a mapping for a word": (
        "use: after-hours-door\n    with: {door: {id: door}, schedule: night}",
        "door of after-hours-door is a word, a number or a list of them: the contact of the door",
    ),
    "a name nobody knows": (
        "use: after-hours-door\n    with: {door: dor, schedule: night}",
        "'dor' is no device of this site; did you mean door?",
    ),
    "a duration that is none": (
        "use: gate-left-open\n    with: {contact: door, for: 5}",
        "'5' is not a duration; write for example 10s, 1m30s, 2h or 30d",
    ),
    "a severity that is none": (
        "use: after-hours-door\n    with: {door: door, schedule: night, severity: hihg}",
        "'hihg' is not one of low, medium, high, critical; did you mean high?",
    ),
}


@pytest.mark.parametrize("mistake", USES)
def test_one_mistake_in_using_the_library_is_placed_where_it_is_used(mistake: str) -> None:
    use, said = USES[mistake]
    (complaint,) = complaints(rule() + f"  - {use}\n")
    place, path, message = complaint.split(": ", 2)
    line = FIRST + 5 if path.startswith("rules.1.with.") else FIRST + 4  # the word itself, where it is the document's
    assert place.startswith(f"{line}:")
    assert path.startswith("rules.1")
    assert message == said


def test_a_word_of_the_wrong_kind_is_placed_where_it_was_given() -> None:
    use, said = USES["a duration that is none"]
    assert complaints(rule() + f"  - {use}\n") == [f"{FIRST + 5}:32: rules.1.with.for: {said}"]


def used(text: str) -> Site:
    return load_site(SITE + text, "site.yaml")


def test_a_used_rule_is_a_rule_with_what_was_given_in_its_place() -> None:
    (found,) = used(
        "  - use: after-hours-door\n    id: vault\n    cool_down: 1m\n"
        "    with: {door: door, schedule: night, cameras: [cam], policy: guards}\n"
    ).rules
    assert (found.id, found.name, found.cool_down) == ("vault", "Opened after hours", 60_000_000)
    assert found.when.event == ["contact.opened"]
    assert found.when.device == "door"
    assert [list(then.model_fields_set) for then in found.then] == [["open_incident"], ["save_clip"], ["notify"]]


def test_what_is_optional_and_not_given_is_left_out() -> None:
    (found,) = used("  - use: after-hours-door\n    with: {door: door, schedule: night}\n").rules
    assert [list(then.model_fields_set) for then in found.then] == [["open_incident"]]
    assert found.then[0].open_incident is not None
    assert found.then[0].open_incident.severity == "high"


def test_a_rule_used_twice_needs_a_name_of_its_own() -> None:
    twice = "  - use: after-hours-door\n    with: {door: door, schedule: night}\n" * 2
    assert complaints(twice) == [f"{FIRST + 2}:5: rules.1.id: 'after-hours-door' is used by two rules"]
