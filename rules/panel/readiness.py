"""Ready to arm, or why not."""

from __future__ import annotations

from typing import NamedTuple

from rules.panel.parts import PartitionPart, ZonePart

# These keep a zone from protecting; a low battery or a mains failure does not yet.
BLINDING = ("lost", "silent", "line")
# With an exit delay somebody is on the way out past these, and through a shared hall past the last two.
_WAY_OUT = ("entry_exit", "follower", "interior")
_HALL = ("follower", "interior")


class Obstacle(NamedTuple):
    """Why a partition is not ready. `bypass`: forcing leaves the zone out; `stays`: not even force arms past it."""

    zone: ZonePart
    reason: str
    bypass: bool
    stays: bool


def obstacles(partition: PartitionPart, mode: str, *, gt: int) -> list[Obstacle]:
    """What stands in the way of arming in this mode, in the order of the document."""
    passed = _HALL if partition.owners else _WAY_OUT if partition.spec.exit_for(mode) else ()
    found = []
    for zone in partition.zones:
        if zone.by_mode and mode not in zone.modes:
            continue
        if zone.left_out or zone.memory.testing is not None or zone.spec.type == "key_switch":
            continue
        reason = _reason(zone, passed=passed, gt=gt)
        if reason:
            alarm = not zone.by_mode and (zone.memory.condition == "active" or zone.id in partition.memory.latched)
            stays = alarm and not zone.spec.may_be_bypassed
            found.append(Obstacle(zone, f"{zone.title} {reason}", zone.spec.may_be_bypassed, stays))
    for device in partition.memory.latched:
        if partition.zones and all(device != zone.id for zone in partition.zones):
            found.append(Obstacle(partition.zones[0], "a fire alarm is not reset", False, True))
    return found


def _reason(zone: ZonePart, *, passed: tuple[str, ...], gt: int) -> str:
    memory = zone.memory
    if memory.tampered:
        return "is tampered"
    for trouble in BLINDING:
        if trouble in memory.troubles:
            return memory.troubles[trouble]
    if zone.id in zone.partition.memory.latched:
        return "is not reset after its alarm"
    if memory.condition is None and zone.by_mode:
        return "is unknown: nothing was heard of it yet"
    if memory.condition == "active" and zone.spec.type not in passed:
        return f"is {zone.noun}"
    supervision = zone.spec.supervision
    if supervision is not None and memory.heard is not None and gt - memory.heard >= supervision.armed:
        return "was not heard of for too long to be armed"
    return ""
