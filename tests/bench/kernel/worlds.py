"""The sites and events the figures are taken with. Everything is made from numbers: no chance, the same every time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rules import ids
from rules.document.site import Site
from rules.events import ContactClosed, ContactOpened, DeviceEvent, Event, MotionStarted

SECOND = 1_000_000
# Monday 2026-11-23 22:30 UTC: inside `night`.
EVENING = 1_795_473_000 * SECOND
GATES = 50
# A prime: events visit the devices in an order that no cache foresees.
STRIDE = 7919


def _mqtt(topic: str, **values: Any) -> dict[str, Any]:
    return {"topic": f"bench/{topic}", **values}


def contact(name: str) -> dict[str, Any]:
    """A contact of the site document."""
    return {"id": name, "type": "contact", "mqtt": _mqtt(name, field="contact", open=False, closed=True)}


def motion(name: str) -> dict[str, Any]:
    """A motion detector of the site document."""
    return {"id": name, "type": "motion", "mqtt": _mqtt(name, field="motion", on=True, off=False)}


def siren(name: str) -> dict[str, Any]:
    """A siren of the site document."""
    command = {"topic": f"bench/{name}/set", "on": "ON", "off": "OFF"}
    return {"id": name, "type": "siren", "mqtt": _mqtt(name, field="state", on="ON", off="OFF", command=command)}


def rule(n: int) -> dict[str, Any]:
    """A rule of five clauses, scoped to one device: kind, device, a gate's state, nobody moved there lately, night."""
    return {
        "id": f"rule-{n}",
        "name": f"Door {n} opened at night",
        "when": {"event": "contact.opened", "device": f"door-{n}"},
        "if": [
            {"state": {"device": f"gate-{n % GATES}", "is": "closed"}},
            {"not": {"recent": {"event": "motion.started", "device": f"eye-{n % GATES}", "within": "30s"}}},
            {"schedule": "night"},
        ],
        "then": [{"open_incident": {"severity": "high", "title": "{{ device.name }} opened"}}],
    }


def rules_document(count: int) -> dict[str, Any]:
    """A site with `count` doors and as many rules, one of each door."""
    return {
        "site": {"id": "bench", "name": "Bench", "timezone": "Europe/Zurich"},
        "devices": [contact(f"door-{n}") for n in range(count)]
        + [contact(f"gate-{n}") for n in range(GATES)]
        + [motion(f"eye-{n}") for n in range(GATES)],
        "schedules": {"night": {"weekly": [{"days": ["mon-sun"], "from": "22:00", "to": "06:00"}]}},
        "rules": [rule(n) for n in range(count)],
    }


PARTITIONS = 20
ZONES = 1000
CODE = "c" * 64


def partition_of(zone: int) -> int:
    """Neighbouring zones belong together."""
    return zone * PARTITIONS // ZONES


def house_document(rules: int = 10_000, *, filmed: bool = True) -> dict[str, Any]:
    """A large site: 1,000 doors that are zones of 20 partitions, each with a keypad, a siren and a camera; every second
    door counts only when everybody is away. And `rules` rules, each about a door of its own, 1,000 of them a zone's.
    Not `filmed`, nobody keeps footage of an alarm."""
    document = rules_document(max(rules, ZONES))
    document["rules"] = document["rules"][:rules]
    names = range(PARTITIONS)
    document["devices"] += [siren(f"siren-{n}") for n in names]
    document["devices"] += [
        {"id": f"camera-{n}", "type": "camera", "rtsp": {"url": f"rtsp://127.0.0.1:8554/{n}"}} for n in names
    ]
    document["devices"] += [
        {"id": f"pad-{n}", "type": "keypad", "mqtt": _mqtt(f"pad-{n}", code="code", key="key", wish="wish")}
        for n in names
    ]
    document["partitions"] = [
        {
            "id": f"part-{n}",
            "exit_delay": "0s",
            "abort_window": "0s",
            "sirens": [f"siren-{n}"],
            "cameras": [f"camera-{n}"] if filmed else [],
            "policy": "guards",
        }
        for n in names
    ]
    document["zones"] = [
        {
            "id": f"zone-{n}",
            "device": f"door-{n}",
            "type": "interior" if n % 4 in (1, 2) else "perimeter",
            "partition": f"part-{partition_of(n)}",
        }
        for n in range(ZONES)
    ]
    document["people"] = [{"id": "porter", "level": 3, "codes": [{"digest": CODE}]}]
    document["keypads"] = [{"device": f"pad-{n}", "partition": f"part-{n}"} for n in names]
    return document


def uuid(n: int) -> str:
    """An id as the agent gives at first receipt, without chance."""
    return ids.time_ordered(wall=EVENING + n, random=n.to_bytes(10))


def header(n: int, gt: int) -> dict[str, Any]:
    """Identity and times of fact number `n` at gateway time `gt` (µs)."""
    return {"id": uuid(n), "gt": gt, "wall": EVENING + gt}


def history() -> list[Event]:
    """What was before: odd gates open, and somebody moved in front of every third eye."""
    facts: list[Event] = []
    for n in range(GATES):
        gate = ContactOpened if n % 2 else ContactClosed
        facts.append(gate(**header(len(facts), 1000), device=f"gate-{n}"))
        if n % 3 == 0:
            facts.append(MotionStarted(**header(len(facts), 2000), device=f"eye-{n}"))
    return facts


@dataclass(frozen=True, slots=True)
class Facts:
    """What the peers are told of one event: everything a rule asks for, looked up for them beforehand and not timed."""

    kind: str
    device: str
    gate_closed: bool
    eye_moved: bool
    night: bool

    def context(self) -> dict[str, Any]:
        """As a peer takes it."""
        return {
            "kind": self.kind,
            "device": self.device,
            "gate_closed": self.gate_closed,
            "eye_moved": self.eye_moved,
            "night": self.night,
        }

    def holds(self, n: int) -> bool:
        """Whether rule number `n` matches: the oracle every engine is checked against."""
        return (
            self.kind == "contact.opened"
            and self.device == f"door-{n}"
            and self.gate_closed
            and not self.eye_moved
            and self.night
        )


def openings(doors: int, count: int) -> list[DeviceEvent]:
    """`count` doors open within a second, each another one than before."""
    return [ContactOpened(**header(1000 + n, 5000 + n), device=f"door-{n * STRIDE % doors}") for n in range(count)]


def facts(event: DeviceEvent) -> Facts:
    """What was known when this door opened."""
    n = int(event.device.rpartition("-")[2])
    gate = n % GATES
    return Facts(kind=event.kind, device=event.device, gate_closed=gate % 2 == 0, eye_moved=gate % 3 == 0, night=True)


def site(document: dict[str, Any]) -> Site:
    """The checked model of a document."""
    return Site.model_validate(document)
