"""What the engine tells its machines, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rules.events import Boot, DeviceEvent, Event, MadeEvent
from rules.turn import Turn


def overriding(machines: Iterable[Machine], hook: str) -> list[Callable[..., None]]:
    """The hook of those that do something by it: an event costs no call that does nothing."""
    return [getattr(each, hook) for each in machines if getattr(type(each), hook) is not getattr(Machine, hook)]


class Machine:
    """Outputs, panel, access, calendar and rulebook are machines: each overrides what concerns it. All are told, always
    in this order. A timer belongs to the machine that the first word of its key names: `panel entry office`."""

    def starting(self, boot: Boot) -> None:
        """The gateway starts; what was due while it was off is not decided yet."""

    def boot(self, turn: Turn, boot: Boot) -> None:
        """The gateway has started; what was due while it was off is decided, if it is known how long that was."""

    def sense(self, turn: Turn, event: DeviceEvent) -> None:
        """A device told something, and the memory of devices has taken it in."""

    def hear(self, turn: Turn, fact: MadeEvent) -> None:
        """A machine made something known."""

    def tick(self, turn: Turn, fact: Event) -> None:
        """The turn of this fact ends: wall clock or document may be others than at the last one."""

    def lapse(self, turn: Turn, what: str, subject: str) -> None:
        """The timer `WORD what subject` of this machine ended."""
