"""Mutation testing of the kernel: how many small faults, put in one at a time, do the tests notice?

    python -m tests.mutation                         a seeded sample of each part; exit code 1 below the wanted score
    python -m tests.mutation --only access --all     every mutant of one part
    python -m tests.mutation --survivors             also the change each survivor made

mutmut makes and runs the mutants, in a copy of `rules/` and of those tests that need nothing else. Its mutants change
what is inside functions; the life-cycle tables are data, and walked pair by pair by tests of their own. Left out are
the lines of the trace: they are words for a person.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutation.tests_alone import standing_alone

ROOT = Path(__file__).parents[2]
# What must be noticed, by part, and how much of it (per cent).
PARTS = {
    "panel": ["rules/panel/"],
    "access": ["rules/access/"],
    "engine": ["rules/engine.py", "rules/timers.py", "rules/outputs.py", "rules/casebook.py", "rules/turn.py"],
    "incidents": ["rules/incidents/"],
}
WANTED = 80
# Properties over thousands of random days find much and take minutes for each mutant: they are left out here.
TOO_SLOW = (
    "test_access_properties",
    "test_kernel_properties",
    "test_panel_random",
    "test_rulebook_random",
    "test_rules_documents_fuzz",
    "test_rules_random_nights",
)
SETTINGS = """
[tool.pytest.ini_options]
addopts = ["--import-mode=importlib", "--strict-markers"]
pythonpath = ["."]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
markers = ["long: minutes rather than seconds", "peer(name): needs a program that is not ours"]

[tool.mutmut]
source_paths = ["rules/"]
only_mutate = {only}
do_not_mutate_patterns = ['\\.why\\(', '^\\s*raise ']
also_copy = ["rules"]
pytest_add_cli_args = ["--hypothesis-seed=0", "-p", "no:cacheprovider", "-p", "no:randomly"]
pytest_add_cli_args_test_selection = {tests}
use_git_change_detection = false
track_dependencies = false
"""
# How mutmut says it: 0 is a mutant that lived, 33 and 5 one that no test comes near.
SURVIVED = (0, 5, 33)
UNDECIDED = (None, 2, 34)


@dataclass(slots=True)
class Score:
    """Of one part: mutants there are, tried, and the names of those that lived."""

    part: str
    there: int = 0
    tried: int = 0
    lived: list[str] = field(default_factory=list)

    @property
    def percent(self) -> float:
        """How much was noticed; nothing tried is nothing shown."""
        return 100 * (self.tried - len(self.lived)) / self.tried if self.tried else 0.0


def _files(part: str, root: Path) -> list[str]:
    return [
        str(path.relative_to(root))
        for place in PARTS[part]
        for path in ([root / place] if place.endswith(".py") else sorted((root / place).rglob("*.py")))
        if path.exists()
    ]


def prepare(folder: Path, parts: list[str], tests_like: str, without: list[str]) -> None:
    """A copy of the kernel and of the tests that need nothing else, with settings of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "rules", folder / "rules", ignore=leave)
    for name in ("unit", "contract", "scenarios"):
        if (ROOT / "tests" / name).exists():
            shutil.copytree(ROOT / "tests" / name, folder / "tests" / name, ignore=leave)
    for name in ("conftest.py", "examples.py"):
        shutil.copy(ROOT / "tests" / name, folder / "tests" / name)
    skip = {*TOO_SLOW, *without}
    tests = [test for test in standing_alone(folder) if Path(test).match(tests_like) and Path(test).stem not in skip]
    only = [name for part in parts for name in _files(part, folder)]
    (folder / "pyproject.toml").write_text(SETTINGS.format(only=only, tests=tests), "utf-8")


def mutmut(folder: Path, *words: str, seconds: float) -> str:
    """Run it there; what it said. A run that takes longer is ended, and what it had found stays."""
    command = [sys.executable, "-m", "mutmut", *words]
    surroundings = os.environ | {"EFFORT": "quick", "PYTHONDONTWRITEBYTECODE": "1"}
    with (folder / "mutmut.log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=surroundings, start_new_session=True
        )
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
        log.seek(0)
        return log.read()


