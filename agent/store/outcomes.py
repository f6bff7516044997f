"""What the log says became of a command that comes again."""

from __future__ import annotations

from agent.store.database import Database
from rules import wire
from rules.errors import WireError
from rules.events import CommandDecided

_WITHIN = 200  # rows


async def outcome(database: Database, command: str) -> CommandDecided | None:
    """The decision about the command whose `command.received` has this id; None when there is none (yet)."""
    # What follows from a fact is written right after it: a few rows are looked at, never the rest of the log.
    rows = await database.read(
        "SELECT later.bytes FROM log AS received JOIN log AS later"
        " ON later.pos > received.pos AND later.pos <= received.pos + ?"
        " WHERE received.id = ? AND later.kind = 'command.decided' ORDER BY later.pos",
        (_WITHIN, command),
    )
    for row in rows:
        try:
            decided = wire.event(wire.read(row[0]))
        except WireError:
            continue
        if isinstance(decided, CommandDecided) and decided.cause == command:
            return decided
    return None
