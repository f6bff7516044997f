"""`nightporter lab drill`: run the steps on a copy, and say in plain words what came of it."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwlab.check import Report
from hwlab.drill import source
from hwlab.drill.line import Line
from hwlab.drill.settings import EMPTY_SITE
from hwlab.drill.source import Source
from hwlab.drill.steps import Drill, plan

FINE, FOUND = 0, 1

_WORDS = {
    "lost": "lost",
    "doubled": "there twice",
    "disordered": "out of order",
    "corrupt": "damaged",
    "behind media": "alarms that waited for pictures",
}


def arguments_of(parser: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser.add_argument("--config", type=Path, help="agent.yaml of the gateway to drill; without it an empty site")
    parser.add_argument("--site", type=Path, help="a site document, instead of the version in force")
    parser.add_argument("--dir", type=Path, help="where to do it and leave everything; without it a folder that goes")
    parser.add_argument("--kills", type=int, default=3, metavar="N", help="kill -9 of agent and of relay, N times each")
    parser.add_argument("--no-full-disk", action="store_true", help="leave out the step with the full disk")
    parser.add_argument("--broker", choices=("auto", "mosquitto", "nats"), default="auto", help="which broker to run")
    parser.add_argument("--seed", type=int, help="do the drill of this seed again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")


async def run(
    arguments: argparse.Namespace, *, programs: Mapping[str, tuple[str, ...]] | None = None, patience: float = 60.0
) -> int:
    """0 when every promise was kept, 1 when one was not. `patience`: seconds for everything to arrive at the end."""
    taken = await source.read(arguments.config, arguments.site) if arguments.config is not None else _nothing()
    if arguments.dir is not None:
        arguments.dir.mkdir(mode=0o700, parents=True, exist_ok=False)
        return await _drill(arguments, taken, arguments.dir.resolve(), programs, patience)
    with tempfile.TemporaryDirectory(prefix="np-drill-") as folder:
        return await _drill(arguments, taken, Path(folder), programs, patience)


def _nothing() -> Source:
    return Source("drill", "gw-1", EMPTY_SITE, {}, (), (), ())


async def _drill(
    arguments: argparse.Namespace,
    taken: Source,
    folder: Path,
    programs: Mapping[str, tuple[str, ...]] | None,
    patience: float,
) -> int:
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    began = time.monotonic()
    _say(f"A drill on a copy, in {folder} (seed {seed}). Nothing of the gateway in use is touched.")
    line = Line(
        directory=folder,
        site=taken.site,
        gateway=taken.gateway,
        tenant=taken.tenant,
        more=taken.more,
        policies=taken.policies,
        site_secrets=taken.secrets,
        broker=arguments.broker,
        box=True,
        programs=programs,
    )
    async with line:
        line.talking.set()
        drill = Drill(line, random.Random(seed), arguments.kills, taken.contacts)
        for name, step in plan(drill, full_disk=not arguments.no_full_disk):
            _say(f"  {name} ...")
            before = len(drill.problems)
            await step()
            for problem in drill.problems[before:]:
                _say(f"    ! {problem}")
        _say("  everything settles ...")
        if not await line.settled(seconds=patience):
            drill.problems.append(f"not everything had arrived everywhere after {patience:.0f} s")
        drill.problems += await line.stop()
        report = line.judge(seed=seed)
    for problem in drill.problems:
        report.add("what must be so during a drill", "the drill", problem)
    seconds = round(time.monotonic() - began)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(_figures(report, seconds), indent=2) + "\n", "utf-8")
    _verdict(report, seconds, kept=folder if arguments.dir is not None else None)
    return FINE if report.ok else FOUND


def _figures(report: Report, seconds: int) -> dict[str, Any]:
    return {**report.as_json(), "seconds": seconds}


def _verdict(report: Report, seconds: int, *, kept: Path | None) -> None:
    counted = report.counted
    _say("")
    _say(f"{counted.get('sensor messages acked', 0)} messages of sensors, {counted.get('transitions to tell', 0)} "
         f"incidents, {counted.get('notifications received', 0)} notifications, in {seconds} s:")  # fmt: skip
    for harm, number in report.harms().items():
        _say(f"  {number:5} {_WORDS.get(harm, 'other broken promises')}")
    if report.ok:
        _say("PASSED: nothing that was acknowledged was lost, and nothing came twice.")
    else:
        _say(f"FAILED: {len(report.violations)} broken promises; the first of them:")
        for violation in report.violations[:10]:
            _say(f"  {violation}")
        _say(f"Do it again with --seed {report.seed} --dir DIR, and read the logs it leaves there.")
    if kept is not None:
        _say(f"Everything is in {kept}: journal, stores, and the log of each process.")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
