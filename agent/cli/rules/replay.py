"""`nightporter rules replay`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.cli import EX_FOUND, EX_OK, EX_USAGE
from agent.cli.rules.files import Progress, colour, moment, site_version
from agent.cli.rules.source import StoreSource, hint_of_document, source
from rules.replay import Replay, Report
from rules.scenario.lines import on_the_wall, say
from rules.timetable import zone

_SHOWN = 100
_FAULTS_SHOWN = 10
_COLOURS = {"+": "\033[32m", "-": "\033[31m"}


def run(arguments: argparse.Namespace) -> int:
    """Compare the log with what the engine makes of it, or export it."""
    changed = site_version(Path(arguments.site)) if arguments.site else None
    log = source(arguments, log=arguments.log, before=None)
    here = zone((changed or log.newest()).site.site.timezone)
    since = moment(arguments.since, here) if arguments.since else None
    until = moment(arguments.until, here) if arguments.until else None
    if since is not None and until is not None and since > until:
        print("--since is later than --until", file=sys.stderr)
        return EX_USAGE
    if since is not None and arguments.log is None:
        log = StoreSource(config=Path(arguments.config), before=since)
    if arguments.export:
        count = log.export(Path(arguments.export))
        print(f"{arguments.export}: {count:,} records of {log.gateway}")
        return EX_OK
    if hint := hint_of_document(log, changed):
        print(hint.removeprefix("; "), file=sys.stderr)
    progress = Progress("inputs stepped")
    replay = Replay(walk=log.walk(changed), since=since, until=until)
    try:
        report = replay.run(log.records(), progress)
    finally:
        progress.done()
    if arguments.json:
        print(json.dumps(_data(report), indent=2, ensure_ascii=False))
    else:
        _print(report, here, until, None if arguments.all else _SHOWN)
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
        "faults": [
            {
                "wall": each.fact.wall, "kind": each.fact.kind, "fact": each.fact.id, "timer": each.timer,
                "reason": each.reason,
            }
            for each in report.faults
        ],
    }


def _names(report: Report) -> list[str]:
    return sorted({*report.before, *report.after})


def _print(report: Report, here: ZoneInfo, until: int | None, limit: int | None) -> None:
    if report.since is None or report.until is None:
        print(f"nothing in the log at that time: {_outside(report, until, here)}")
        _print_faults(report, here)
        return
    span = f"{on_the_wall(report.since, here)} to {on_the_wall(report.until, here)}"
    print(f"{report.inputs:,} inputs stepped; compared {span} ({here.key})")
    _print_faults(report, here)
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
    if not report.differences:
        print("\nnothing else would have been different" if report.faults else "\nnothing would have been different")
        return
    print("\n- in the log only: would not have been    + in the replay only: would have been")
    painted = colour()
    for each in report.differences[:limit]:
        line = f"{each.sign} {on_the_wall(each.wall, here)}  {each.line}"
        print(f"{_COLOURS[each.sign]}{line}\033[0m" if painted else line)
    if limit is not None and len(report.differences) > limit:
        print(f"  and {len(report.differences) - limit:,} more (--all prints them)")


def _outside(report: Report, until: int | None, here: ZoneInfo) -> str:
    if report.begins is None or report.ends is None:
        return "it ends before"
    if until is not None and report.begins > until:
        return f"it begins at {on_the_wall(report.begins, here)} ({here.key})"
    return f"it ends at {on_the_wall(report.ends, here)} ({here.key})"


def _print_faults(report: Report, here: ZoneInfo) -> None:
    for each in report.faults[:_FAULTS_SHOWN]:
        what = f"the deadline {each.timer}" if each.timer is not None else say(each.fact, zone=here)
        print(f"the program failed at {on_the_wall(each.fact.wall, here)}, {what}: {each.reason}; this was left out")
    if len(report.faults) > _FAULTS_SHOWN:
        print(f"and at {len(report.faults) - _FAULTS_SHOWN:,} more, left out as well")
