"""Small faults in the kernel that once went unnoticed and are noticed now; `python -m tests.mutation` puts them in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rules.actions import Append, Note, SaveClip, SetLevel
from rules.document.site import Site
from rules.engine import Engine
from rules.events import ContactOpened, DoorUnlocked, EngineFailed, Event
from rules.incidents import Entry
from tests.unit.access_rig import Rig
from tests.unit.panel_kit import House, arms
from tests.unit.playbook import closed, opened, passes

BUILDING: dict[str, Any] = {
    "site": {"id": "house", "name": "The House"},
    "devices": [
        {
            "id": "door",
            "type": "contact",
            "mqtt": {"topic": "b/door", "field": "contact", "open": False, "closed": True},
        },
        {"id": "cam", "type": "camera", "rtsp": {"url": "rtsp://127.0.0.1:8554/cam"}},
    ],
}


def entries(actions: list[Any]) -> list[Entry]:
    return [action.entry for action in actions if isinstance(action, Append)]


def facts(actions: list[Any]) -> list[Event]:
    return [action.event for action in actions if isinstance(action, Note)]


def test_what_could_not_be_decided_is_an_incident_of_this_site() -> None:
    engine = Engine(site=Site.model_validate(BUILDING), site_sha256="0" * 64, origin="gw-1")
    failed = EngineFailed(id="f", gt=1, wall=1, reason="KeyError", fact="x", told="contact.opened", of="door")
    (entry,) = entries(engine.step(failed))
    assert entry.kind == "incident.opened"
    assert entry.body == {
        "title": "Nightporter could not decide contact.opened of door: look there yourself",
        "severity": "high",
        "site": "house",
        "site_name": "The House",
        "trigger": "f",
    }


def test_two_clips_of_one_camera_are_two_clips() -> None:
    clip = {"save_clip": {"cameras": ["cam"], "pre": "5s", "post": "5s"}}
    rule = {
        "id": "r",
        "name": "R",
        "when": {"event": "contact.opened", "device": "door"},
        "then": [{"open_incident": {"severity": "low", "title": "t"}}, clip, clip],
    }
    site = Site.model_validate(BUILDING | {"rules": [rule]})
    engine = Engine(site=site, site_sha256="0" * 64, origin="gw-1")
    actions = engine.step(ContactOpened(id="c", gt=1, wall=1, device="door"))
    clips = [action.clip for action in actions if isinstance(action, SaveClip)]
    assert len(clips) == len(set(clips)) == 2
    named = [entry.body["evidence"].get("clip") for entry in entries(actions) if "evidence" in entry.body]
    assert [name for name in named if name] == clips


def test_who_was_confirmed_already_does_not_ring_again_with_the_next() -> None:
    house = House(zones={"lounge-motion": "cross: {zones: [study-motion], count: 2, within: 60s}"})
    house.walk(arms("away"), passes("61s"), opened("lounge"))
    house.walk(opened("study"))
    assert [line for line in house.said() if line.startswith("zone.alarmed lounge-motion")]
    house.walk(closed("study"))
    house >> opened("study")
    assert not [line for line in house.said() if line.startswith("zone.alarmed lounge-motion")]


def test_ids_of_decisions_never_change() -> None:
    """They stand in stored logs: what makes them anew after an update must make the same ones."""
    rig = Rig(door={"sirens": ["siren"]})
    made: list[str] = []
    night: list[Callable[[], list[str]]] = [rig.closes, rig.card, lambda: rig.passes("1m"), rig.opens]
    night += [lambda: rig.passes("10m"), rig.closes, rig.opens, rig.closes]
    for step in night:
        step()
        made += switching(rig.actions)
    assert made == [
        "door.unlocked 769a3897-d36d-8762-89bf-f1fe9ea94ff8",
        "lock off 1e540494-a749-870f-bd91-1ff529305979",
        "siren on 40a2e09a-2b72-8a1a-b6ed-0ee92e39fa0a",
        "siren off 4872b7ee-f66e-889a-9afd-183218d4871d",
        "siren on 4da57d2d-c050-80d0-8df3-05b02e28a11b",
    ]


def switching(actions: list[Any]) -> list[str]:
    """What outputs are told, and that a door is unlocked, with the id it has."""
    told = [f"{action.device} {action.value} {action.id}" for action in actions if isinstance(action, SetLevel)]
    return told + [f"{fact.kind} {fact.id}" for fact in facts(actions) if isinstance(fact, DoorUnlocked)]
