"""Which rules listen to an event: by (kind, subject), with a second bucket for rules that take any subject."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar, Union

from rules.events import Event
from rules.rulebook.match import about, copied

_Listener = TypeVar("_Listener")
_Bucket = Union[tuple[_Listener, ...], _Listener]  # noqa: UP007  an alias with a variable in it


class Index(Generic[_Listener]):
    """Listeners by what they listen to, each bucket in the order of `listen`. A look-up costs two dictionaries
    however many rules there are, and never a merge: both buckets of a subject are joined beforehand."""

    def __init__(self, listeners: Iterable[tuple[str, str | None, _Listener]]) -> None:
        named: dict[str, dict[str, list[tuple[int, _Listener]]]] = {}
        anybody: dict[str, list[tuple[int, _Listener]]] = {}
        for place, (kind, subject, listener) in enumerate(listeners):
            if subject is None:
                anybody.setdefault(kind, []).append((place, listener))
            else:
                named.setdefault(kind, {}).setdefault(copied(subject), []).append((place, listener))
        self._kinds: dict[str, tuple[Callable[[Event], str], dict[str, _Bucket[_Listener]], _Bucket[_Listener]]] = {}
        for kind in named.keys() | anybody.keys():
            anyone = anybody.get(kind, [])
            subjects = {
                subject: _bucket(sorted(own + anyone, key=_place) if anyone else own)
                for subject, own in named.get(kind, {}).items()
            }
            self._kinds[kind] = about(kind), subjects, _bucket(anyone)

    def of(self, event: Event) -> tuple[_Listener, ...]:
        """Who listens to this event."""
        found = self._kinds.get(event.kind)
        if found is None:
            return ()
        subject, subjects, anyone = found
        bucket = subjects.get(subject(event), anyone)
        return bucket if isinstance(bucket, tuple) else (bucket,)


def _bucket(listeners: list[tuple[int, _Listener]]) -> _Bucket[_Listener]:
    """One alone stands for itself: making a tuple of one costs less than fetching one from memory."""
    if len(listeners) == 1:
        return listeners[0][1]
    return tuple(listener for _, listener in listeners)


def _place(pair: tuple[int, object]) -> int:
    return pair[0]
