"""A stored log against a document: what would have rung, what would not, and how often each rule acts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rules import wire
from rules.events import EffectCommanded
from rules.incidents import Entry
from rules.scenario.lines import say
from rules.timetable import zone
from rules.walk import Fact, Fault, Recorded, Stepped, Walk, outcomes

_PROGRESS = 20_000


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """A line that only the log has (`-`: it would not have been) or only the replay (`+`: it would have)."""

    gt: int
    wall: int
    sign: str
    line: str


@dataclass(slots=True)
class Report:
    """`before` and `after` count by rule or machine what the log holds and what the replay made. `faults` are inputs
    and deadlines the program failed at, which were left out."""

    inputs: int = 0
    agreed: int = 0
    unknown: int = 0
    since: int | None = None  # wall µs of the first and last input that was compared
    until: int | None = None
    begins: int | None = None  # wall µs of the first and last input there was, compared or not
    ends: int | None = None
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether everything would have been exactly as it was, ids included."""
        return not (self.differences or self.faults)


class Replay:
    """Feeds records to `walk` and compares outcomes: byte for byte first, and by what they say where bytes differ."""

    def __init__(self, *, walk: Walk, since: int | None = None, until: int | None = None) -> None:
        self._walk = walk
        self._since = since
        self._until = until
        self._zone = zone(walk.version.site.site.timezone)
        self._made: dict[bytes, Fact] = {}
        self._makers: dict[str, str] = {}
        self._only: Counter[tuple[int, int, str]] = Counter()
        self.report = Report()

    def run(self, records: Iterable[bytes], progress: Callable[[int], None]) -> Report:
        """Go through all of them; `progress` is told the number of inputs now and then."""
        report, walk = self.report, self._walk
        for one in walk.through(records, expected=self._agrees):
            if isinstance(one, Recorded):
                if self._compared(one.fact.wall):
                    self._count(report.before, one.fact)
                    self._differs(one.fact, -1)
                continue
            report.begins = one.fact.wall if report.begins is None else report.begins
            report.ends = one.fact.wall
            if self._until is not None and one.fact.wall > self._until and not isinstance(one.fact, Entry):
                break
            self._settle()
            report.inputs += 1
            if report.inputs % _PROGRESS == 0:
                progress(report.inputs)
            self._take(one)
        self._settle()
        report.unknown = walk.unknown
        report.faults = walk.faults
        report.differences = sorted(self._remaining())
        return report

    def _compared(self, wall: int) -> bool:
        return self._since is None or wall >= self._since

    def _take(self, one: Stepped) -> None:
        report, wall = self.report, one.fact.wall
        if not self._compared(wall):
            self._made = {
                wire.encode(fact): fact for fact in outcomes(one.actions)
            }  # to be recognised, and not counted
            return
        report.since = wall if report.since is None else report.since
        report.until = wall
        for fact in outcomes(one.actions):
            self._count(report.after, fact)
            self._made[wire.encode(fact)] = fact

    def _agrees(self, data: bytes) -> bool:
        fact = self._made.pop(data, None)
        if fact is None:
            return False
        if self._compared(fact.wall):
            self._count(self.report.before, fact)
            self.report.agreed += 1
        return True

    def _settle(self) -> None:
        """What the replay made and the log does not have, now that the next input is here."""
        for fact in self._made.values():
            if self._compared(fact.wall):
                self._differs(fact, +1)
        self._made.clear()

    def _differs(self, fact: Fact, by: int) -> None:
        self._only[(fact.gt or 0, fact.wall, say(fact, zone=self._zone))] += by

    def _remaining(self) -> Iterable[Difference]:
        for (gt, wall, line), balance in self._only.items():
            for _ in range(abs(balance)):
                yield Difference(gt, wall, "+" if balance > 0 else "-", line)

    def _count(self, counts: Counter[str], fact: Fact) -> None:
        """By rule for what is done, by kind for what is only said."""
        if isinstance(fact, EffectCommanded):
            counts[f"{fact.rule}: {fact.device} {fact.value}"] += 1
        elif not isinstance(fact, Entry):
            counts[f"{fact.kind} {fact.about}".strip()] += 1
        elif fact.kind == "incident.opened":
            maker = self._makers[fact.incident] = str(fact.body.get("rule", fact.by))
            counts[f"{maker}: incident"] += 1
        elif fact.kind == "incident.evidence" and "text" in fact.body.get("evidence", {}):
            counts[f"{self._makers.get(fact.incident, 'an earlier incident')}: again"] += 1
