"""What an engine wants done and what it made known, as short lines: one rule a kind, told by what is in it.

Each line has the gateway time it belongs to, so that it is the same however late somebody looked at the clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rules.actions import Action, Append, Note, Pulse, SaveClip, SetLevel, TakeStill
from rules.events import CommandDecided, EffectCommanded, EffectExpired, Event, MadeEvent
from rules.incidents import Entry
from rules.scenario.times import spoken

_ENVELOPE = {"id", "kind", "gt", "wall", "clock", "cause", "digest"}
# Kinds whose `until` or `since` is wall time; all others say gateway time.
_ON_THE_WALL = {"zone.isolated", "zone.on_test", "arming.due", "schedule.started", "schedule.ended"}
Line = tuple[int, str]


class Lines:
    """Renders actions; `zone` is the site's, for wall times. Remembers which incident is which number."""

    def __init__(self, *, zone: ZoneInfo) -> None:
        self._zone = zone
        self.incidents: list[str] = []

    def of(self, actions: Sequence[Action], *, gt: int) -> Iterator[Line]:
        """The visible lines, in order. A level's or pulse's note stands for it, and footage for its evidence."""
        noted = {
            action.event.action
            for action in actions
            if isinstance(action, Note) and isinstance(action.event, EffectCommanded)
        }
        footage = {action.still if isinstance(action, TakeStill) else action.clip
                   for action in actions if isinstance(action, TakeStill | SaveClip)}  # fmt: skip
        for action in actions:
            match action:
                case SetLevel() | Pulse():
                    if action.id not in noted:
                        yield gt, f"{action.device} {action.value}, and the log does not say so"
                case TakeStill():
                    yield action.at, f"still of {action.camera}"
                case SaveClip():
                    yield action.at, f"clip of {action.camera} -{spoken(action.pre)} +{spoken(action.post)}"
                case Append():
                    evidence = action.entry.body.get("evidence", {})
                    if not footage & {evidence.get("still"), evidence.get("clip")}:
                        yield action.entry.gt or gt, self._entry(action.entry)
                case Note():
                    yield action.event.gt, say(action.event, zone=self._zone)
                case _:  # WakeMe: when to look again shows in nothing
                    pass

    def _entry(self, entry: Entry) -> str:
        if entry.incident not in self.incidents:
            self.incidents.append(entry.incident)
        number = self.incidents.index(entry.incident) + 1
        return say_entry(entry) + ("" if number == len(self.incidents) else f" (incident {number})")


def say(fact: Event | Entry, *, zone: ZoneInfo) -> str:
    """The line of one fact."""
    if isinstance(fact, Entry):
        return say_entry(fact)
    if isinstance(fact, EffectCommanded):
        if fact.value == "pulse":
            return f"pulse {fact.device}"
        return f"{fact.device} {fact.value}" + (f" for {spoken(fact.until - fact.gt)}" if fact.until else "")
    if isinstance(fact, EffectExpired):
        return f"expired {fact.device} ({fact.reason})"
    if isinstance(fact, CommandDecided):
        return f"{fact.state}: {fact.reason}"
    words = [fact.kind, fact.about]
    words += [_field(fact, name, value, zone) for name, value in _said(fact)]
    return " ".join(word for word in words if word)


def say_entry(entry: Entry) -> str:
    """The line of an entry."""
    name, body = entry.kind.removeprefix("incident."), entry.body
    if name == "opened":
        policy = f" -> {body['policy']}" if "policy" in body else ""
        covert = " covert" if body.get("covert") else ""
        return f"opened{covert} {body.get('title')} ({body.get('severity')}){policy}"
    if name == "evidence":
        evidence = body.get("evidence", {})
        shown = evidence.get("text") or " and ".join(what for what in ("still", "clip") if what in evidence)
        camera = f" of {evidence['camera']}" if "camera" in evidence else ""
        return f"evidence {shown}{camera}"
    by = "" if entry.by == "Nightporter" else f" by {entry.by}"
    said = "".join(f" {_plain(body[key])}" for key in body if key != "note" and _worth(body[key]))
    note = f" ({body['note']})" if body.get("note") else ""
    return f"{name}{by}{said}{note}"


def on_the_wall(micros: int, zone: ZoneInfo) -> str:
    """A wall time (µs) on the site's clocks."""
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).astimezone(zone)
    return moment.strftime("%Y-%m-%d %H:%M:%S" if moment.second else "%Y-%m-%d %H:%M")


def _field(event: Event, name: str, value: Any, zone: ZoneInfo) -> str:
    if name == "by":
        return f"by {value}"
    if name in ("until", "since") and event.kind in _ON_THE_WALL:
        return f"{name} {on_the_wall(value, zone)}"
    if name == "until":
        return f"for {spoken(value - event.gt)}"
    if name == "reason":
        return f"({value})"
    if name == "reasons":
        return "(" + "; ".join(value) + ")"
    if value is True:
        return name
    if isinstance(value, int):
        return f"{name} {value}"
    return f"{name} {_plain(value)}" if isinstance(value, list) else _plain(value)


def _said(event: Event) -> Iterator[tuple[str, Any]]:
    """The fields that say something: not the envelope, not the subject, nothing empty, nothing as usual."""
    for field in fields(event):
        value = getattr(event, field.name)
        usual = field.default is not MISSING and value == field.default
        of_zone = isinstance(event, MadeEvent) and event.subject_field == "zone" and field.name == "partition"
        apart = field.name in _ENVELOPE or field.name == event.subject_field
        if not (apart or usual or of_zone) and _worth(value):
            yield field.name, value


def _worth(value: Any) -> bool:
    return value is not None and value is not False and value not in ("", [], {})


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_plain(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(each) for each in value)
    return str(value)
