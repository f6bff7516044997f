"""`nightporter rules replay`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.cli import EX_FOUND, EX_OK
from agent.cli.rules.files import Progress, colour, moment, site_version
from agent.cli.rules.source import StoreSource, source
from rules.replay import Replay, Report
from rules.scenario.lines import on_the_wall
from rules.timetable import zone

_SHOWN = 100
_COLOURS = {"+": "\033[32m", "-": "\033[31m"}


def run(arguments: argparse.Namespace) -> int:
    """Compare the log with what the engine makes of it, or export it."""
    changed = site_version(Path(arguments.site)) if arguments.site else None
    log = source(arguments, log=arguments.log, before=None)
    here = zone((changed or log.newest()).site.site.timezone)
    since = moment(arguments.since, here) if arguments.since else None
    until = moment(arguments.until, here) if arguments.until else None
    if since is not None and arguments.log is None:
        log = StoreSource(config=Path(arguments.config), before=since)
    if arguments.export:
        count = log.export(Path(arguments.export))
        print(f"{arguments.export}: {count:,} records of {log.gateway}")
        return EX_OK
    progress = Progress("inputs stepped")
    replay = Replay(walk=log.walk(changed), since=since, until=until)
    try:
        report = replay.run(log.records(), progress)
    finally:
        progress.done()
    if arguments.json:
        print(json.dumps(_data(report), indent=2, ensure_ascii=False))
    else:
        _print(report, here, None if arguments.all else _SHOWN)
    return EX_OK if report.same else EX_FOUND


def _data(report: Report) -> dict[str, object]:
    return {
        "inputs": report.inputs,
        "since": report.since,
        "until": report.until,
        "agreed": report.agreed,
        "unknown_kinds": report.unknown,
        "counts": {
            name: {"log": report.before[name], "replay": report.after[name]} for name in _names(report)
        },
        "differences": [
            {"wall": each.wall, "gt": each.gt, "only_in": "replay" if each.sign == "+" else "log", "line": each.line}
            for each in report.differences
        ],
    }


def _names(report: Report) -> list[str]:
    return sorted({*report.before, *report.after})


def _print(report: Report, here: ZoneInfo, limit: int | None) -> None:
    if report.since is None or report.until is None:
        print("nothing in the log at that time")
        return
    span = f"{on_the_wall(report.since, here)} to {on_the_wall(report.until, here)}"
    print(f"{report.inputs:,} inputs stepped; compared {span} ({here.key})")
    if report.unknown:
        print(f"{report.unknown:,} records of kinds this version does not know were left out")
    names = _names(report)
    if names:
        width = max(map(len, names))
        print(f"\n{'':{width}}      log   replay")
        for name in names:
            before, after = report.before[name], report.after[name]
            mark = "" if before == after else f"  {after - before:+}"
            print(f"{name:{width}} {before:8,} {after:8,}{mark}")
    if report.same:
        print("\nnothing would have been different")
        return
    print("\n- in the log only: would not have been    + in the replay only: would have been")
    painted = colour()
    for each in report.differences[:limit]:
        line = f"{each.sign} {on_the_wall(each.wall, here)}  {each.line}"
        print(f"{_COLOURS[each.sign]}{line}\033[0m" if painted else line)
    if limit is not None and len(report.differences) > limit:
        print(f"  and {len(report.differences) - limit:,} more (--all prints them)")
