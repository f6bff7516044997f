"""`agent bundle write | receipt`: what waits for an outlet without a network, carried by hand."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from agent.cli import EX_FOUND, EX_OK
from agent.cli.backup import bar
from agent.config.load import load_config
from agent.config.model import AgentConfig
from agent.config.outlets import OutletConfig
from agent.config.quantities import size
from agent.errors import ConfigError
from agent.outlets.bundle.mailbox import Mailbox, returned, written


def bundle(arguments: argparse.Namespace) -> int:
    """Write a bundle, or take a receipt in."""
    config = load_config(Path(arguments.config))
    outlet = _outlet(config, arguments.outlet)
    mailbox = Mailbox(data=config.paths.data)
    mailbox.prepare()
    if arguments.action == "write":
        if arguments.to is None:
            raise ConfigError("say where the bundle is put: --to /media/usb")
        return _write(config, outlet, mailbox, Path(arguments.to), _limit(arguments.limit))
    if arguments.file is None:
        raise ConfigError("say which receipt came back: nightporter agent bundle receipt FILE")
    return _receipt(config, outlet, mailbox, Path(arguments.file))


def _outlet(config: AgentConfig, name: str | None) -> OutletConfig:
    having = [outlet for outlet in config.outlets if outlet.bundle is not None]
    names = ", ".join(outlet.name for outlet in having)
    if not having:
        raise ConfigError("no outlet in agent.yaml is carried by hand: give one `bundle`, as in packaging/agent.yaml")
    if name is None and len(having) > 1:
        raise ConfigError(f"say which outlet with --outlet: {names}")
    for outlet in having:
        if name in (None, outlet.name):
            return outlet
    raise ConfigError(f"no outlet called {name} is carried by hand; there is {names}")


def _limit(text: str) -> int:
    try:
        return size(text)
    except ValueError as error:
        raise ConfigError(f"--limit: {error}") from None


def _write(config: AgentConfig, outlet: OutletConfig, mailbox: Mailbox, folder: Path, limit: int) -> int:
    from agent.outlets.bundle.writer import write

    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder: is the medium in its place?")
    made = asyncio.run(write(config, outlet, folder, limit=limit, told=bar))
    if made is None:
        print(f"nothing waits for outlet {outlet.name}: it has given a receipt for all there is")
        return EX_OK
    note = {"name": made.path.name, "sha256": made.sha256, "records": made.records, "blobs": made.blobs}
    mailbox.lay(written(outlet.name, made.path.name), json.dumps(note).encode())
    print(f"{made.path}: {made.records} records and {made.blobs} recordings, for the relay alone")
    print(f"SHA-256 {made.sha256}")
    print(f"Carry it to the relay, then: nightporter relay bundle import {made.path.name}")
    if made.left:
        print(f"{made.left} recordings are not in it: they did not fit, or are not on the disk here")
        return EX_FOUND
    return EX_OK


def _receipt(config: AgentConfig, outlet: OutletConfig, mailbox: Mailbox, path: Path) -> int:
    from agent.outlets.bundle import receipt as receipts

    try:
        if path.stat().st_size > receipts.MOST_BYTES:
            raise ConfigError(f"{path} is too large to be a receipt")
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    read = receipts.read(content, outlet=outlet, gateway=config.gateway.id)
    mailbox.lay(returned(outlet.name, read.name), content)
    print(f"{path}: relay {read.relay} holds the records of {read.name} and {len(read.blobs)} recordings")
    print("The agent takes it up within a few seconds, or at its next start.")
    return EX_OK
