"""The running lab's control socket: NDJSON on a Unix socket in its folder; a second command plays a scenario by it.

`{"play": {"text": ..., "file": ...}}` is answered by one line a step, `{"status": true}` by one line.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hwlab import scenario
from hwlab.building import Building
from hwlab.errors import LabError, NotReady
from hwlab.play import Mark, play

SOCKET = "lab.sock"
_LONGEST_LINE = 1 << 20


@asynccontextmanager
async def _short_path(directory: Path) -> AsyncIterator[str]:
    """A name for the socket that fits the 107 bytes of a socket address however deep the folder is."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET}"
    finally:
        os.close(handle)


@asynccontextmanager
async def serve(building: Building) -> AsyncIterator[None]:
    """Answer on the building's control socket (mode 0600) while the context lasts."""
    path = building.directory / SOCKET
    path.unlink(missing_ok=True)
    playing = asyncio.Lock()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            await _answer(building, playing, json.loads(line), writer)
        except LabError as error:
            _say(writer, {"error": str(error)})
        except (ValueError, TypeError, KeyError):
            _say(writer, {"error": "this is not a request the lab knows"})
        except ConnectionError:
            return  # whoever asked is gone; a scenario that was playing for them ended with it
        finally:
            writer.close()

    async with _short_path(building.directory) as short:
        mask = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(answer, short, limit=_LONGEST_LINE)
        finally:
            os.umask(mask)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


async def _answer(
    building: Building, playing: asyncio.Lock, request: dict[str, Any], writer: asyncio.StreamWriter
) -> None:
    if "play" in request:
        chosen = scenario.parse(request["play"]["text"], file=request["play"]["file"])
        if playing.locked():
            raise LabError("another scenario is playing; wait until it has ended")

        def hook(name: str) -> Any:
            return lambda argument: _say(writer, {"please": name, "argument": argument})

        async with playing:
            marks = await play(
                chosen,
                building=building,
                hooks={name: hook(name) for name in chosen.hooks},
                observer=lambda mark: _say(writer, _step(mark)),
            )
        _say(writer, {"done": True, "steps": len(marks)})
    else:
        _say(
            writer,
            {"broker": building.broker.kind, "running": building.broker.running, "devices": list(building.devices)},
        )
    await writer.drain()


def _step(mark: Mark) -> dict[str, Any]:
    return {"at": mark.at, "wall": mark.wall, "boot": mark.boot, "say": mark.step.say, "expect": mark.step.expect}


def _say(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    if writer.is_closing():
        raise ConnectionError("the control connection is closed")
    writer.write(json.dumps(message).encode() + b"\n")


async def ask(directory: Path, request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Send one request to the lab that runs in a folder and yield its answers; NotReady when none runs there."""
    try:
        async with _short_path(directory) as short:
            reader, writer = await asyncio.open_unix_connection(short, limit=_LONGEST_LINE)
    except OSError:
        raise NotReady(f"no lab runs in {directory}; start one with: nightporter lab up --dir {directory}") from None
    try:
        writer.write(json.dumps(request).encode() + b"\n")
        while line := await reader.readline():
            yield json.loads(line)
    finally:
        writer.close()
