"""`nightporter relay run|check|status|backup|restore`: exit 0, 1 (found something), 2 (usage), 75 (try again),
78 (configuration)."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from relay.errors import ConfigError, RelayError, StoreDamaged

if TYPE_CHECKING:
    from relay.app import Address, Relay
    from relay.config import Config, Secrets

OK, FOUND, TRY_AGAIN, BAD_CONFIGURATION = 0, 1, os.EX_TEMPFAIL, os.EX_CONFIG

# The database answers from a thread of its own: with Python's 5 ms a busy event loop keeps each of a transaction's
# dozen answers waiting, and an incident with them.
SWITCH_SECONDS = 0.0005


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nightporter relay",
        description="Receive incidents and media from gateways, tell people, show the console.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="run|check|status|backup|restore|bundle")
    for verb, does in (
        ("run", "run the relay in the foreground until SIGTERM or Ctrl-C"),
        ("check", "read the configuration, its secrets and certificates, and say what is wrong"),
        ("status", "show gateways, what they sent, troubles and notifications that did not go out"),
    ):
        one = verbs.add_parser(
            verb, help=does, description=does, epilog=f"example: nightporter relay {verb} --config relay.yaml"
        )
        one.add_argument("--config", type=Path, default=Path("/etc/nightporter/relay.yaml"), metavar="FILE")
        if verb == "status":
            one.add_argument("--json", action="store_true", help="for a program to read")
    _add_backup(verbs)
    _add_bundle(verbs)
    return parser


def _add_backup(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for verb, does, example in (
        (
            "backup",
            "write everything this relay knows into one file, also while it runs",
            "--config relay.yaml /mnt/usb/relay-2026-11-23.npb",
        ),
        (
            "restore",
            "put a backup in the place of what is here; the relay must be stopped, what was here is kept",
            "--config relay.yaml /mnt/usb/relay-2026-11-23.npb",
        ),
    ):
        one = verbs.add_parser(verb, help=does, description=does, epilog=f"example: nightporter relay {verb} {example}")
        one.add_argument("--config", type=Path, default=Path("/etc/nightporter/relay.yaml"), metavar="FILE")
        one.add_argument("file", type=Path, metavar="BACKUP", help="the file of the backup")
        one.add_argument("--json", action="store_true", help="for a program to read")
        if verb == "backup":
            one.add_argument("--media", action="store_true", help="with pictures and recordings, not only their names")


def _add_bundle(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    does = "take in what a gateway without a network sent by hand; `key` prints what its bundles are encrypted for"
    one = verbs.add_parser(
        "bundle", help=does, description=does, epilog="example: nightporter relay bundle import FILE"
    )
    one.add_argument("--config", type=Path, default=Path("/etc/nightporter/relay.yaml"), metavar="FILE")
    one.add_argument("action", choices=["key", "import"])
    one.add_argument("file", type=Path, nargs="?", metavar="BUNDLE", help="import: the file that was carried here")
    one.add_argument("--wait", type=int, default=3600, metavar="SECONDS", help="import: for the relay to take it in")


def main(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except (ConfigError, StoreDamaged) as error:
        print(error, file=sys.stderr)
        return BAD_CONFIGURATION
    except RelayError as error:
        print(f"nightporter relay: {error}", file=sys.stderr)
        return FOUND if error.permanent else TRY_AGAIN


def _run(arguments: argparse.Namespace) -> int:
    from relay.config import read_config, read_secrets

    config = read_config(arguments.config)
    if arguments.verb == "status":
        from relay import status

        found = asyncio.run(status.collect(config))
        print(json.dumps(found, indent=2) if arguments.json else status.shown(found))
        return FOUND if status.worrying(found) else OK
    if arguments.verb == "bundle":
        from relay.bundles import carry

        if arguments.action == "key":
            return carry.key(config.data)
        if arguments.file is None:
            raise ConfigError("say which bundle: nightporter relay bundle import FILE")
        return carry.bring(config.data, arguments.file, patience=arguments.wait)
    if arguments.verb in ("backup", "restore"):
        return _copy(config, arguments)
    secrets = read_secrets(config)
    if arguments.verb == "check":
        return _check(arguments.config, config, secrets)
    from relay import log
    from relay.app import Relay

    log.configure()
    sys.setswitchinterval(SWITCH_SECONDS)
    asyncio.run(_serve(Relay(config=config, secrets=secrets)))
    return OK


def _copy(config: Config, arguments: argparse.Namespace) -> int:
    """backup and restore: what was done goes to stdout, how far it is to stderr."""
    from relay import drill

    def say(words: str) -> None:
        if sys.stderr.isatty():
            print(words, file=sys.stderr)

    done = drill.run(config, arguments, say)
    print(json.dumps(done.facts) if arguments.json else "\n".join(done.lines))
    return OK


def _check(path: Path, config: Config, secrets: Secrets) -> int:
    from relay.api import peers
    from relay.config import TcpGateways
    from relay.notify import webhook

    for listener in config.listeners.gateways:
        if isinstance(listener, TcpGateways):
            peers.tls_context(listener, on_refusal=lambda reason, sentence: None)
    channels = {one.name: one for policy in config.notify.policies.values() for one in policy}
    for channel in channels.values():
        webhook.key(secrets.get(channel.secret.secret), name=channel.name)
    print(f"{path}: ok; relay {config.relay.id}, {len(channels)} notification channels, {secrets!r}")
    return OK


async def _serve(relay: Relay) -> None:
    async def ready(addresses: list[Address]) -> None:
        from relay.access import setup

        code = await setup.announce(relay.db)
        if code is not None:
            people = next(address for address in addresses if address.what == "people")
            # To stdout and nowhere else: a log is read by more people than the one who starts the relay.
            print(f"no account exists yet; make the first one at http://{people.host}:{people.port}/setup")
            print(f"with this one-time code: {code}", flush=True)

    await relay.run(ready=ready)
