"""What each outlet has used of its data budget this month."""

from __future__ import annotations

from typing import NamedTuple

import aiosqlite

from agent.store.database import Database


class Used(NamedTuple):
    """A row: the month's beginning as wall and gateway time, from when bytes were counted (all µs), how many, and what
    was told."""

    since: int
    since_gt: int
    counting: int
    used: int
    told: str


async def load(database: Database, outlet: str) -> Used | None:
    """What was counted, if anything was."""
    rows = await database.read(
        "SELECT since, since_gt, counting, used, told FROM outlet_budget WHERE outlet = ?", (outlet,)
    )
    return Used(*rows[0]) if rows else None


async def save(transaction: aiosqlite.Connection, outlet: str, used: Used) -> None:
    """Keep it."""
    await transaction.execute_fetchall(
        "INSERT INTO outlet_budget (outlet, since, since_gt, counting, used, told) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (outlet) DO UPDATE SET since = excluded.since, since_gt = excluded.since_gt,"
        " counting = excluded.counting, used = excluded.used, told = excluded.told",
        (outlet, *used),
    )
