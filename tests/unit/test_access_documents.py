"""Mistakes in people, access levels, doors and keypads: each with its place, none repeating what may be a secret."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rules.document.site import load_site
from rules.errors import DocumentError
from tests.unit.access_rig import digest, document, sensor, switched, text

SECRET = "1234-is-the-code"


def door(**words: Any) -> dict[str, Any]:
    return document(door=words)


def ada(**words: Any) -> dict[str, Any]:
    return document(ada=words)


def keypad(**words: Any) -> dict[str, Any]:
    return document(keypads=[{"device": "pad", "partition": "office"} | words])


def with_keys(whole: dict[str, Any]) -> dict[str, Any]:
    whole["devices"] += [sensor("keys", "contact")]
    return whole | {"zones": [{"id": "key", "device": "keys", "type": "key_switch", "partition": "office"}]}


def level(**words: Any) -> dict[str, Any]:
    return document(access_levels=[{"id": "staff", "doors": ["front"]} | words])


def second_door(**words: Any) -> dict[str, Any]:
    whole = document()
    whole["devices"] += [switched("lock-2", "lock"), sensor("leaf-2", "contact")]
    whole["doors"].append({"id": "back", "lock": "lock-2"} | words)
    return whole


MISTAKES: list[tuple[dict[str, Any], str]] = [
    (ada(codes=[{"digest": SECRET}]), "people.0.codes.0.digest: this is not a digest; it has 64 of"),
    (ada(codes=[{"digest": "A" * 64}]), "people.0.codes.0.digest: this is not a digest"),
    (ada(cards=[{"digest": SECRET}]), "people.0.cards.0.digest: this is not a digest"),
    (ada(pin=SECRET), "people.0.pin: this is not a digest"),
    (ada(codes=[{"digest": digest("x"), "from": "14.1.2026"}]), "'14.1.2026' is not a date; write for example 2026"),
    (ada(codes=[{"digest": digest("x"), "until": "2026-02-30"}]), "'2026-02-30' is not a date"),
    (
        ada(cards=[{"digest": digest("x"), "from": "2026-02-02", "until": "2026-02-01"}]),
        "people.0.cards.0: it would end on 2026-02-01, before it begins on 2026-02-02",
    ),
    (
        ada(codes=[{"digest": digest("x"), "schedule": "hour"}]),
        "'hour' is no schedule of this site; did you mean hours?",
    ),
    (ada(codes=[{"digest": digest("bob code")}]), "people.1.codes.0.digest: bob has a code that ada has already"),
    (ada(codes=[{"digest": digest("x")}] * 2), "people.0.codes.1.digest: ada has a code that ada has already"),
    (ada(cards=[{"digest": digest("bob card")}]), "people.1.cards.0.digest: bob has a card that ada has already"),
    (
        ada(codes=[{"digest": digest("ada pin"), "duress": True}]),
        "people.0.pin: this is the digest of a duress code as well: it would tell each time",
    ),
    (ada(level=0), "people.0.level: 0 is out of range: it must be at least 1"),
    (ada(level=5), "people.0.level: 5 is out of range: it must be at most 4"),
    (ada(threat=11), "people.0.threat: 11 is out of range"),
    (ada(access=["stuff"]), "people.0.access.0: 'stuff' is no access level of this site; did you mean staff?"),
    (
        ada(partitions=["offices"]),
        "people.0.partitions.0: 'offices' is no partition of this site; did you mean office?",
    ),
    (ada(id="bob"), "people.1.id: 'bob' is used by two people"),
    (level(doors=["frond"]), "access_levels.0.doors.0: 'frond' is no door of this site; did you mean front?"),
    (level(schedule="hour"), "access_levels.0.schedule: 'hour' is no schedule of this site"),
    (document(access_levels=[{"id": "staff", "doors": []}] * 2), "access_levels.1.id: 'staff' is used by two"),
    (door(lock="look"), "doors.0.lock: 'look' is no lock or output of this site; did you mean lock?"),
    (door(lock="siren"), "doors.0.lock: 'siren' is no lock or output of this site"),
    (door(contact="rex"), "doors.0.contact: 'rex' is no contact or input of this site"),
    (door(rex="cam"), "doors.0.rex: 'cam' is no button or input or contact or motion of this site"),
    (door(reader="leaf"), "doors.0.reader: 'leaf' is no reader or keypad of this site"),
    (door(sirens=["lock"]), "doors.0.sirens.0: 'lock' is no siren or output of this site"),
    (door(cameras=["siren"]), "doors.0.cameras.0: 'siren' is no camera of this site"),
    (door(unlock_schedule="hour"), "doors.0.unlock_schedule: 'hour' is no schedule of this site"),
    (door(pin="alway"), "doors.0.pin: 'alway' is no schedule of this site; did you mean always?"),
    (door(partition="offic"), "doors.0.partition: 'offic' is no partition of this site; did you mean office?"),
    (
        door(partition="office", double_badge_arms="night"),
        "doors.0.double_badge_arms: office is never armed in night (away, stay)",
    ),
    (door(unlock_for="999ms"), "doors.0: front: a lock is let go for 1s to 10m (unlock_for)"),
    (door(extended_for="4s"), "doors.0: front: extended_for is at least unlock_for"),
    (door(held_after="10s"), "doors.0: front: held_after must be longer than warn_before"),
    (door(contact=None, relock="on_close"), "doors.0: front: relock on_close needs a contact"),
    (door(anti_passback="hard"), "doors.0: front: anti_passback needs `from` or `to`"),
    (door(**{"from": "hall", "to": "hall"}), "doors.0: front: from and to are the same area"),
    (door(first_in=True), "doors.0: front: first_in needs an unlock_schedule"),
    (door(badge_disarms=True), "doors.0: front: name the partition that a badge disarms or arms"),
    (door(double_badge_arms="away"), "doors.0: front: name the partition"),
    (door(reader_out="in"), "doors.0: front: reader and reader_out are the same device"),
    (door(relock="on_push"), "doors.0.relock: 'on_push' is not one of on_open, on_close, on_time"),
    (door(tries=11), "doors.0.tries: 11 is out of range: it must be at most 10"),
    (second_door(id="front"), "doors.1.id: 'front' is used by two doors"),
    (second_door(lock="lock"), "doors.1.lock: 'lock' belongs to door front already"),
    (second_door(contact="leaf"), "doors.1.contact: 'leaf' belongs to door front already"),
    (second_door(reader="out"), "doors.1.reader: 'out' belongs to door front already"),
    (keypad(device="out"), "keypads.0.device: 'out' belongs to door front already"),
    (keypad(device="siren"), "keypads.0.device: 'siren' is no reader or keypad of this site"),
    (keypad(partition="offic"), "keypads.0.partition: 'offic' is no partition of this site"),
    (keypad(tries=2), "keypads.0.tries: 2 is out of range: it must be at least 3"),
    (keypad(lockout="29s"), "keypads.0: a keypad is locked out for at least 30s"),
    (keypad(cameras=["pad"]), "keypads.0.cameras.0: 'pad' is no camera of this site"),
    (keypad(panic={"fire": "loud"}), "keypads.0.panic.fire: 'loud' is not one of audible, silent, off"),
    (document(keypads=[{"device": "pad", "partition": "office"}] * 2), "'pad' belongs to keypad pad already"),
    (
        document(door={"badge_disarms": True, "partition": "office"})
        | {"keypads": [{"device": "pad", "partition": "office", "two_person": True}]},
        "doors.0.badge_disarms: two people disarm office at its keypad, so no badge disarms it",
    ),
    (
        with_keys(keypad(two_person=True)),
        "zones.0.type: two people disarm office at its keypad, so no key disarms it",
    ),
]


@pytest.mark.parametrize(("whole", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_each_mistake_is_told_with_its_place(whole: dict[str, Any], message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        load_site(text(whole), "site.yaml")
    said = str(caught.value)
    assert message in said, said
    assert re.match(r"site\.yaml:\d+:\d+: ", said)
    for secret in (SECRET, digest("bob code"), digest("bob card"), digest("ada pin"), "A" * 64):
        assert secret not in said


def test_a_site_without_mistakes_has_none() -> None:
    site = load_site(text(document()), "site.yaml")
    assert [door.id for door in site.doors] == ["front"]
    assert {"front", "outside"} <= site.subjects()


def test_two_people_may_have_one_pin() -> None:
    """It counts only with the card; to refuse it would tell one of them the other's."""
    load_site(text(ada(pin=digest("bob pin"))), "site.yaml")


def test_a_lock_at_either_end_of_its_bounds() -> None:
    for unlock_for, extended_for in (("1s", "1s"), ("10m", "10m")):
        load_site(text(door(unlock_for=unlock_for, extended_for=extended_for)), "site.yaml")
    load_site(text(door(held_after="11s", warn_before="10s")), "site.yaml")
    load_site(text(keypad(lockout="30s")), "site.yaml")
