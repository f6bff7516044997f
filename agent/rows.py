"""From facts to log rows."""

from __future__ import annotations

from collections.abc import Iterator

from agent.store import evidence, footage
from agent.store.log import Row
from rules import wire
from rules.actions import Action, Append, Note
from rules.errors import RulesError
from rules.events import Event
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


def undecided(fact: Event | Entry, *, data: bytes | None) -> list[Row]:
    """The row of a fact that was not decided: kept, and no input of a replay."""
    try:
        return [row(fact, data=data, is_input=False)]
    except RulesError:  # it cannot even be written down; that it was there is told
        return []


def consequences(actions: list[Action]) -> Iterator[Row]:
    """The rows that decisions leave in the log; a replay makes them anew, so they are no inputs."""
    for action in actions:
        if isinstance(action, Append):
            yield row(action.entry, is_input=False)
        elif isinstance(action, Note):
            yield row(action.event, is_input=False)


def shown(fact: Event | Entry | None, actions: list[Action]) -> list[Event | Entry]:
    """Those of a decided fact and its consequences that say something of incidents and their recordings."""
    found: list[Event | Entry] = [fact] if fact is not None and fact.kind in evidence.KINDS else []
    found += [one.entry for one in actions if isinstance(one, Append) and one.entry.kind in evidence.KINDS]
    return found


def kept(fact: Event | Entry | None, actions: list[Action]) -> list[Event | Entry]:
    """Those of a decided fact and its consequences that say what footage there is, whose it is, and who holds it."""
    found: list[Event | Entry] = [fact] if fact is not None and footage.about_footage(fact) else []
    for one in actions:
        made = one.entry if isinstance(one, Append) else one.event if isinstance(one, Note) else None
        if made is not None and footage.about_footage(made):
            found.append(made)
    return found
