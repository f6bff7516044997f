"""What was decided while the log could not be written, in order, in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from agent.errors import StoreError
from agent.fault import path_to
from agent.intake import Input
from agent.store.log import Row
from rules.actions import Action

log = structlog.get_logger()

MAX_ROWS = 50_000
# Brokers stop delivering at about a thousand unacknowledged messages; half of that keeps the core from going deaf.
MAX_UNACKED = 500


@dataclass(slots=True, eq=False)
class Decided:
    """One input with its rows and actions, on its way to the disk."""

    item: Input | None
    rows: list[Row]
    actions: list[Action] = field(default_factory=list)
    readings: int = 0  # how many its row packs
    acked: bool = False

    @property
    def waits_for_ack(self) -> bool:
        """Whether a sender still holds it, to send it again if we do not say that it is ours."""
        return not self.acked and self.item is not None and self.item.acknowledge is not None

    def acknowledge(self) -> None:
        """Let the sender go, once."""
        if not self.waits_for_ack:
            self.acked = True
            return
        self.acked = True
        assert self.item is not None and self.item.acknowledge is not None  # noqa: PT018 - just asked
        try:
            self.item.acknowledge()
        except Exception as error:  # noqa: BLE001 - a fault in one sender's acknowledgement is not the others' loss
            log.error("acknowledge.failed", error=path_to(error))

    def settle(self) -> None:
        """It is durable: acknowledge, and answer whoever waits."""
        self.acknowledge()
        waiting = self.item.decided if self.item else None
        if waiting is not None and not waiting.done():
            waiting.set_result(self.actions)

    def give_up(self) -> None:
        """It never will be: let the sender go, and say so to whoever waits."""
        self.acknowledge()
        waiting = self.item.decided if self.item else None
        if waiting is not None and not waiting.done():
            waiting.set_exception(StoreError("the log could not be written for too long; this was decided, not kept"))


class Journal:
    """Bounded: past 50,000 rows the oldest are given up and counted, so that the newest alarm is always kept."""

    def __init__(self, *, marker: Path) -> None:
        self._marker = marker
        self._held: deque[Decided] = deque()
        self._unacked: deque[Decided] = deque()
        self._ids: set[str] = set()
        self._size = 0
        self._writing = 0  # of the oldest: on their way into the log
        self.acked_before_durable = 0
        self.given_up = 0

    def __len__(self) -> int:
        return len(self._held)

    def knows(self, fact: str) -> bool:
        """Whether this fact is among what waits."""
        return fact in self._ids

    def extend(self, group: Sequence[Decided]) -> None:
        """Keep a group; let go of the oldest unacknowledged messages before the broker stops delivering."""
        for decided in group:
            self._held.append(decided)
            self._size += _size(decided)
            if decided.item is not None:
                self._ids.add(decided.item.fact.id)
            if decided.waits_for_ack:
                self._unacked.append(decided)
        if len(self._unacked) > MAX_UNACKED:
            self.mark()
        while len(self._unacked) > MAX_UNACKED:
            oldest = self._unacked.popleft()
            if oldest.waits_for_ack:
                oldest.rows = [replace(row, acked_before_durable=True) for row in oldest.rows]
                oldest.acknowledge()
                self.acked_before_durable += 1
        while self._size > MAX_ROWS and len(self._held) > self._writing:
            self._drop(self._writing).give_up()
            self.given_up += 1

    def first(self, count: int) -> list[Decided]:
        """The oldest ones, still held; until `written` or the next `first` they are not given up."""
        self._writing = min(count, len(self._held))
        return [self._held[n] for n in range(self._writing)]

    def replace_rows(self, decided: Decided, rows: list[Row]) -> None:
        """Keep fewer rows of one that is held."""
        self._size -= _size(decided)
        decided.rows = rows
        self._size += _size(decided)

    def written(self, count: int) -> None:
        """The oldest ones are durable, and acknowledged."""
        for _ in range(count):
            self._drop(0)
        self._writing = 0
        while self._unacked and self._unacked[0].acked:
            self._unacked.popleft()

    def settled(self, group: Sequence[Decided]) -> None:
        """These, the oldest ones, have become durable after all. Some may have been given up."""
        late = {id(decided) for decided in group}
        count = 0
        while count < len(self._held) and id(self._held[count]) in late:
            count += 1
        self.written(count)

    def _drop(self, which: int) -> Decided:
        oldest = self._held[which]
        del self._held[which]
        self._size -= _size(oldest)
        if oldest.item is not None:
            self._ids.discard(oldest.item.fact.id)
        return oldest

    def mark(self) -> None:
        """Leave a trace outside the store: if this process dies now, the next one knows that facts may be missing."""
        with suppress(OSError):  # if it fails, only the unclean stop tells
            self._marker.touch()

    @property
    def left_behind(self) -> bool:
        """Whether a former run ended while acknowledged messages were only in memory."""
        return self._marker.exists()

    def counted(self) -> tuple[int, int]:
        """How many were let go before they were durable, and how many were given up, since this was asked last."""
        counts = self.acked_before_durable, self.given_up
        self.acked_before_durable = self.given_up = 0
        return counts

    def unmark(self) -> None:
        """Remove the trace: it has been told."""
        with suppress(OSError):  # if it fails, a gap too many is told at the next start; none is hidden
            self._marker.unlink(missing_ok=True)


def _size(decided: Decided) -> int:
    return max(1, len(decided.rows))
