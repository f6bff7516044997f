"""`python -m tests.chaos.report`: a page of what the chaos tests did and found, from reports/reliability.json.

Exit status 1 when a drill failed, or a test of the test found no harm where it had to."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.chaos.ledger import FILE, HARMS, read

Entry = Mapping[str, Any]
# What counts as a deed, in the order in which it is shown; the other counts are what was looked at.
DEEDS = {"kills", "cuts", "torn", "injected", "restarts", "faults", "steps", "fuzzed", "outages", "uploads", "gateways"}
WORDS = {"doubled": "duplicated", "disordered": "out of order", "behind media": "P0 behind media"}


def good(entry: Entry) -> bool:
    """It passed: nothing was harmed, or, with a safeguard off, something was."""
    return bool(entry["outcome"] == "passed")


def deeds(entry: Entry) -> dict[str, int]:
    """Kills, cuts, injected faults... of one test."""
    return {name: n for name, n in entry["counts"].items() if DEEDS & set(name.split())}


def page(entries: Sequence[Entry]) -> str:
    """The page, as Markdown."""
    real = [one for one in entries if not one["safeguard_off"]]
    proofs = [one for one in entries if one["safeguard_off"]]
    lines = ["# What survived", ""]
    lines += _summary(real)
    lines += [
        "",
        "## Drills",
        "",
        "| Drill | Effort | Done | "
        + " | ".join(WORDS.get(harm, harm) for harm in HARMS)
        + " | Seconds | Seed | Outcome |",
    ]
    lines.append("|---" * (6 + len(HARMS)) + "|")
    for one in real:
        harms = " | ".join(str(one["harms"].get(harm, "")) for harm in HARMS)
        done = ", ".join(f"{number} {name}" for name, number in deeds(one).items()) or "-"
        seconds, seed, outcome = one["seconds"], one["seed"], one["outcome"]
        lines.append(f"| {one['test']} | {one['effort']} | {done} | {harms} | {seconds} | {seed} | {outcome} |")
    lines += ["", "An empty cell: the drill cannot see that harm. A drill is done again with its seed:", ""]
    lines += ["```", 'CHAOS_SEED=1234 EFFORT=ci make test ARGS="tests/chaos/test_kill_line.py"', "```"]
    lines += ["", "## Tests of the tests", "", "With one safeguard off the same drill must find harm.", ""]
    lines += ["| Drill | Safeguard that is off | Found | Seed | Outcome |", "|---|---|---|---|---|"]
    for one in proofs:
        found = ", ".join(f"{number} {harm}" for harm, number in one["harms"].items() if number) or "-"
        lines.append(f"| {one['test']} | {one['safeguard_off']} | {found} | {one['seed']} | {one['outcome']} |")
    lines += ["", "## Figures", ""]
    for one in real:
        figures = {**{name: n for name, n in one["counts"].items() if name not in deeds(one)}, **one["facts"]}
        if figures:
            lines.append(f"* **{one['test']}** ({one['effort']}): " + ", ".join(f"{k} {v}" for k, v in figures.items()))
    return "\n".join(lines) + "\n"


def _summary(entries: Sequence[Entry]) -> list[str]:
    done: Counter[str] = Counter()
    harmed: Counter[str] = Counter()
    for one in entries:
        for name, number in deeds(one).items():
            done["kills" if "kills" in name.split() else name] += number
        for harm, number in one["harms"].items():
            harmed[harm] += number
    seconds = sum(one["seconds"] for one in entries)
    failed = [one["test"] for one in entries if not good(one)]
    lines = [f"{len(entries)} drills in {seconds / 60:.1f} minutes: " + ", ".join(f"{n} {k}" for k, n in done.items())]
    lines += ["", ", ".join(f"{WORDS.get(harm, harm)}: **{harmed[harm]}**" for harm in HARMS if harm in harmed) + "."]
    return lines + (["", "Failed: " + ", ".join(failed)] if failed else [])


def main() -> int:
    entries = read()
    if not entries:
        print(f"there is no {FILE} yet; the chaos tests write it: make test ARGS=tests/chaos", file=sys.stderr)
        return 1
    target: Path = FILE.with_suffix(".md")
    target.write_text(page(entries), "utf-8")
    print("\n".join(_summary([one for one in entries if not one["safeguard_off"]])))
    print(f"\nthe page is {target}")
    return 0 if all(good(one) for one in entries) else 1


if __name__ == "__main__":
    sys.exit(main())
