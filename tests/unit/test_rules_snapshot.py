"""Ids and snapshots: the same history is the same engine."""

from __future__ import annotations

import pytest

from rules.document.site import load_site
from rules.engine import Engine
from rules.errors import SnapshotError
from tests.unit.playbook import (
    GATEWAY,
    INCIDENT,
    SIREN,
    WHOLE,
    Playbook,
    nothing,
    opened,
    passes,
    site,
    told,
)


def test_the_same_night_makes_the_same_ids() -> None:
    def night() -> list[object]:
        play = Playbook(WHOLE)
        play >> opened("door")
        first = list(play.actions)
        play << play.said() >> passes("60s")
        return [*first, *play.actions]

    assert night() == night()


def test_another_event_makes_other_ids() -> None:
    first, second = Playbook(WHOLE), Playbook(WHOLE)
    second.count = 99
    first >> opened("door")
    second >> opened("door")
    assert not {entry.id for entry in first.entries()} & {entry.id for entry in second.entries()}
    assert first.incidents != second.incidents


def test_a_changed_site_keeps_what_still_has_a_device() -> None:
    play = Playbook(SIREN + SIREN.replace("alarm", "second").replace("siren, set", "bolt, set"))
    play >> opened("door") << ["siren on 60s", "bolt on 60s", "wake 60s"]
    play >> opened("hatch") << nothing >> told("tamper.opened", "hatch") << nothing
    snapshot = play.engine.snapshot()
    lines = site(INCIDENT).splitlines()
    start = next(n for n, line in enumerate(lines) if "id: siren" in line)
    changed = "\n".join(line for n, line in enumerate(lines) if "id: hatch" not in line and n not in (start, start + 1))
    engine = Engine.restore(snapshot, site=load_site(changed, "changed.yaml"), site_sha256="b" * 64, origin=GATEWAY)
    state = engine._state
    assert state.devices == {"door": "open"}
    assert list(state.levels) == ["bolt"]
    assert list(state.last_seen) == ["contact.opened door"]
    assert engine.next_wake() == play.engine.next_wake()


def test_a_siren_that_became_a_contact_is_commanded_no_more() -> None:
    play = Playbook(SIREN)
    play >> opened("door") << ["siren on 60s", "wake 60s"]
    lines = site(INCIDENT).splitlines()
    start = next(n for n, line in enumerate(lines) if "id: siren" in line)
    lines[start : start + 2] = ["  - {id: siren, type: contact, mqtt: {topic: b/siren, open: 1, closed: 0}}"]
    document = load_site("\n".join(lines), "changed.yaml")
    engine = Engine.restore(play.engine.snapshot(), site=document, site_sha256="b" * 64, origin=GATEWAY)
    assert engine.next_wake() is None


def test_the_same_site_keeps_everything() -> None:
    play = Playbook(SIREN)
    play >> opened("door")
    before = play.engine.snapshot()
    assert Engine.restore(before, site=play.site, site_sha256=play.sha256, origin=GATEWAY).snapshot() == before


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"engine":2,"site":"a","state":{}}',
        b'{"engine":1,"site":"a","state":{}}',
        b'{"engine":1,"site":"a","state":{"gt":1,"devices":{},"last_seen":{},"levels":{"a":{"b":1}},"incidents":{}}}',
        b'{"engine":1,"site":"a","state":{"gt":1,"devices":[[]],"last_seen":{},"levels":{},"incidents":{}}}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_damaged_snapshot_is_refused(damaged: bytes) -> None:
    document = load_site(site(SIREN), "playbook.yaml")
    with pytest.raises(SnapshotError):
        Engine.restore(damaged, site=document, site_sha256="a" * 64, origin=GATEWAY)


def test_a_snapshot_of_another_engine_says_so() -> None:
    document = load_site(site(SIREN), "playbook.yaml")
    with pytest.raises(SnapshotError, match="the snapshot is of engine 1, this is engine 3"):
        Engine.restore(b'{"engine":1}', site=document, site_sha256="a" * 64, origin=GATEWAY)
