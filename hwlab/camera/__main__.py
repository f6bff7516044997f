"""The camera process. Its first line on stdin says what to be, each further line what to do; every line is answered
with one line on stdout. It ends when stdin does, so it cannot outlive the lab."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import structlog

from hwlab.camera.rtsp import Server
from hwlab.camera.scene import DOOR_STATES, PLACES
from hwlab.camera.stream import MODES, Stream, StreamSpec

_NICE = 3  # pictures may wait; what the lab measures may not


def main() -> int:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    os.nice(_NICE)
    try:
        asyncio.run(_run())
    except KeyboardInterrupt:
        return 0
    return 0


async def _run() -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    first = await lines.readline()
    if not first:
        return
    servers = {spec["name"]: _server(spec) for spec in json.loads(first)["cameras"]}
    async with asyncio.TaskGroup() as group:
        pumps = [group.create_task(server.stream.run(), name=f"pump {name}") for name, server in servers.items()]
        for server in servers.values():
            await server.start()
        _say({"ready": {name: server.port for name, server in servers.items()}})
        while line := await lines.readline():
            order = json.loads(line)
            _say({"id": order["id"], **await _obey(servers, order)})
        for server in servers.values():
            await server.stop()
        for pump in pumps:
            pump.cancel()


def _server(spec: dict[str, Any]) -> Server:
    stream = Stream(
        spec=StreamSpec(name=spec["name"], title=spec["title"], height=spec["height"], fps=spec["fps"], gop=spec["gop"])
    )
    stream.open()
    return Server(stream=stream, users=spec["users"], port=spec["port"])


async def _obey(servers: dict[str, Server], order: dict[str, Any]) -> dict[str, Any]:
    server = servers.get(order.get("camera", ""))
    if server is None:
        return {"error": f"no camera {order.get('camera')!r}"}
    scene = server.stream.scene
    if "mode" in order:
        if order["mode"] not in MODES:
            return {"error": f"no mode {order['mode']!r}; there are {', '.join(MODES)}"}
        await server.set_mode(order["mode"])
    if "door" in order:
        if order["door"] not in DOOR_STATES:
            return {"error": f"a door is open or closed, not {order['door']!r}"}
        scene.door = order["door"]
    if "figure" in order:
        if order["figure"] not in PLACES:
            return {"error": f"a figure is {', '.join(PLACES)}, not {order['figure']!r}"}
        scene.figure = order["figure"]
    stream = server.stream
    seen = {"mode": stream.mode, "door": scene.door, "figure": scene.figure}
    return {**seen, "viewers": stream.viewers, "frames": stream.frames}


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
