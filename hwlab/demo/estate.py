"""What an installer would prepare: folders, a CA and its certificates, configurations, secrets, a site document."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from hwlab.building import AGENT, Building
from hwlab.errors import LabError
from hwlab.ports import free_port

GATEWAY, SITE, TENANT = "lobby", "headquarters", "demo"
PRE_ROLL, POST_ROLL = 10, 15  # seconds
SIREN = 20  # seconds
ROOT = str(Path(__file__).resolve().parents[2])
COMMAND = (sys.executable, "-m", "nightporter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """Where everything is."""

    directory: Path
    cloud_port: int
    gateway_port: int
    box_port: int
    webhook_port: int
    webhook_secret: str

    @property
    def agent_config(self) -> Path:
        """agent.yaml of the gateway."""
        return self.directory / "gateway" / "agent.yaml"

    @property
    def cloud(self) -> Path:
        """The cloud relay's folder."""
        return self.directory / "cloud"

    @property
    def box(self) -> Path:
        """The folder of the relay on the box."""
        return self.directory / "box"

    @property
    def log(self) -> Path:
        """The gateway's log."""
        return self.directory / "gateway" / "data" / "log.db"

    @property
    def blobs(self) -> Path:
        """The gateway's media, by name."""
        return self.directory / "gateway" / "media" / "blobs"


async def prepare(directory: Path, building: Building, *, port: int) -> Estate:
    """Make it all; what the product's commands refuse is a LabError with their words."""
    estate = Estate(
        directory=directory,
        cloud_port=port or free_port(),
        gateway_port=free_port(),
        box_port=free_port(),
        webhook_port=free_port(),
        webhook_secret="whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
    )
    for folder in ("gateway", "cloud", "box"):
        (directory / folder).mkdir(mode=0o750, exist_ok=True)
    await _certificates(directory)
    camera = building.camera()
    _write(estate.agent_config, _agent_yaml(estate, building))
    _write(directory / "gateway" / "site.yaml", _site_yaml(camera.url, camera.user))
    _write(estate.cloud / "relay.yaml", _cloud_yaml(estate))
    _write(estate.box / "relay.yaml", _box_yaml(estate))
    (estate.cloud / "secrets").mkdir(mode=0o700, exist_ok=True)
    _write(estate.cloud / "secrets" / "duty-desk", estate.webhook_secret, mode=0o600)
    config = ("--config", str(estate.agent_config))
    await command("agent", "secret", "set", "broker", *config, stdin=building.users[AGENT])
    await command("agent", "secret", "set", "camera-server-room", *config, stdin=camera.password)
    await command("agent", "check", "--site", str(directory / "gateway" / "site.yaml"), *config)
    await command("site", "import", str(directory / "gateway" / "site.yaml"), "--why", "demo", *config)
    return estate


async def _certificates(directory: Path) -> None:
    ca = directory / "ca"
    await command("certs", "init", "--dir", str(ca), "--trust-domain", "demo.example", "--no-passphrase")
    await command(
        "certs", "issue", "relay", "--dir", str(ca), "--name", "127.0.0.1", "--name", "localhost",
        "--out", str(directory / "cloud" / "identity"),
    )  # fmt: skip
    await command(
        "certs", "issue", "gateway", "--dir", str(ca), "--tenant", TENANT, "--site", SITE, "--id", GATEWAY,
        "--out", str(directory / "gateway" / "identity" / "cloud"),
    )  # fmt: skip


