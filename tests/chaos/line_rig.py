"""A gateway and a cloud relay as processes, mutual TLS between them over a line that a test may spoil, sensors that
talk on one side and a duty desk on the other."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import secrets
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from certs import profiles
from certs.identity import Identity
from hwlab.broker import Broker
from hwlab.check import Report, check
from hwlab.child import Child
from hwlab.demo.desk import Desk
from hwlab.journal import Journal
from hwlab.ports import free_port
from tests.chaos.building_rig import Building, building
from tests.chaos.netns import Cable
from tests.integration.agent_process import GATEWAY, SITE, USERS, Agent, notifications
from tests.integration.relay_rig import TRUST_DOMAIN, Place

ROOT = Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
TOLD_SITE = SITE + "      - notify: {policy: guards}\n"
IDENTITY = Identity(trust_domain=TRUST_DOMAIN, tenant="demo", site="house", gateway=GATEWAY)


def cpu(pid: int) -> float:
    """Seconds of processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int) -> int:
    """Bytes of memory a process has resident."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class RelayProcess:
    """`nightporter relay run` in a folder with its own CA; `start` returns at READY. `before` stands before the
    program, as `ip netns exec` does."""

    def __init__(
        self,
        *,
        place: Place,
        desk_port: int = 0,
        host: str = "127.0.0.1",
        before: list[str] | None = None,
        identity: str = "relay-identity",
    ) -> None:
        self.place = place
        self.host = host
        self.port, self.people_port = free_port(), free_port()
        self.webhook = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        self.config = place.folder / "relay.yaml"
        self._before = before or []
        self._child: Child | None = None
        place.secret("duty-desk", self.webhook)
        self.config.write_text(
            "relay: {id: cloud, name: Operations centre}\n"
            "data: relay-data\n"
            "listeners:\n"
            "  gateways:\n"
            f"    - {{host: {host}, port: {self.port}, identity: {identity}, trust_domain: {TRUST_DOMAIN}}}\n"
            f"  people: {{host: 127.0.0.1, port: {self.people_port}}}\n"
            "notify:\n"
            "  policies:\n"
            "    guards:\n"
            f'      - {{channel: webhook, name: desk, url: "http://127.0.0.1:{desk_port}/", secret: '
            "{secret: duty-desk}}\n"
        )

    @property
    def database(self) -> Path:
        return self.place.folder / "relay-data" / "relay.db"

    @property
    def log_file(self) -> Path:
        return self.place.folder / "relay.log"

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def child(self) -> Child:
        assert self._child is not None, "the relay was not started"
        return self._child

    async def start(self, *, failpoint: str = "", program: list[str] | None = None) -> None:
        words = program or [sys.executable, "-m", "nightporter", "relay", "run"]
        argv = [*self._before, *words, "--config", str(self.config)]
        self._child = Child(name="relay", argv=argv, log_file=self.log_file)
        with notifications() as (address, channel):
            await self._child.start(
                {"NOTIFY_SOCKET": address, "NIGHTPORTER_FAILPOINT": failpoint, "PYTHONPATH": str(ROOT)}
            )
            ended = asyncio.ensure_future(self._child.wait())
            ready = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(channel, 4096))
            try:
                await asyncio.wait({ended, ready}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
                assert ready.done() or failpoint, f"the relay is not ready:\n{self._child.tail(30)}"
            finally:
                ready.cancel()
                ended.cancel()

    async def kill(self) -> None:
        if self._child is not None:
            await self._child.kill()

    async def stop(self) -> int:
        await self.child().stop(grace=15)
        return self.child().returncode or 0

    async def died(self, *, seconds: float) -> bool:
        """Whether it killed itself at its fail-point in time."""
        try:
            async with asyncio.timeout(seconds):
                await self.child().wait()
        except TimeoutError:
            return False
        return True

    async def begin(self, *words: str) -> asyncio.subprocess.Process:
        """Start `nightporter relay WORDS`."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "nightporter", "relay", words[0], "--config", str(self.config), *words[1:]),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def verb(self, *words: str) -> str:
        """Run `nightporter relay WORDS`; what it printed."""
        process = await self.begin(*words)
        out, _ = await process.communicate()
        assert process.returncode == 0, out.decode()
        return out.decode()

    def query(self, sql: str, *parameters: Any) -> list[Any]:
        """Rows of its database; a single column comes as a plain list."""
        if not self.database.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=5)) as connection:
            found = connection.execute(sql, parameters).fetchall()
        return [row[0] if len(row) == 1 else row for row in found]


