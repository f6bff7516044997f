"""A zone as somebody who asks "why?" sees it."""

from __future__ import annotations

from typing import Any

from rules.panel.parts import ZonePart
from rules.plain import plain
from rules.timers import Timers


def view(zone: ZonePart, timers: Timers) -> dict[str, Any]:
    """Type, partition, states, whatever leaves it out, and the timers that concern it (gateway time, µs)."""
    memory, partition = zone.memory, zone.partition
    keys = [f"panel {what} {zone.id}" for what in ("cross", "silent", "isolated", "testing")]
    keys += [f"panel {what} {partition.id}" for what in ("exit", "entry", "abort", "cutoff", "settled")]
    running = {key.removeprefix("panel "): timer.at for key in keys if (timer := timers.get(key)) is not None}
    return {
        "zone": zone.id,
        "type": zone.spec.type,
        "device": zone.spec.device,
        "partition": partition.id,
        "state": partition.memory.state,
        "mode": partition.memory.mode or "disarmed",
        "condition": memory.condition or "unknown",
        "answer": zone.response,
        "left_out": zone.left_out,
        "bypassed": plain(memory.bypassed),
        "isolated": plain(memory.isolated),
        "testing": plain(memory.testing),
        "shut_down": memory.shut,
        "alarmed": memory.alarmed,
        "tampered": memory.tampered,
        "troubles": dict(memory.troubles),
        "timers": running,
    }
