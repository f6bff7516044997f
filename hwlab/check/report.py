"""What the checker counted and what it found wrong, for a person and for a program."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_MOST_SHOWN = 20

# Each invariant, and what has become of a fact where it is broken.
HARMS = {
    "nothing acknowledged is lost": "lost",
    "acknowledged is kept": "lost",
    "a declared gap is one": "lost",
    "everybody is told": "lost",
    "media is whole": "lost",
    "sequence": "lost",
    "nothing is twice": "doubled",
    "one row a fact": "doubled",
    "nobody is told twice": "doubled",
    "relay is the agent's log": "disordered",
    "a watermark stays": "disordered",
    "an epoch follows another": "disordered",
    "chain": "corrupt",
    "the file is whole": "corrupt",
    "nothing is made up": "corrupt",
    "no file without a row": "corrupt",
    "alarms go first": "behind media",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: which invariant, where, and what was seen."""

    invariant: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.where}: {self.text}"

    @property
    def harm(self) -> str:
        """lost, doubled, disordered, corrupt, behind media; other for an invariant of a caller's own."""
        return HARMS.get(self.invariant, "other")


@dataclass(slots=True)
class Report:
    """What was counted, and what was wrong; `ok` when nothing was. `seed` is that of the run, where it has one."""

    counted: dict[str, int] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    looked_for: set[str] = field(default_factory=set)
    seed: int | None = None

    @property
    def ok(self) -> bool:
        return not self.violations

    def add(self, invariant: str, where: str, text: str) -> None:
        self.violations.append(Violation(invariant, where, text))

    def count(self, what: str, number: int = 1) -> None:
        self.counted[what] = self.counted.get(what, 0) + number

    def looks_for(self, *invariants: str) -> None:
        """These are judged in this run: their harms count as 0 unless found."""
        self.looked_for.update(invariants)

    def harms(self) -> dict[str, int]:
        """How often each harm was found; one that was not looked for is left out."""
        found = dict.fromkeys(sorted({HARMS[name] for name in self.looked_for}), 0)
        for violation in self.violations:
            found[violation.harm] = found.get(violation.harm, 0) + 1
        return found

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "ok": self.ok,
            "seed": self.seed,
            "harms": self.harms(),
            "counted": self.counted,
            "violations": [
                {"invariant": one.invariant, "harm": one.harm, "where": one.where, "text": one.text}
                for one in self.violations
            ],
        }

    def __str__(self) -> str:
        lines = [f"seed: {self.seed}"] if self.seed is not None else []
        lines += [f"{what}: {number}" for what, number in self.counted.items()]
        lines += [str(violation) for violation in self.violations[:_MOST_SHOWN]]
        if len(self.violations) > _MOST_SHOWN:
            lines.append(f"... and {len(self.violations) - _MOST_SHOWN} more")
        lines.append("all invariants hold" if self.ok else f"{len(self.violations)} violations")
        return "\n".join(lines)