@dataclass(kw_only=True)
class Line:
    """Everything that runs. `desk` is the journal of what people were told."""

    folder: Path
    agent: Agent
    relay: RelayProcess
    building: Building
    desk: Path
    told: list[dict[str, Any]] = field(default_factory=list)

    async def live(self, program: list[str] | None = None) -> None:
        """Start the agent, and wait until the broker keeps its messages for it."""
        await self.agent.start(program=program)
        await self.agent.until(lambda: "broker.connected" in self.agent.log_file.read_text())

    def heads(self) -> dict[str, int]:
        """The last seq of each lane at the gateway."""
        rows = self.agent.query(
            "SELECT lane, max(seq) FROM log WHERE lane IS NOT NULL AND"
            " epoch = (SELECT value FROM meta WHERE name = 'epoch') GROUP BY lane"
        )
        return dict(rows)

    def marks(self) -> dict[str, int]:
        """How far the relay has each lane of the gateway's current epoch."""
        rows = self.relay.query(
            "SELECT lane, seq FROM lane JOIN gateway ON gateway.id = lane.gateway"
            " WHERE lane.gateway = ? AND lane.epoch = gateway.epoch",
            GATEWAY,
        )
        return dict(rows)

    async def converged(self, *, seconds: float = 60.0) -> None:
        """Wait until the relay has all the gateway has."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            heads, marks = self.heads(), self.marks()
            if heads and heads == marks:
                return
            assert asyncio.get_running_loop().time() < end, (
                f"the gateway has {heads}, the relay {marks}\n{self.agent.tail()}\n{self.relay.child().tail(30)}"
            )
            await asyncio.sleep(0.1)

    async def until(self, condition: Callable[[], object], *, what: str, seconds: float = 30.0) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while not condition():
            assert asyncio.get_running_loop().time() < end, f"{what} did not come\n{self.relay.child().tail(20)}"
            await asyncio.sleep(0.05)

    def judge(self) -> Report:
        """What the checker says of journal, gateway and relay; the relay has all."""
        return check(
            gateway=GATEWAY, journal=self.building.journal, agent=self.agent.database, relay=self.relay.database
        )

    def rung(self) -> dict[str, list[bool]]:
        """Incident -> for each time people were told that it opened: whether that said it may be a repeat."""
        found: dict[str, list[bool]] = {}
        for message in self.told:
            if message["type"] not in ("incident.opened", "incidents.digest"):
                continue
            for news in message["data"].get("incidents", [message["data"]]):
                found.setdefault(news["incident"], []).append(news["possibly_repeated"])
        return found


@contextlib.asynccontextmanager
async def line(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    far: Cable | None = None,
    before: list[str] | None = None,
) -> AsyncIterator[Line]:
    """A broker, sensors (silent yet), a desk, an agent and a relay, neither started. The agent dials `host` and `port`,
    by default the relay's own; with `far` the relay is at the far end of that cable. `before` stands before the agent's
    program."""
    async with Broker(directory=folder / "broker", users=USERS, kind="nats") as broker:
        (folder / "cloud").mkdir()
        place = Place.found(folder / "cloud")
        there = "127.0.0.1" if far is None else far.there
        place.issue("line-identity", profiles.relay(tuple({"127.0.0.1", there, host})))
        desk_port = free_port()
        relay = RelayProcess(
            place=place, desk_port=desk_port, host=there, before=far.inside if far else None, identity="line-identity"
        )
        agent = Agent(folder=folder / "agent", port=broker.port, site=TOLD_SITE, command=before)
        identity = place.issue("gateway-identity", profiles.gateway(IDENTITY))
        outlet(agent, host if far is None else there, port or relay.port, identity)
        journal = Journal(path=folder / "desk.jsonl")
        journal.open()
        async with building(folder, broker) as talking:
            made = Line(folder=folder, agent=agent, relay=relay, building=talking, desk=journal.path)
            desk = Desk(
                port=desk_port, secret=relay.webhook, told=lambda _, what: made.told.append(what), journal=journal
            )
            serving = asyncio.create_task(desk.run(), name="desk")
            try:
                yield made
            finally:
                serving.cancel()
                await asyncio.wait([serving])
                if agent.pid is not None:
                    await agent.kill()
                await relay.kill()
                journal.close()


def outlet(agent: Agent, host: str, port: int, identity: Path) -> None:
    """Give the agent its outlet `cloud`."""
    config = agent.folder / "agent.yaml"
    config.write_text(
        config.read_text() + f'outlets:\n  - {{name: cloud, url: "https://{host}:{port}", identity: "{identity}"}}\n'
    )
