"""What each verb of `nightporter agent` does."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from agent.cli import EX_FOUND, EX_OK, EX_TEMPFAIL, EX_USAGE
from agent.cli.credentials import ask
from agent.config.load import Secrets, load_config, load_site_file
from agent.config.pepper import NotACredential, Pepper
from agent.config.secrets import PEPPER
from agent.errors import ConfigError


def _until_told(main: object) -> None:
    """Run `main(stop)`; SIGTERM and SIGINT set `stop`."""

    async def runner() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await main(stop)  # type: ignore[operator]

    asyncio.run(runner())


def run(arguments: argparse.Namespace) -> int:
    """The agent itself."""
    config = load_config(Path(arguments.config))
    from agent import app, log

    log.configure()
    # The log is written by a thread of its own: an alarm's commit must not wait Python's 5 ms for a busy event loop.
    sys.setswitchinterval(0.0005)
    _until_told(lambda stop: app.run(config, stop=stop))
    return EX_OK


def media(arguments: argparse.Namespace) -> int:
    """The media worker."""
    config = load_config(Path(arguments.config))
    from agent import log
    from agent.video.worker import WorkerError
    from agent.video.worker import run as work

    log.configure()
    try:
        _until_told(lambda stop: work(socket=config.paths.run / "media.sock", stop=stop))
    except WorkerError as error:
        print(error, file=sys.stderr)
        return EX_TEMPFAIL
    return EX_OK


def check(arguments: argparse.Namespace) -> int:
    """Configuration, the secrets it names, and a site document."""
    path = Path(arguments.config)
    config = load_config(path)
    secrets = Secrets(directory=config.paths.secrets)
    if config.broker is not None and config.broker.password is not None:
        secrets.get(config.broker.password.secret)
    print(f"{path}: good (gateway {config.gateway.id} of {config.gateway.site}, {len(config.outlets)} outlets)")
    if arguments.site:
        _, site = load_site_file(Path(arguments.site))
        for device in site.devices:
            if device.rtsp is not None and device.rtsp.password is not None:
                secrets.get(device.rtsp.password.secret)
        if site.has_digests and not secrets.has_pepper:
            raise ConfigError(
                f"{arguments.site} has digests of codes or cards, and this gateway has no pepper they could be made "
                f"with: put the secret {PEPPER} back, or make them anew with: nightporter agent code"
            )
        print(f"{arguments.site}: good ({len(site.devices)} devices, {len(site.rules)} rules)")
    return EX_OK


def status(arguments: argparse.Namespace) -> int:
    """What the log holds, read without disturbing a running agent."""
    from agent.cli.status import report
    from agent.cli.storage import sentence

    config = load_config(Path(arguments.config))
    found = report(config)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return EX_OK
    span = f"{found['oldest']} to {found['newest']} UTC" if found["newest"] else "none yet"
    print(f"gateway {found['gateway']}, epoch {found['epoch']}, {found['records']} records, {span}")
    checked = found["checked"]
    verdict = f"checked {checked['at']} UTC: {checked['said']}" if checked["at"] else "not checked yet"
    ballast = f"ballast {found['ballast'] / 1e6:.0f} MB" if found["ballast"] else "no ballast set aside"
    print(f"log {found['bytes'] / 1e6:.1f} MB, {verdict}; {ballast}")
    for outlet in found["outlets"]:
        lanes = ", ".join(f"{lane} {done}/{head}" for lane, (done, head) in outlet["lanes"].items())
        print(f"outlet {outlet['name']}: {lanes or 'nothing yet'}; {outlet['blobs_waiting']} blobs waiting")
    if found["storage"] is not None:
        print(sentence(found["storage"]))
    return EX_OK if all(not outlet["behind"] for outlet in found["outlets"]) else EX_FOUND


def secret(arguments: argparse.Namespace) -> int:
    """Set a secret from standard input."""
    config = load_config(Path(arguments.config))
    if sys.stdin.isatty():
        print(f"Value of {arguments.name} (end with Ctrl-D): ", end="", file=sys.stderr, flush=True)
    value = sys.stdin.read().removesuffix("\n")
    if not value:
        print("nothing on standard input; the secret was not changed", file=sys.stderr)
        return EX_USAGE
    Secrets(directory=config.paths.secrets).set(arguments.name, value)
    print(f"secret {arguments.name} is set; a running agent uses it from its next start")
    return EX_OK


def code(arguments: argparse.Namespace) -> int:
    """The digest of a code or card, for the site document."""
    config = load_config(Path(arguments.config))
    given = ask(card=arguments.card)
    if given is None:
        return EX_USAGE
    unused, _ = Pepper.fresh()
    try:  # before a pepper is made for what is no code
        _digest(unused, given, card=arguments.card)
    except NotACredential as error:
        print(error, file=sys.stderr)
        return EX_USAGE
    secrets = Secrets(directory=config.paths.secrets)
    if not secrets.has_pepper:
        where = config.paths.secrets
        print(f"{where} gets a pepper: codes made here are known only to a gateway that has it", file=sys.stderr)
    print(f"{{digest: {_digest(secrets.pepper(), given, card=arguments.card)}}}")
    return EX_OK


def _digest(pepper: Pepper, given: str, *, card: bool) -> str:
    return pepper.card(given) if card else pepper.code(given)
