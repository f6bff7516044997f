"""From facts to log rows."""

from __future__ import annotations

from collections.abc import Iterator

from agent.store.blobs import Blob
from agent.store.log import Row
from rules import wire
from rules.actions import Action, Append, Note
from rules.events import Event, SegmentAdded, StillTaken
from rules.incidents import Entry


def row(fact: Event | Entry, *, data: bytes | None = None, is_input: bool) -> Row:
    """The row of a fact; `data` is its maker's exact bytes when it was made elsewhere."""
    return Row(
        id=fact.id,
        kind=fact.kind,
        lane="P0" if isinstance(fact, Entry) else fact.lane,
        gt=fact.gt,
        wall=fact.wall,
        clock=fact.clock,
        data=wire.encode(fact) if data is None else data,
        is_input=is_input,
    )


def consequences(actions: list[Action]) -> Iterator[Row]:
    """The rows that decisions leave in the log; a replay makes them anew, so they are no inputs."""
    for action in actions:
        if isinstance(action, Append):
            yield row(action.entry, is_input=False)
        elif isinstance(action, Note):
            yield row(action.event, is_input=False)


def named_blobs(fact: Event | Entry) -> list[Blob]:
    """The blobs a manifest names."""
    if isinstance(fact, SegmentAdded):
        return [
            Blob(fact.init, fact.init_bytes, "init", None),
            Blob(fact.sha256, fact.bytes, "segment", None),
        ]
    if isinstance(fact, StillTaken):
        return [Blob(fact.sha256, fact.bytes, "still", fact.incident)]
    return []
