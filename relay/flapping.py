"""Gateways whose connection comes and goes: one incident that stays open, in place of one each time."""

from __future__ import annotations

from collections import defaultdict, deque

WINDOW = 600_000_000  # µs
MOST_CHANGES = 5  # silences and returns within the window from which on a gateway is unsteady


class Flapping:
    """What is remembered of each gateway's silences, in boot-time µs. After a restart of ours it begins anew."""

    def __init__(self) -> None:
        self._changes: dict[str, deque[int]] = defaultdict(lambda: deque(maxlen=MOST_CHANGES))
        self._unsteady: dict[str, int | None] = {}  # since when it is heard without a break

    def changed(self, gateway: str, now: int) -> bool:
        """It fell silent, or came back; whether this makes it unsteady."""
        changes = self._changes[gateway]
        changes.append(now)
        if gateway in self._unsteady or len(changes) < MOST_CHANGES or now - changes[0] > WINDOW:
            return False
        self._unsteady[gateway] = None
        return True

    def silent(self, gateway: str) -> None:
        """It is not heard at the moment."""
        if gateway in self._unsteady:
            self._unsteady[gateway] = None

    def waits(self, gateway: str, now: int) -> bool:
        """Whether a gateway that is heard is not back for good yet: an unsteady one must be heard for a whole window
        without a break."""
        if gateway not in self._unsteady:
            return False
        since = self._unsteady[gateway]
        if since is None:
            self._unsteady[gateway] = since = now
        if now - since < WINDOW:
            return True
        del self._unsteady[gateway]
        self._changes.pop(gateway, None)
        return False
