"""Reading back what is already in a log, quickly: a night, or a million events.

A record that came in, or was written, was checked then. What stands in a log is mostly plain: a handful of fields of
plain types. Such a record is taken apart by a table made from its kind; whatever is not exactly that goes the whole way
through `read`, and gets the same answer or the same error as on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import cache
from itertools import product
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter

from rules.events import EVENTS, Event
from rules.incidents import Entry
from rules.wire import plain_entry
from rules.wire.limits import MAX_EXACT, MAX_INTEGER, MAX_RECORD_BYTES
from rules.wire.record import body_fields, entry, event, read

_json: Callable[[bytes], Any] = TypeAdapter(Any).validate_json  # the quickest reader of JSON at hand
_ENVELOPE = frozenset({"id", "kind", "wall", "clock", "gt", "cause", "body"})
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def fact(data: bytes) -> Event | Entry | None:
    """The fact in a stored record; None for a kind this version does not know. WireError as `read` and `event`."""
    made = plain(data)
    if made is not None:
        return made
    record = read(data)
    return entry(record) if record.kind.startswith("incident.") else event(record)


def plain(data: bytes) -> Event | Entry | None:
    """The fact in a record that is plain: the same that `read` with `event` or `entry` makes of it. None: only they can
    tell what it is."""
    if b"\\" in data or b"\n" in data or len(data) > MAX_RECORD_BYTES:
        return None
    if b" :" in data or b"\t" in data or b"\r" in data:
        return None  # before a colon a blank would hide a key that stands twice from whoever counts keys
    try:
        whole = _json(data)
        kind = whole["kind"]
        if kind.startswith("incident."):
            return _entry(kind, data, whole)
        maker = _maker(kind)
        return None if maker is None else maker(data, whole)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _entry(kind: str, data: bytes, whole: dict[str, Any]) -> Entry | None:
    maker = plain_entry.maker(kind)
    if maker is None or not whole.keys() <= _ENVELOPE:
        return None
    wall, gt, cause = whole["wall"], whole.get("gt", 0), whole.get("cause", "")
    if type(gt) is not int or not 0 <= gt <= MAX_EXACT or type(wall) is not int or not 0 <= wall <= MAX_EXACT:
        return None
    if whole["clock"] not in ("synced", "unsynced") or not _UUID.fullmatch(whole["id"]):
        return None
    if type(cause) is not str or len(cause) > 200:
        return None
    made = maker(whole)
    if made is None or data.count(b'":') != len(whole) + made[1]:
        return None
    return made[0]


@cache
def _maker(kind: str) -> Callable[[bytes, dict[str, Any]], Event | None] | None:
    """Makes the event from a plain record of this kind; None, or one of the errors of Python, when it is not plain."""
    known = EVENTS.get(kind)
    if known is None:
        return None
    hints = get_type_hints(known)
    blank: dict[str, Any] = {}  # what stands where the body says nothing; no type for what it must say
    types: list[tuple[type, ...]] = []
    words: list[tuple[str, frozenset[str]]] = []
    numbers: list[str] = []
    for field in fields(known):
        if field.name not in body_fields(kind):
            continue
        hint = hints[field.name]
        optional = get_origin(hint) is not Literal and NoneType in get_args(hint)
        if optional:
            (hint,) = [branch for branch in get_args(hint) if branch is not NoneType]
        if get_origin(hint) is Literal:
            words.append((field.name, frozenset(get_args(hint))))
            hint = str
        if hint not in (str, int, bool) or field.default_factory is not MISSING:
            return None
        if hint is int:
            numbers.append(field.name)
        blank[field.name] = field.default if field.default is not MISSING else None if optional else MISSING
        types.append((hint, NoneType) if optional else (hint,))
    allowed = frozenset(product(*types))

    def make(data: bytes, whole: dict[str, Any]) -> Event | None:
        if not whole.keys() <= _ENVELOPE:
            return None  # what stands in a field nobody knows may still be no JSON as we mean it
        body = whole["body"]
        given = blank | body
        # In the order of `blank`: a field nobody knows, or of another type, is not plain.
        if tuple(map(type, given.values())) not in allowed:
            return None
        # As many keys as there are values: a key that stands twice would show here.
        if data.count(b'":') != len(whole) + len(body):
            return None
        for name, known_words in words:
            if given[name] not in known_words:
                return None
        for name in numbers:
            number = given[name]
            if number is not None and not -MAX_INTEGER <= number <= MAX_INTEGER:
                return None
        gt, wall, cause = whole["gt"], whole["wall"], whole.get("cause")
        if type(gt) is not int or not 0 <= gt <= MAX_EXACT or type(wall) is not int or not 0 <= wall <= MAX_EXACT:
            return None
        if whole["clock"] not in ("synced", "unsynced") or not _UUID.fullmatch(whole["id"]):
            return None
        if cause is not None and (type(cause) is not str or len(cause) > 200):
            return None
        return known(id=whole["id"], gt=gt, wall=wall, clock=whole["clock"], cause=cause, **given)

    return make
