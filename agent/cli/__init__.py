"""`nightporter agent …` and `nightporter site …`: the command line of the agent."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

EX_OK, EX_FOUND, EX_USAGE, EX_TEMPFAIL, EX_CONFIG = 0, 1, 2, 75, 78


def _parser() -> argparse.ArgumentParser:
    from agent.cli import backup

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
    outlet = verb("outlet", "Say how each outlet stands, or take one out of service that agent.yaml no longer names.",
                  "nightporter agent outlet list --json\n"
                  "  nightporter agent outlet retire cloud --who Ada")  # fmt: skip
    outlet.add_argument("action", choices=["list", "retire"])
    outlet.add_argument("name", nargs="?", help="retire: which one")
    outlet.add_argument("--who", default="", help="retire: who decided it, for the log (default: the user)")
    outlet.add_argument("--json", action="store_true", help="list: for programs")
    bundle = verb("bundle", "Carry what waits for an outlet without a network as a file, and its receipt back.",
                  "nightporter agent bundle write --to /media/usb\n"
                  "  nightporter agent bundle receipt /media/usb/RECEIPT")  # fmt: skip
    bundle.add_argument("action", choices=["write", "receipt"])
    bundle.add_argument("file", nargs="?", help="receipt: the file that came back from the relay")
    bundle.add_argument("--outlet", help="which outlet, where agent.yaml has several with `bundle`")
    bundle.add_argument("--to", metavar="FOLDER", help="write: the folder or medium the bundle is put on")
    bundle.add_argument("--limit", default="100GB", help="write: at most so much of recordings (default: %(default)s)")
    backup.add(
        verb("backup", "Write the log, the site document and the configuration into one file, also while the agent "
             "runs. Footage is not in it.",
             "nightporter agent backup --to /media/usb --config agent.yaml\n"
             "  nightporter agent backup --to gw-1.npbackup --with-secrets < passphrase.txt"),
        "backup",
    )  # fmt: skip
    backup.add(
        verb("restore", "Put a backup in the place of what is here, which is kept. The agent must be stopped.",
             "nightporter agent restore --from /media/usb --config agent.yaml\n"
             "  nightporter agent restore --from gw-1.npbackup --with-secrets < passphrase.txt"),
        "restore",
    )  # fmt: skip
    return parser


def main(argv: Sequence[str]) -> int:
    """Run a verb of `nightporter agent`; the exit code says how it went (see README.md)."""
    arguments = _parser().parse_args(list(argv))
    from agent.cli import backup, bundle, outlet, verbs

    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "run": verbs.run,
        "media": verbs.media,
        "check": verbs.check,
        "status": verbs.status,
        "secret": verbs.secret,
        "code": verbs.code,
        "backup": backup.backup,
        "bundle": bundle.bundle,
        "outlet": outlet.outlet,
        "restore": backup.restore,
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
