"""One transaction of the log: what was decided, what hangs on it, and now and then a state of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiosqlite

from agent.clock import Clock
from agent.effects.footage import answers, promise
from agent.failpoints import reach
from agent.journal import Decided
from agent.rows import kept, shown
from agent.store import evidence, floors, footage, promises, snapshots
from agent.store.opening import Store
from rules.actions import SaveClip, TakeStill
from rules.events import Event

if TYPE_CHECKING:
    from agent.intake import WriteAll


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The engine right after what is committed with it, under the site document `site_sha256`."""

    data: bytes
    site_sha256: str


async def commit(
    store: Store, group: Sequence[Decided], *, clock: Clock, state: State | None = None, bare: bool = False
) -> None:
    """Write a group, in order, and let its senders go. `bare`: only its rows, nothing that hangs on them. StoreError or
    StoreDamaged when it cannot be written, and whatever else a fault of the program raises: then nothing was."""
    async with store.database.transaction() as transaction:
        await store.log.append(transaction, [row for decided in group for row in decided.rows])
        for decided in () if bare else group:
            await _note(transaction, store, decided, clock)
        await _note_together(transaction, () if bare else group)
        if state is not None:
            wall = clock.header()["wall"]
            await snapshots.save(transaction, data=state.data, site_sha256=state.site_sha256, wall=wall)
        await floors.keep(transaction, clock)
        reach("store.before_commit")
    store.log.committed()
    reach("store.after_commit_before_ack")
    for decided in group:
        decided.settle()
    reach("store.after_ack")


async def _note(transaction: aiosqlite.Connection, store: Store, decided: Decided, clock: Clock) -> None:
    """What hangs on one fact and what followed from it."""
    fact = decided.item.fact if decided.item is not None else None
    asked = [promise(action, clock) for action in decided.actions if isinstance(action, SaveClip | TakeStill)]
    answered = answers(fact) if isinstance(fact, Event) else None
    if asked or answered is not None:
        await promises.change(transaction, add=asked, drop=[answered] if answered is not None else [])
    pictured = shown(fact, decided.actions)
    if pictured:
        await evidence.note(transaction, store.blobs, pictured)
    for told in kept(fact, decided.actions):
        await footage.note(transaction, told)
    if decided.item is not None and decided.item.also is not None:
        await decided.item.also(transaction)


async def _note_together(transaction: aiosqlite.Connection, group: Sequence[Decided]) -> None:
    """What hangs on many facts in the same way, each kind at once."""
    kinds: dict[WriteAll, list[Any]] = {}
    for decided in group:
        together = decided.item.together if decided.item is not None else None
        if together is not None:
            kinds.setdefault(together.write, []).append(together.item)
    for write, items in kinds.items():
        await write(transaction, items)
