"""Sites nobody planned: strategies for whole site documents, with everything in them or less.

They are small on purpose: what goes wrong with two partitions and six zones goes wrong with two hundred. What happens
in them is in `world_days`.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from rules.document.site import Site
from rules.document.site_check import mistakes
from tests.unit.world_rules import Names, rules

SECOND = 1_000_000
HOUR = 3600 * SECOND
# The HMACs that codes and cards arrive as; the last of each belongs to nobody.
CODES = [f"{n:064x}" for n in range(1, 8)]
CARDS = [f"{n:064x}" for n in range(101, 106)]

# What a device type can say: (what makes it active, what makes it normal again).
WORDS: dict[str, tuple[str, str]] = {
    "contact": ("contact.opened", "contact.closed"),
    "motion": ("motion.started", "motion.ended"),
    "glass": ("glass.broken", "glass.cleared"),
    "smoke": ("smoke.detected", "smoke.cleared"),
    "heat": ("heat.detected", "heat.cleared"),
    "co": ("co.detected", "co.cleared"),
    "water": ("water.detected", "water.cleared"),
    "button": ("button.pressed", "button.released"),
    "input": ("input.reported", "input.reported"),
}
# What a zone of this type is usually wired to.
SENSORS: dict[str, list[str]] = {
    "entry_exit": ["contact", "input"],
    "follower": ["motion", "input"],
    "perimeter": ["contact", "glass", "input"],
    "interior": ["motion", "input"],
    "24h": ["glass", "input"],
    "hold_up": ["button", "input"],
    "fire": ["smoke", "heat", "input"],
    "co": ["co"],
    "water": ["water"],
    "tamper": ["contact", "input"],
    "technical": ["contact", "input"],
    "key_switch": ["contact", "input"],
}
SHORT = st.sampled_from(["0s", "1s", "10s", "30s", "45s", "60s"])


def device(name: str, family: str) -> dict[str, Any]:
    """A device of the document, as MQTT brings it."""
    if family == "camera":
        return {"id": name, "type": family, "rtsp": {"url": f"rtsp://127.0.0.1:8554/{name}"}}
    says: dict[str, Any] = {"topic": f"b/{name}"}
    if family == "contact":
        says |= {"field": "contact", "open": False, "closed": True}
    elif family == "input":
        says |= {"field": "line", "normal": "n", "active": "a", "short": "s", "open": "o"}
    elif family == "keypad":
        says |= {"code": "code", "wish": "wish", "key": "key"}
    elif family == "reader":
        says |= {"field": "card"}
    else:
        says |= {"field": "state", "on": "ON", "off": "OFF"}
    if family in ("siren", "output", "lock"):
        says["command"] = {"topic": f"b/{name}/set", "on": "ON", "off": "OFF"}
    return {"id": name, "type": family, "mqtt": says}


def some(draw: st.DrawFn, **optional: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Each of these, or not: what a document leaves out has its default."""
    return {name: draw(values) for name, values in optional.items() if draw(st.booleans())}


class World:
    """A site as its document says it, its checked model, and the types of its devices."""

    def __init__(self, document: dict[str, Any], site: Site, types: dict[str, str]) -> None:
        self.document = document
        self.site = site
        self.types = types

    def __repr__(self) -> str:
        """The document alone: what one needs to see of a failing world."""
        return json.dumps({name: part for name, part in self.document.items() if name != "devices"})

    @property
    def zones(self) -> list[dict[str, Any]]:
        """The zones as the document says them."""
        return list(self.document.get("zones", []))

    def of_type(self, *families: str) -> list[str]:
        """The devices of these types."""
        return [name for name, family in self.types.items() if family in families]


def _partitions(draw: st.DrawFn) -> list[dict[str, Any]]:
    delays = SHORT | st.fixed_dictionaries({"away": SHORT})
    made = []
    for n in range(draw(st.integers(1, 2))):
        partition = {"id": f"part-{n}", "modes": ["away", "stay", "night"]} | some(
            draw,
            exit_delay=delays,
            entry_delay=delays,
            abort_window=SHORT,
            siren_for=st.sampled_from(["30s", "3m"]),
            exit_restart=st.booleans(),
            auto_stay=st.booleans(),
            swinger=st.integers(1, 6),
            settle=st.sampled_from(["0s", "60s"]),
        )
        made.append(
            partition | draw(st.sampled_from([{}, {"sirens": ["siren"]}, {"sirens": ["siren"], "cameras": ["cam"]}]))
        )
    if draw(st.integers(0, 2)) == 0:
        mode = draw(st.sampled_from(["away", "night"]))
        arming = {"schedule": "night", "mode": mode, "warn": "10m"}
        made[0]["arming"] = arming | some(draw, on_quiet=SHORT, late_to_close=SHORT, early_open=st.booleans())
    if len(made) == 2 and draw(st.booleans()):
        made.append({"id": "common", "owners": ["part-0", "part-1"], "modes": ["away", "stay", "night"]})
    return made