async def command(*words: str, stdin: str = "") -> str:
    """Run one of the product's commands to its end; LabError with what it said when it fails."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (ROOT, os.environ.get("PYTHONPATH"))))},
    )
    out, err = await process.communicate(stdin.encode())
    if process.returncode:
        said = (err or out).decode(errors="replace").strip()
        raise LabError(f"`nightporter {' '.join(words[:2])}` ended with {process.returncode}: {said}")
    return out.decode(errors="replace")


def _write(path: Path, text: str, *, mode: int = 0o640) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def _quote(value: object) -> str:
    return json.dumps(str(value))


def _agent_yaml(estate: Estate, building: Building) -> str:
    socket = estate.box / "gateway.sock"
    return _lines(
        f"gateway: {{tenant: {TENANT}, site: {SITE}, id: {GATEWAY}}}",
        "paths: {data: data, media: media, secrets: secrets, run: run}",
        "broker:",
        f"  host: {building.broker.host}",
        f"  port: {building.broker.port}",
        f"  user: {AGENT}",
        "  password: {secret: broker}",
        "outlets:",
        f'  - {{name: cloud, url: "https://127.0.0.1:{estate.gateway_port}", identity: identity/cloud}}',
        f"  - {{name: box, socket: {_quote(socket.resolve())}, keeps_copy: false}}",
    )


def _site_yaml(url: str, user: str) -> str:
    siren = '{topic: building/siren-1/set, "on": \'{"state":"ON"}\', "off": \'{"state":"OFF"}\'}'
    return _lines(
        f"site: {{id: {SITE}, name: Headquarters, timezone: Europe/Zurich}}",
        "devices:",
        "  - id: server-room-door",
        "    name: Server room door",
        "    type: contact",
        "    mqtt: {topic: building/server-room-door, field: contact, open: false, closed: true}",
        "  - id: siren-1",
        "    name: Corridor siren",
        "    type: siren",
        f'    mqtt: {{topic: building/siren-1, field: state, "on": "ON", "off": "OFF", command: {siren}}}',
        "  - id: server-room-temp",
        "    name: Server room temperature",
        "    type: temperature",
        "    mqtt: {topic: building/server-room-temp, field: temperature}",
        "  - id: server-room",
        "    name: Server room corridor",
        "    type: camera",
        f"    rtsp: {{url: {_quote(url)}, user: {user}, password: {{secret: camera-server-room}}}}",
        "partitions:",
        "  # Disarmed, as by day: the rule below is what rings.",
        "  - id: server-wing",
        "    name: Server wing",
        "    sirens: [siren-1]",
        f"    siren_for: {SIREN}s",
        "    cameras: [server-room]",
        "    policy: guards",
        "zones:",
        "  - {id: server-room-entry, name: Server room, device: server-room-door, type: entry_exit,"
        " partition: server-wing}",
        "people:",
        "  # A code is made with `nightporter agent code`; the simulated building has no keypad to type one at.",
        "  - {id: ada, name: Ada Lane, level: 3}",
        "schedules:",
        "  # In the demo it is always after hours; a building says for example from 19:00 to 06:30.",
        '  after-hours: {weekly: [{days: [mon-sun], from: "00:00", to: "24:00"}]}',
        "rules:",
        "  - id: server-room-after-hours",
        "    name: Server room opened after hours",
        "    when: {event: contact.opened, device: server-room-door}",
        "    if:",
        "      - {schedule: after-hours}",
        "    then:",
        # Every night is an incident of its own here: without it a second play within five minutes would join the first.
        '      - open_incident: {severity: high, title: "{{ device.name }} opened after hours", group: 0s}',
        f"      - save_clip: {{cameras: [server-room], pre: {PRE_ROLL}s, post: {POST_ROLL}s}}",
        f'      - command: {{device: siren-1, set: "on", for: {SIREN}s}}',
        "      - notify: {policy: guards}",
    )


def _cloud_yaml(estate: Estate) -> str:
    return _lines(
        "relay: {id: cloud, name: Operations centre}",
        "data: data",
        "listeners:",
        "  gateways:",
        f"    - {{host: 127.0.0.1, port: {estate.gateway_port}, identity: identity, trust_domain: demo.example}}",
        f'  people: {{host: 127.0.0.1, port: {estate.cloud_port}, public_url: "http://127.0.0.1:{estate.cloud_port}"}}',
        "notify:",
        "  policies:",
        "    guards:",
        "      - channel: webhook",
        "        name: duty-desk",
        f'        url: "http://127.0.0.1:{estate.webhook_port}/incidents"',
        "        secret: {secret: duty-desk}",
    )


def _box_yaml(estate: Estate) -> str:
    return _lines(
        "relay: {id: box, name: Lobby gateway}",
        "data: data",
        "listeners:",
        "  gateways:",
        "    - socket: gateway.sock",
        f"      uid: [{os.getuid()}]",
        f"      gateway: {{tenant: {TENANT}, site: {SITE}, id: {GATEWAY}}}",
        f"  people: {{host: 127.0.0.1, port: {estate.box_port}}}",
        f"blobs: {{directory: {_quote(estate.blobs.resolve())}, read_only: true}}",
    )
