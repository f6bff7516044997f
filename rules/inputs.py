"""What a device's message says about its state, once for everybody who asks."""

from __future__ import annotations

from typing import Literal

from rules.events import DeviceEvent, InputReported, OutputReported

Condition = Literal["normal", "active", "short", "open"]

# What a kind says its device is now.
STATES = {
    "contact.opened": "open",
    "contact.closed": "closed",
    "motion.started": "on",
    "motion.ended": "off",
    "tamper.opened": "open",
    "tamper.closed": "closed",
    "smoke.detected": "on",
    "smoke.cleared": "off",
    "heat.detected": "on",
    "heat.cleared": "off",
    "co.detected": "on",
    "co.cleared": "off",
    "water.detected": "on",
    "water.cleared": "off",
    "glass.broken": "on",
    "glass.cleared": "off",
    "button.pressed": "on",
    "button.released": "off",
    "battery.low": "low",
    "battery.restored": "good",
    "mains.lost": "lost",
    "mains.restored": "good",
    "device.lost": "lost",
    "device.restored": "heard",
}
# What is told beside the state of the device itself: kept apart from it.
_ASIDE = ("tamper", "battery", "mains", "device")
_ACTIVE = frozenset({"open", "on"})


def said(event: DeviceEvent) -> tuple[str, str] | None:
    """Where in the memory it belongs (`door`, or `door/tamper`) and what it is now; None when it says no state."""
    if isinstance(event, InputReported):
        return event.device, event.state
    if isinstance(event, OutputReported):
        return event.device, "on" if event.on else "off"
    value = STATES.get(event.kind)
    if value is None:
        return None
    family = event.kind.partition(".")[0]
    return (f"{event.device}/{family}" if family in _ASIDE else event.device), value


def condition(event: DeviceEvent) -> Condition | None:
    """The four-state view of an input; two-state devices are only ever normal or active. None: says nothing of it."""
    if isinstance(event, InputReported):
        return event.state
    if isinstance(event, OutputReported) or event.kind.partition(".")[0] in _ASIDE:
        return None
    value = STATES.get(event.kind)
    return None if value is None else "active" if value in _ACTIVE else "normal"
