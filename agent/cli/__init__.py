"""`nightporter agent …` and `nightporter site …`: the command line of the agent."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

EX_OK, EX_FOUND, EX_USAGE, EX_TEMPFAIL, EX_CONFIG = 0, 1, 2, 75, 78


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nightporter agent",
        description="The edge daemon of one building.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, summary: str, example: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument("--config", default="/etc/nightporter/agent.yaml", help="agent.yaml (default: %(default)s)")
        return sub

    verb("run", "Run the agent until it is told to stop.", "nightporter agent run --config agent.yaml")
    verb("media", "Run the media worker beside it.", "nightporter agent media --config agent.yaml")
    check = verb("check", "Check agent.yaml and, if given, a site document; change nothing.",
                 "nightporter agent check --config agent.yaml --site site.yaml")  # fmt: skip
    check.add_argument("--site", help="a site document to check as well")
    status = verb("status", "Say what the log holds and how far each outlet is.", "nightporter agent status --json")
    status.add_argument("--json", action="store_true", help="for programs")
    secret = verb("secret", "Set a secret by name, its value from standard input.",
                  "nightporter agent secret set cam-lobby < value.txt")  # fmt: skip
    secret.add_argument("action", choices=["set"])
    secret.add_argument("name")
    code = verb("code", "Print the digest of a code or card, as the site document has it: digits are kept nowhere. "
                "It asks twice without showing them, or reads one line from standard input.",
                "nightporter agent code --config agent.yaml")  # fmt: skip
    code.add_argument("--card", action="store_true", help="the number of a card, not the digits of a code")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run a verb of `nightporter agent`; the exit code says how it went (see README.md)."""
    arguments = _parser().parse_args(list(argv))
    from agent.cli import verbs

    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "run": verbs.run,
        "media": verbs.media,
        "check": verbs.check,
        "status": verbs.status,
        "secret": verbs.secret,
        "code": verbs.code,
    }
    return guarded(lambda: actions[arguments.verb](arguments))


def guarded(action: Callable[[], int]) -> int:
    """Run it; an agent's error becomes a sentence on stderr and an exit code."""
    from agent.errors import AgentError, ConfigError, StoreDamaged

    try:
        return action()
    except (ConfigError, StoreDamaged) as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    except AgentError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG if error.permanent else EX_TEMPFAIL
