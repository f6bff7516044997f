"""`nightporter agent backup` and `restore`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli import EX_OK
from agent.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from agent.store.backup import Manifest

_WIDE = 40


def add(parser: argparse.ArgumentParser, verb: str) -> None:
    """The options of `verb`."""
    if verb == "backup":
        parser.add_argument("--to", required=True, metavar="PATH", help="a file that is not there yet, or a directory")
        parser.add_argument(
            "--with-secrets",
            action="store_true",
            help="with secrets and identity keys, encrypted with a passphrase from standard input: new hardware needs "
            "them to know the people's codes and to be known by its relays",
        )
    else:
        parser.add_argument("--from", required=True, dest="source", metavar="PATH", help="the file, or its directory")
        parser.add_argument(
            "--with-secrets", action="store_true", help="also the secrets, with their passphrase from standard input"
        )


def backup(arguments: argparse.Namespace) -> int:
    """Copy the log while the agent runs, and what a new machine needs."""
    from agent.cli.sealed import names, passphrase, seal
    from agent.config.load import load_config
    from agent.config.text import read_text
    from agent.store.backup import back_up

    config_file = Path(arguments.config)
    config = load_config(config_file)
    sealed = seal(config, passphrase(twice=True)) if arguments.with_secrets else None
    os.nice(10)
    target, made = back_up(
        config.paths.data / "log.db",
        Path(arguments.to),
        gateway=config.gateway.id,
        config=read_text(config_file, "configuration").encode(),
        secrets=names(config),
        sealed=sealed,
        progress=bar,
    )
    print(f"{target}: {target.stat().st_size} bytes, {made.rows} rows of gateway {made.gateway}, read back and good")
    if sealed is None and made.secrets:
        print(
            f"without the {len(made.secrets)} secrets and keys of this gateway, of which it has the names; "
            "--with-secrets puts them in, encrypted",
            file=sys.stderr,
        )
    return EX_OK


def restore(arguments: argparse.Namespace) -> int:
    """Put a backup in the place of what is here; the agent must be stopped."""
    from agent.cli.sealed import names, opened, passphrase, put
    from agent.config.load import load_config
    from agent.store.opening import StoreLock
    from agent.store.restore import configuration, newest, sealed
    from agent.store.restore import restore as put_log

    config_file = Path(arguments.config)
    source = Path(arguments.source)
    if not config_file.exists():
        source = newest(source, gateway=None)
        _place(config_file, configuration(source))
    config = load_config(config_file)
    source = newest(source, gateway=config.gateway.id)
    data = config.paths.data
    try:
        data.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"directory {data} cannot be made: {error.strerror}") from None
    lock = StoreLock(directory=data)
    lock.take()
    try:
        secrets = opened(sealed(source), passphrase(twice=False)) if arguments.with_secrets else None
        done = put_log(data / "log.db", source, gateway=config.gateway.id)
        _say(done.manifest, source)
        kept = [done.kept] if done.kept is not None else []
        if secrets is not None:
            owner = data.stat()
            kept += put(config, secrets, owner=(owner.st_uid, owner.st_gid))
        for path in kept:
            print(f"what was here is kept as {path}")
    finally:
        lock.release()
    missing = sorted(set(done.manifest.secrets) - set(names(config)))
    if missing:
        print(f"not here, and in use when the backup was made: {', '.join(missing)}", file=sys.stderr)
    print("start the agent: it goes on under a new epoch, and relays hand back what they know of the time between")
    return EX_OK


def _say(manifest: Manifest, source: Path) -> None:
    made = time.strftime("%Y-%m-%d %H:%M", time.gmtime(manifest.made // 1_000_000))
    print(f"{source}: {manifest.rows} rows of gateway {manifest.gateway} as of {made} UTC are in place")


def _place(config_file: Path, text: bytes) -> None:
    try:
        with config_file.open("xb") as file:
            file.write(text)
    except OSError as error:
        raise StoreError(f"{config_file} cannot be written: {error.strerror}") from None
    print(f"{config_file} is the one from the backup; look at its paths")


def bar(done: int, of: int) -> None:
    """How far it is, for a person; a program that reads along gets none."""
    if not sys.stderr.isatty() or not of:
        return
    full = _WIDE * done // of
    end = "\n" if done >= of else ""
    print(f"\r[{'#' * full}{'.' * (_WIDE - full)}] {100 * done // of:3d} %", end=end, file=sys.stderr, flush=True)
