"""Writing what waited in memory once the log can be written again: in order, nothing twice, and past what a fault of
the program spoils."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from agent.clock import Clock
from agent.commit import commit
from agent.errors import StoreDamaged, StoreError
from agent.fault import path_to, where
from agent.intake import Input
from agent.journal import Decided, Journal
from agent.store import epochs
from agent.store.opening import Store
from rules.events import EngineFailed, Event

log = structlog.get_logger()

_GROUP = 500


@dataclass(slots=True)
class Written:
    """What came of it: how many waited, what could not be done with some of them (to be told), and whether rows of an
    input are missing from the log for good."""

    journalled: int = 0
    spoilt: list[Input] = field(default_factory=list)
    lost: bool = False


async def reopen(store: Store) -> None:
    """Open the file anew: one whose fsync failed is not trusted. StoreError or StoreDamaged when that fails."""
    await store.database.reopen()
    await store.log.load()
    await epochs.go_on(store.database, store.log)


async def write(store: Store, journal: Journal, *, clock: Clock) -> Written:
    """Write the journal, with what joins it meanwhile. StoreError or StoreDamaged when that fails; what was written by
    then is not written again."""
    written = Written()
    while held := journal.first(_GROUP):
        await write_each(store, journal, held, clock=clock, written=written)
        journal.written(len(held))
        written.journalled += len(held)
    return written


async def write_each(store: Store, journal: Journal, held: list[Decided], *, clock: Clock, written: Written) -> None:
    """Commit a group; where a fault of the program spoils that, one by one."""
    await _leave_out_written(store, journal, held)
    try:
        await commit(store, held, clock=clock)
    except (StoreError, StoreDamaged):
        raise
    except Exception as error:  # noqa: BLE001 - one fact must not keep all others out of the log
        if len(held) == 1:
            await _spoilt(store, journal, held[0], error, clock=clock, written=written)
            return
        for each in held:
            await write_each(store, journal, [each], clock=clock, written=written)


async def _spoilt(
    store: Store, journal: Journal, decided: Decided, error: Exception, *, clock: Clock, written: Written
) -> None:
    """It fails alone: write it without what hangs on it, or leave it out; either is told."""
    log.error("commit.spoilt", error=path_to(error))
    try:
        await commit(store, [decided], clock=clock, bare=True)
    except (StoreError, StoreDamaged):
        raise
    except Exception:  # noqa: BLE001 - it cannot even be written down; that it was there is told
        journal.replace_rows(decided, [])
        written.lost = True
        decided.give_up()
    fact = decided.item.fact if decided.item is not None else None
    of = fact.about if isinstance(fact, Event) else None
    named = {"fact": fact.id, "told": fact.kind, "of": of} if fact is not None else {}
    written.spoilt.append(Input(fact=EngineFailed(**clock.header(), reason=where(error), **named)))


async def _leave_out_written(store: Store, journal: Journal, held: list[Decided]) -> None:
    """A commit whose fsync failed may be in the file all the same: its rows are not written twice."""
    seen = await store.log.known([row.id for decided in held for row in decided.rows])
    for decided in held:
        fresh = []
        for each in decided.rows:
            if each.id not in seen:
                seen.add(each.id)
                fresh.append(each)
        journal.replace_rows(decided, fresh)
