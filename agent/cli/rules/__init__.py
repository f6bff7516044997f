"""`nightporter rules …`: check, test, replay, explain, schema, lint. Files are read here; the kernel opens none."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from agent.cli import EX_CONFIG, EX_TEMPFAIL, guarded

_CONFIG = "/etc/nightporter/agent.yaml"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nightporter rules",
        description="Alarm logic, doors and rules of a site document: checked, tried out, replayed and explained.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, summary: str, *examples: str) -> argparse.ArgumentParser:
        shown = "\n  ".join(f"nightporter rules {name} {example}".rstrip() for example in examples)
        sub = verbs.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"examples:\n  {shown}\n\nexit codes: 0 good, 1 found something, 2 usage, 75 try again, "
            "78 a file cannot be used",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument("--json", action="store_true", help="for programs")
        return sub

    check = verb("check", "Check site documents: every mistake with its line and column.", "site.yaml")
    check.add_argument("files", nargs="+", metavar="FILE", help="a site document")

    test = verb("test", "Play scenario files and say where they do not go as expected.",
                "scenarios/", "--show scenarios/break-in.yaml")  # fmt: skip
    test.add_argument("files", nargs="+", metavar="FILE", help="a scenario, or a folder of them")
    test.add_argument("--show", action="store_true", help="print the transcript of scenarios that go well, too")
    test.add_argument("--trace", action="store_true", help="in transcripts, why each decision was taken")
    test.add_argument("--sites", metavar="FOLDER", help="where `uses: NAME` finds NAME.yaml, before all other places")

    replay = verb(
        "replay",
        "Step a stored log through a changed document: what would have rung, and what would not.",
        "--site changed.yaml --since '2026-01-14 18:00'",
        "night.jsonl --site changed.yaml --json",
        "--since 2026-01-14 --export night.jsonl",
    )
    _log(replay)
    replay.add_argument("log", nargs="?", metavar="LOG", help="an exported log, instead of the store of --config")
    replay.add_argument("--site", metavar="FILE", help="the changed document; without it, those that were in force")
    replay.add_argument("--since", metavar="TIME", help="compare from here on (local time at the site, or with offset)")
    replay.add_argument("--until", metavar="TIME", help="up to here")
    replay.add_argument("--export", metavar="FILE", help="write the log as JSONL instead, with all that a replay needs")
    replay.add_argument("--all", action="store_true", help="print every difference, not only the first hundred")

    explain = verb(
        "explain",
        "Say of a zone, door or rule at a moment why it rang, or why it did not.",
        "--zone front-door --at '2026-01-14 22:31:05'",
        "--rule after-hours --at 2026-01-14T22:31:05+01:00 --log night.jsonl --json",
    )
    _log(explain)
    what = explain.add_mutually_exclusive_group(required=True)
    for subject in ("zone", "rule", "door", "partition"):
        what.add_argument(f"--{subject}", metavar="NAME", help=f"a {subject} of the site")
    explain.add_argument("--at", required=True, metavar="TIME", help="local time at the site, or with an offset")
    explain.add_argument("--log", metavar="FILE", help="an exported log, instead of the store of --config")
    explain.add_argument("--site", metavar="FILE", help="as if this document had been in force")

    schema = verb("schema", "Print the register of everything that is logged and sent, or compare two versions of it.",
                  "contact.opened", "--old schemas-1.0/")  # fmt: skip
    schema.add_argument("kind", nargs="?", metavar="KIND", help="only this one")
    schema.add_argument("--old", metavar="PATH", help="an older register: a folder of KIND.json, or what --json prints")
    schema.add_argument("--new", metavar="PATH", help="compare with this one instead of this program's own")

    lint = verb("lint", "Advice on a site document by figures of CP-01 and EN 50131; never a claim of compliance.",
                "site.yaml")  # fmt: skip
    lint.add_argument("file", metavar="FILE", help="a site document")
    return parser


def _log(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--config", default=_CONFIG, help="agent.yaml of the gateway (default: %(default)s)")
    sub.add_argument("--gateway", metavar="ID", help="whose log it is, where an export does not say so")


def main(argv: Sequence[str]) -> int:
    """Run a verb of `nightporter rules`."""
    arguments = _parser().parse_args(list(argv))
    module = importlib.import_module(f"agent.cli.rules.{arguments.verb}")
    return guarded(lambda: _kernel(module.run, arguments))


def _kernel(run: object, arguments: argparse.Namespace) -> int:
    """Errors of the kernel as sentences: a log that cannot be read back, a snapshot of another engine."""
    from rules.errors import RulesError

    try:
        return int(run(arguments))  # type: ignore[operator]
    except RulesError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG if error.permanent else EX_TEMPFAIL
    except BrokenPipeError:
        sys.stderr.close()  # the reader had enough
        return 0