def _zones(draw: st.DrawFn, partitions: list[str], add: dict[str, str]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for n in range(draw(st.integers(1, 6))):
        family = draw(st.sampled_from([*SENSORS, "entry_exit", "perimeter", "perimeter", "perimeter", "interior"]))
        add[f"sensor-{n}"] = draw(st.sampled_from(SENSORS[family]))
        zone = {
            "id": f"zone-{n}",
            "device": f"sensor-{n}",
            "type": family,
            "partition": draw(st.sampled_from(partitions[:2] if family == "key_switch" else partitions)),
        } | some(draw, bypassable=st.booleans())
        if family not in ("hold_up", "fire", "co"):
            zone |= some(draw, swinger=st.integers(0, 3))
        if family == "entry_exit":
            zone |= some(draw, entry_delay=SHORT)
        if family == "hold_up":
            zone |= some(draw, silent=st.booleans())
        if family in ("perimeter", "interior"):
            zone |= some(draw, modes=st.sampled_from([["away"], ["away", "stay"], ["away", "stay", "night"]]))
        if draw(st.integers(0, 4)) == 0:
            zone["supervision"] = {"armed": "1h", "disarmed": "12h"}
        made.append(zone)
    crossed = [zone for zone in made if zone["type"] in ("perimeter", "interior")]
    if len(crossed) >= 2 and crossed[0]["partition"] == crossed[1]["partition"] and draw(st.booleans()):
        first, second = crossed[:2]
        first["cross"] = {"zones": [second["id"]], "count": 2, "within": "60s"}
    return made


def _people(draw: st.DrawFn) -> list[dict[str, Any]]:
    made = []
    for n in range(draw(st.integers(1, 3))):
        codes: list[dict[str, Any]] = [{"digest": CODES[n]}]
        if draw(st.booleans()):
            codes.append({"digest": CODES[n + 3], "duress": True})
        codes[0] |= draw(st.sampled_from([{}, {}, {"once": True}, {"schedule": "night"}]))
        made.append(
            {
                "id": f"person-{n}",
                "level": draw(st.sampled_from([1, 2, 3, 4, 4, 4])),
                "codes": codes,
                "cards": [{"digest": CARDS[n]}],
            }
        )
    return made


def _doors(draw: st.DrawFn, add: dict[str, str], partitions: list[str]) -> list[dict[str, Any]]:
    made = []
    for n in range(draw(st.integers(0, 2))):
        add |= {
            f"lock-{n}": "lock",
            f"leaf-{n}": "contact",
            f"rex-{n}": "button",
            f"reader-{n}": "reader",
            f"reader-out-{n}": "reader",
        }
        door = {
            "id": f"door-{n}",
            "contact": f"leaf-{n}",
            "lock": f"lock-{n}",
            "rex": f"rex-{n}",
            "reader": f"reader-{n}",
        } | some(
            draw,
            rex_unlocks=st.booleans(),
            held_after=st.sampled_from(["20s", "30s"]),
            relock=st.sampled_from(["on_open", "on_close", "on_time"]),
            pin=st.sampled_from(["never", "always"]),
            two_person=st.booleans(),
            unlock_schedule=st.just("night"),
            first_in=st.booleans(),
            partition=st.sampled_from(partitions),
        )
        if "unlock_schedule" not in door:
            door.pop("first_in", None)
        if draw(st.booleans()):
            door |= {"reader_out": f"reader-out-{n}", "from": "outside", "to": f"area-{n}"}
            door |= some(draw, anti_passback=st.sampled_from(["none", "soft", "hard"]))
        if "partition" in door:
            door |= some(draw, badge_disarms=st.booleans(), double_badge_arms=st.just("away"))
        made.append(door)
    return made


@st.composite
def worlds(draw: st.DrawFn, *, max_rules: int = 3) -> World:
    """A site with everything in it, or less."""
    known = set(Site.model_fields)
    types = {"siren": "siren", "bolt": "output", "cam": "camera", "spare": "contact", "eye": "motion", "pad": "keypad"}
    parts: dict[str, Any] = {"partitions": _partitions(draw)}
    names = [partition["id"] for partition in parts["partitions"]]
    parts["zones"] = _zones(draw, names, types)
    zones = [zone["id"] for zone in parts["zones"]]
    parts["people"] = _people(draw)
    parts["doors"] = _doors(draw, types, names)
    doors = [door["id"] for door in parts["doors"]]
    parts["access_levels"] = [{"id": "staff", "doors": doors}] if doors else []
    for person in parts["people"]:
        person |= {"access": ["staff"]} if doors else {}
    parts["keypads"] = [{"device": "pad", "partition": names[0]} | some(draw, tries=st.integers(3, 4))]
    document: dict[str, Any] = {
        "site": {"id": "house", "name": "The House", "timezone": draw(st.sampled_from(["Europe/Zurich", "UTC"]))},
        "devices": [device(name, family) for name, family in types.items()],
        "schedules": {"night": {"weekly": [{"days": ["mon-fri"], "from": "22:00", "to": "06:00"}]}},
        "rules": draw(rules(Names(types, zones, names), max_rules)),
    }
    document |= {name: part for name, part in parts.items() if name in known}
    site = Site.model_validate(document)
    assert not mistakes(site), mistakes(site)
    return World(document, site, types)
