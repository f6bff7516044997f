"""`nightporter rules explain`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.cli import EX_FOUND, EX_OK, EX_USAGE
from agent.cli.rules.files import Progress, moment, site_version
from agent.cli.rules.source import StoreSource, hint_of_document, source
from rules.explain import Explanation, Kind, Moment, explain
from rules.scenario.lines import on_the_wall
from rules.timetable import zone

_SECOND = 1_000_000
_UNITS = (_SECOND, 100_000, 10_000, 1_000, 100, 10, 1)
_MINUTE = re.compile(r"[T ]\d\d:\d\d(?:Z|[+-]\d\d:?\d\d)?$")
_BEFORE = 600 * _SECOND  # µs walked ahead of the asked second, so that there are earlier moments to show


def run(arguments: argparse.Namespace) -> int:
    """Walk the log up to the second, and say what decided. 0: it rang; 1: it did not."""
    kinds: tuple[Kind, ...] = ("zone", "partition", "door", "rule")
    kind, name = next((each, getattr(arguments, each)) for each in kinds if getattr(arguments, each) is not None)
    changed = site_version(Path(arguments.site)) if arguments.site else None
    log = source(arguments, log=arguments.log, before=None)
    here = zone((changed or log.newest()).site.site.timezone)
    at = moment(arguments.at, here)
    until = at + _asked_for(arguments.at, at)
    if arguments.log is None:
        log = StoreSource(config=Path(arguments.config), before=at - _BEFORE)
    progress = Progress("inputs stepped")
    try:
        found = explain(
            log.walk(changed), _counted(log.records(), progress), kind=kind, name=name, at=at, until=until,
        )  # fmt: skip
    except LookupError as error:
        print(f"{error}{hint_of_document(log, changed)}", file=sys.stderr)
        return EX_USAGE
    finally:
        progress.done()
    if arguments.json:
        print(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        _print(found, here)
    return EX_OK if found.rang else EX_FOUND


def _asked_for(text: str, at: int) -> int:
    """How long (µs) what was asked for lasts: 22:31 is a minute, 22:31:05 a second, 22:31:05.25 a hundredth of one."""
    if _MINUTE.search(text):
        return 60 * _SECOND
    return next(unit for unit in _UNITS if at % unit == 0)


def _counted(records: Iterator[bytes], progress: Progress) -> Iterator[bytes]:
    for number, data in enumerate(records):
        if number % 20_000 == 19_999:
            progress(number + 1)
        yield data


def _print(found: Explanation, here: ZoneInfo) -> None:
    document = f"document version {found.document}" if found.document else f"document {found.sha256[:12]}"
    print(f"{found.kind} {found.name} at {on_the_wall(found.at, here)} ({here.key}), {document}")
    print(f"{'it rang' if found.rang else 'it did not ring'}: {found.because}")
    if found.stood or found.timers:
        print("\nhow it stood:")
        for key, value in found.stood.items():
            print(f"  {key}: {value if isinstance(value, str | int) else json.dumps(value, ensure_ascii=False)}")
        for key, when in found.timers.items():
            print(f"  timer {key}: ends {when}")
    for title, moments in (("then:", found.moments), ("before:", found.earlier)):
        if moments:
            print(f"\n{title}")
        for each in moments:
            print("\n".join(_lines(each, here)))


def _lines(each: Moment, here: ZoneInfo) -> Iterator[str]:
    yield f"  {on_the_wall(each.wall, here)}  {each.happened}"
    yield from (f"      {line}" for line in each.asked)
    yield from (f"      . {line}" for line in each.trace)
    yield from (f"      -> {line}" for line in each.followed)