def results(folder: Path) -> dict[str, int | None]:
    """Every mutant there is and its exit code, None while it was not tried."""
    found: dict[str, int | None] = {}
    for path in sorted((folder / "mutants" / "rules").rglob("*.meta")):
        found |= json.loads(path.read_text("utf-8"))["exit_code_by_key"]
    return found


def _part_of(mutant: str) -> Iterator[str]:
    module = mutant.rpartition(".")[0]
    for part, places in PARTS.items():
        names = [place.removesuffix(".py").rstrip("/").replace("/", ".") for place in places]
        if any(module == name or module.startswith(f"{name}.") for name in names):
            yield part


def sample(mutants: list[str], *, most: int, seed: int) -> list[str]:
    """The same `most` of them for the same seed, in an order that does not favour one file."""
    return random.Random(seed).sample(sorted(mutants), min(most, len(mutants)))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", choices=list(PARTS), help="this part; may stand more than once")
    parser.add_argument("--most", type=int, default=120, metavar="N", help="mutants tried of each part (120)")
    parser.add_argument("--all", action="store_true", help="try every mutant")
    parser.add_argument("--seed", type=int, default=1, help="which sample (1)")
    parser.add_argument("--minutes", type=float, default=30, help="the longest it may take in all (30)")
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="mutants tried at the same time (2)")
    parser.add_argument("--tests", default="test_*.py", metavar="GLOB", help="only these test files (test_*.py)")
    parser.add_argument(
        "--without", action="append", default=[], metavar="TEST", help="leave out a test file (its stem)"
    )
    parser.add_argument("--survivors", action="store_true", help="show what each survivor changed")
    parser.add_argument("--folder", type=Path, default=ROOT / ".mutation", help="where the copy is made (.mutation)")
    words = parser.parse_args()
    parts = words.only or list(PARTS)
    end = time.monotonic() + words.minutes * 60
    prepare(words.folder, parts, words.tests, words.without)
    said = mutmut(words.folder, "run", "none-of-them", seconds=words.minutes * 60)
    mutants = results(words.folder) if (words.folder / "mutants").exists() else {}
    if not mutants or not (words.folder / "mutants" / "mutmut-stats.json").exists():
        print(said[-4000:])
        print("mutation: the tests do not pass without any mutant; mend that first")
        return 2
    scores = {part: Score(part) for part in parts}
    chosen: list[str] = []
    for part in parts:
        own = [mutant for mutant in mutants if part in _part_of(mutant)]
        scores[part].there = len(own)
        chosen += sorted(own) if words.all else sample(own, most=words.most, seed=words.seed)
    mutmut(
        words.folder, "run", "--max-children", str(words.at_once), *chosen, seconds=max(60.0, end - time.monotonic())
    )
    found = results(words.folder)
    for mutant in chosen:
        for part in _part_of(mutant):
            if part in scores and found.get(mutant) not in UNDECIDED:
                scores[part].tried += 1
                if found[mutant] in SURVIVED:
                    scores[part].lived.append(mutant)
    return report(words.folder, list(scores.values()), changes=words.survivors)


def report(folder: Path, scores: list[Score], *, changes: bool) -> int:
    """A table, the survivors, and 1 when a part is below what is wanted."""
    print(f"{'part':12}{'mutants':>9}{'tried':>7}{'lived':>7}{'score':>9}")
    for score in scores:
        print(f"{score.part:12}{score.there:9}{score.tried:7}{len(score.lived):7}{score.percent:8.1f} %")
    for score in scores:
        for mutant in sorted(score.lived):
            print(f"lived: {mutant}")
            if changes:
                print(mutmut(folder, "show", mutant, seconds=60))
    low = [score.part for score in scores if score.percent < WANTED]
    if low:
        print(f"mutation: below {WANTED} %: {', '.join(low)}")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
