"""What a chaos test did and found, kept in `reports/reliability.json`: counts, seed, seconds, outcome.

One entry a test and effort, the newest run; several runs at once write in turn (flock). `tests.chaos.report` makes a
page of it.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwlab.check import Report

FILE = Path(__file__).parents[2] / "reports" / "reliability.json"
# What can become of a fact or a file. A drill that was judged and found none of it says 0; one that cannot see a harm
# leaves it out.
HARMS = ("lost", "doubled", "disordered", "corrupt", "behind media")


@dataclass
class Ledger:
    """`seed` and `chance` for everything a test leaves to chance; `count("kills")` for what it does; `judged(report)`
    for what the invariant checker says of it. `expected` marks a test of the test, whose harms are wanted."""

    test: str
    effort: str
    seed: int
    counts: dict[str, int] = field(default_factory=dict)
    harms: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    expected: str = ""
    began: float = field(default_factory=time.time)
    _started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def count(self, what: str, number: int = 1) -> None:
        """Add to a count: kills, cuts, injected faults, messages, bytes..."""
        self.counts[what] = self.counts.get(what, 0) + number

    def harm(self, what: str, number: int) -> None:
        """Add to one of HARMS; also 0, which says that it was looked for."""
        if what not in HARMS:
            raise ValueError(f"{what} is not one of {', '.join(HARMS)}")
        self.harms[what] = self.harms.get(what, 0) + number

    def judged(self, report: Report) -> Report:
        """Take over what the checker counted and found; returns the report."""
        for what, number in report.harms().items():
            if what in HARMS:
                self.harm(what, number)
        for what, number in report.counted.items():
            self.count(what, number)
        return report

    def note(self, **facts: Any) -> None:
        """Figures that are no sum: a p99, a size, a name."""
        self.facts.update(facts)

    def fails_without(self, safeguard: str) -> None:
        """This is the test of the test: with `safeguard` off the harm must be there."""
        self.expected = safeguard

    def entry(self, outcome: str) -> dict[str, Any]:
        """What is kept of this run."""
        return {
            "test": self.test,
            "effort": self.effort,
            "seed": self.seed,
            "outcome": outcome,
            "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.began)),
            "seconds": round(time.monotonic() - self._started, 1),
            "counts": dict(sorted(self.counts.items())),
            "harms": {what: self.harms[what] for what in HARMS if what in self.harms},
            "facts": self.facts,
            "safeguard_off": self.expected,
        }


def chosen_seed() -> int:
    """CHAOS_SEED where it is set, to do a run again; else a new one."""
    text = os.environ.get("CHAOS_SEED", "")
    return int(text) if text.isdigit() else random.SystemRandom().randrange(10**6)


def read(path: Path = FILE) -> list[dict[str, Any]]:
    """All entries, the tests in the order of their names; none before the first run."""
    try:
        runs: Mapping[str, Any] = json.loads(path.read_text("utf-8"))["runs"]
    except FileNotFoundError:
        return []
    return [runs[name] for name in sorted(runs)]


def keep(entry: Mapping[str, Any], path: Path = FILE) -> None:
    """Put one entry in the place of the last one of its test and effort."""
    path.parent.mkdir(exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            runs = json.loads(path.read_text("utf-8"))["runs"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            runs = {}
        runs[f"{entry['test']} {entry['effort']}"] = dict(entry)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps({"version": 1, "runs": runs}, indent=1, sort_keys=True) + "\n", "utf-8")
        fresh.replace(path)
