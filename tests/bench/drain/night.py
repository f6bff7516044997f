"""A backlog as a gateway has it after an outage: incidents with their evidence, some of them acted upon."""

from __future__ import annotations

from collections.abc import Iterator

from rules import ids, wire
from rules.incidents import Entry

DOORS = ("Server room door", "Front door", "Loading dock", "Archive", "Roof hatch", "Kitchen window")
BEGAN = 1_760_000_000_000_000  # wall µs: weeks ago, so that nobody is rung one by one


def entries(count: int, *, gateway: str, seed: str, policy: str | None) -> Iterator[Entry]:
    """So many entries. An incident has five: opened, a second door, a still, a clip, and every third is cancelled (the
    others see a further event)."""
    made = 0
    number = 0
    while made < count:
        for entry in _incident(number, gateway=gateway, seed=seed, policy=policy):
            yield entry
            made += 1
            if made == count:
                return
        number += 1


def _incident(number: int, *, gateway: str, seed: str, policy: str | None) -> Iterator[Entry]:
    name = DOORS[number % len(DOORS)]
    device = name.lower().replace(" ", "-")
    trigger = ids.derived(seed, "trigger", number)
    incident = ids.derived(trigger, "incident")
    wall = BEGAN + number * 7_300_000
    opened: dict[str, object] = {
        "title": f"{name} opened after hours",
        "severity": "high",
        "rule": "after-hours",
        "device": device,
        "device_name": name,
        "site": "house",
        "site_name": "The House",
        "trigger": trigger,
    }
    if policy is not None:
        opened["policy"] = policy
    camera = {"camera": f"cam-{device}"}
    second = ids.derived(trigger, "second")
    bodies: list[tuple[str, dict[str, object]]] = [
        ("incident.opened", opened),
        ("incident.evidence", {"evidence": {"event": second, "text": f"{name} opened again"}}),
        ("incident.evidence", {"evidence": {"still": ids.derived(trigger, "still")} | camera}),
        ("incident.evidence", {"evidence": {"clip": ids.derived(trigger, "clip")} | camera}),
        ("incident.cancelled", {"note": "disarmed by Ada"})
        if number % 3 == 0
        else ("incident.evidence", {"evidence": {"event": ids.derived(trigger, "third"), "text": f"{name} closed"}}),
    ]
    for lamport, (kind, body) in enumerate(bodies, start=1):
        yield Entry(
            id=ids.derived(incident, kind, lamport),
            kind=kind,
            incident=incident,
            lamport=lamport,
            origin=gateway,
            wall=wall + lamport * 900_000,
            by="After hours",
            gt=wall - BEGAN + lamport,
            cause=trigger,
            body=body,
        )


def mean_bytes(count: int = 1000) -> float:
    """Bytes of a record as it is stored."""
    return (
        sum(len(wire.encode(entry)) for entry in entries(count, gateway="gw-1", seed="mean", policy="guards")) / count
    )
