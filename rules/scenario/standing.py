"""How things stand, as somebody knows who reads only the log: what `states` of a scenario is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rules.actions import Action, Append, Note
from rules.events import EffectCommanded, Event
from rules.incidents import Entry, fold

# kind: (what it is about, words that begin to hold, words that end)
_CHANGES: dict[str, tuple[str, str, str]] = {
    "partition.exiting": ("partition", "exiting", "disarmed armed"),
    "partition.armed": ("partition", "armed", "disarmed exiting"),
    "partition.entering": ("partition", "entering", ""),
    "partition.disarmed": ("partition", "disarmed", "exiting armed entering alarm away stay night custom"),
    "alarm.confirmed": ("partition", "confirmed", ""),
    "alarm.cleared": ("partition", "", "confirmed memory"),
    "zone.alarmed": ("zone", "alarm", ""),
    "zone.restored": ("zone", "", "alarm"),
    "zone.tampered": ("zone", "tampered", ""),
    "zone.untampered": ("zone", "", "tampered"),
    "zone.bypassed": ("zone", "bypassed", ""),
    "zone.unbypassed": ("zone", "", "bypassed"),
    "zone.isolated": ("zone", "isolated", ""),
    "zone.unisolated": ("zone", "", "isolated"),
    "zone.shut_down": ("zone", "shut-down", ""),
    "zone.reinstated": ("zone", "", "shut-down"),
    "zone.on_test": ("zone", "on-test", ""),
    "zone.off_test": ("zone", "", "on-test"),
    "keypad.locked": ("keypad", "locked", ""),
    "keypad.unlocked": ("keypad", "", "locked"),
    "door.unlocked": ("door", "unlocked", "locked"),
    "door.locked": ("door", "locked", "unlocked"),
    "door.forced": ("door", "forced", ""),
    "door.held": ("door", "held", ""),
    "door.secured": ("door", "", "forced held"),
    "lockdown.started": ("lockdown", "on", "off"),
    "lockdown.ended": ("lockdown", "off", "on"),
    "rule.muted": ("rule", "muted", ""),
    "rule.unmuted": ("rule", "", "muted"),
}
_MODES = ("away", "stay", "night", "custom")
# What holds of a thing of which nothing was ever said.
_FIRST = {"partition": ["disarmed"], "door": ["locked"], "lockdown": ["off"], "threat": ["0"]}

# What each kind of thing can be, where the words are ours and few.
WORDS: dict[str, set[str]] = {"output": {"on", "off"}, "partition": {*_MODES}}
for _what, _begin, _end in _CHANGES.values():
    WORDS.setdefault(_what, {"normal"}).update(_begin.split(), _end.split())


class Standing:
    """Words by subject, as `partition office`; incidents by their number."""

    def __init__(self) -> None:
        self._words: dict[str, list[str]] = {}
        self._entries: list[list[Entry]] = []
        self._numbers: dict[str, int] = {}

    def learn(self, actions: Sequence[Action]) -> None:
        """Take in what the engine did."""
        for action in actions:
            if isinstance(action, Append):
                self.enter(action.entry)
            elif isinstance(action, Note):
                self._note(action.event)

    def enter(self, entry: Entry) -> None:
        """Take in an entry, whoever wrote it."""
        number = self._numbers.setdefault(entry.incident, len(self._entries))
        if number == len(self._entries):
            self._entries.append([])
        self._entries[number].append(entry)

    def incident(self, number: int) -> str:
        """The id of incident `number` (1: the first). LookupError when there is none."""
        if number > len(self._entries):
            raise LookupError(f"there is no incident {number} by now, only {len(self._entries)}")
        return self._entries[number - 1][0].incident

    def lamport(self, number: int) -> int:
        """The highest lamport of incident `number`."""
        return max(entry.lamport for entry in self._entries[number - 1])

    def of(self, subject: str, *, wall: int) -> str:
        """How this stands at wall time `wall` (µs): words, or "unknown"."""
        what, _, name = subject.partition(" ")
        if what == "incident":
            number = int(name) if name.isdecimal() else 0
            if not 0 < number <= len(self._entries):
                return f"not there ({len(self._entries)} incidents)"
            return " ".join(_incident(self._entries[number - 1], wall))
        words = self._words.get(subject.strip(), _FIRST.get(what, []))
        return " ".join(words) or ("off" if what == "output" else "normal")

    def agrees(self, subject: str, expected: str, *, wall: int) -> bool:
        """Whether every expected word holds, and no word after `not`. `normal`: nothing holds."""
        holds, words = set(self.of(subject, wall=wall).split()), expected.split()
        turned = [word for before, word in pairwise(words) if before == "not"]
        wanted = [word for word in words if word != "not" and word not in turned]
        return holds.issuperset(wanted) and not holds & set(turned)

    def _note(self, event: Event) -> None:
        if isinstance(event, EffectCommanded):
            if event.value != "pulse":
                self._words[f"output {event.device}"] = [event.value]
            return
        if event.kind == "threat.changed":
            self._words["threat"] = [str(getattr(event, "level", ""))]
            return
        if event.kind in ("zone.troubled", "zone.untroubled"):
            word = f"trouble:{getattr(event, 'trouble', '')}"
            self._change("zone", event.about, begin=[word] if event.kind == "zone.troubled" else [], end=[word])
            return
        change = _CHANGES.get(event.kind)
        if change is None:
            return
        what, begin, end = change
        begins, ends = begin.split(), end.split()
        mode = getattr(event, "mode", None)
        if mode in _MODES and event.kind in ("partition.exiting", "partition.armed"):
            begins, ends = [*begins, mode], [*ends, *_MODES]
        self._change(what, event.about, begin=begins, end=ends)
        if event.kind == "zone.alarmed":
            self._change("partition", str(getattr(event, "partition", "")), begin=["alarm"], end=[])

    def _change(self, what: str, name: str, *, begin: list[str], end: list[str]) -> None:
        subject = f"{what} {name}".strip()
        words = [word for word in self._words.get(subject, _FIRST.get(what, [])) if word not in end]
        self._words[subject] = words + [word for word in begin if word not in words]


def _incident(entries: list[Entry], wall: int) -> list[str]:
    """Its state, and what is true of it beside that."""
    found = fold(entries, now=wall)
    marks = {"cancelled": found.cancelled is not None, "covert": found.covert, "assigned": found.assignee is not None}
    reason = [found.reason] if found.reason else []
    return [found.state, *reason, *(mark for mark, holds in marks.items() if holds)]
