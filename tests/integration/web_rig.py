"""A relay's inside for the tests of its pages: a real database, real ingest, a gateway that sends real records."""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import uvicorn
from sqlalchemy import insert, update
from starlette.applications import Starlette

from relay.access import people
from relay.access.passwords import Passwords
from relay.access.people import Person
from relay.blobs.directory import BlobDirectory
from relay.changes import Changes
from relay.config import Blobs, Config, Listeners, LocalGateway, RelayIdentity, SocketGateways
from relay.config import People as PeopleListener
from relay.context import RelayContext
from relay.hub import Hub, Stream
from relay.incidents import Incidents
from relay.ingest import Ingest
from relay.peer import Peer
from relay.store import media
from relay.store.database import Database
from relay.store.schema import delivery, gateway, notice
from relay.web import routes
from relay.web.console import Console
from rules import events, ids, wire
from rules.events import Event
from rules.incidents import Entry
from tests.integration.web_clip import Footage

SECOND = 1_000_000
PASSPHRASE = "four quiet words here"


class HandClock:
    """Wall time that can be moved; it starts at the present and goes on by itself unless `frozen`."""

    def __init__(self) -> None:
        self.ahead = 0
        self.frozen: int | None = None

    def wall(self) -> int:
        return self.frozen if self.frozen is not None else time.time_ns() // 1000 + self.ahead

    def boot(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def identity() -> str:
    return str(uuid4())


@dataclass(kw_only=True)
class Rig:
    """What a test holds: the context, the application, and how to make people and gateways."""

    context: RelayContext
    app: Starlette
    ingest: Ingest
    clock: HandClock
    passwords: Passwords

    @property
    def console(self) -> Console:
        """What the pages share, as the application holds it."""
        found = self.app.state.console
        assert isinstance(found, Console)
        return found

    async def person(self, name: str, role: str, display: str = "") -> Person:
        hashed = await self.passwords.hash(PASSPHRASE)
        async with self.context.db.write() as connection:
            return await people.add(
                connection,
                id=identity(),
                name=name,
                display=display or name.capitalize(),
                role=role,
                password_hash=hashed,
                now=self.clock.wall(),
            )

    def building(self, name: str = "gw-1", site: str = "lobby") -> Building:
        return Building(rig=self, peer=Peer(tenant="main", site=site, gateway=name))


@dataclass(kw_only=True)
class Building:
    """A gateway: sends facts through ingest, and blobs into the relay's folder."""

    rig: Rig
    peer: Peer
    epoch: str = field(default_factory=identity)
    _marks: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    _lamports: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def send(self, *facts: Event | Entry) -> None:
        lanes: dict[str, list[bytes]] = defaultdict(list)
        for fact in facts:
            lanes["P0" if isinstance(fact, Entry) else str(fact.lane)].append(wire.encode(fact))
        for lane, lines in lanes.items():
            start = wire.chain_start(self.peer.gateway, self.epoch, lane)
            seq, chain = self._marks.get(lane, (0, start))
            header = wire.Header(
                gateway=self.peer.gateway, epoch=self.epoch, lane=lane, first=seq + 1, prev=chain.hex()  # type: ignore[arg-type]
            )
            answer = await self.rig.ingest.take(self.peer, wire.read_batch(wire.write_batch(header, lines)))
            assert isinstance(answer, wire.Ack), answer
            assert not answer.quarantined, answer.quarantined
            self._marks[lane] = (answer.seq, bytes.fromhex(answer.chain))

    def common(self, wall: int | None = None) -> dict[str, Any]:
        now = self.rig.clock.wall() if wall is None else wall
        return {"id": ids.time_ordered(wall=now, random=uuid4().bytes[:10]), "gt": now, "wall": now}

    def entry(self, kind: str, incident: str, *, wall: int | None = None, by: str = "", **body: Any) -> Entry:
        self._lamports[incident] += 1
        values = self.common(wall)
        return Entry(
            **values,
            kind=kind,
            incident=incident,
            lamport=self._lamports[incident],
            origin=self.peer.gateway,
            by=by or self.peer.gateway,
            body=body,
        )

    async def break_in(
        self,
        *,
        title: str = "Server room door opened after hours",
        severity: str = "high",
        device: str = "server-room-door",
        wall: int | None = None,
        rule: str = "server-room-after-hours",
    ) -> str:
        """A door opens, the siren sounds, an incident opens; returns the incident's id."""
        opened = events.ContactOpened(**self.common(wall), device=device)
        incident = ids.derived(opened.id, rule, 0)
        after: dict[str, Any] = {"wall": opened.wall + 3_000, "gt": opened.gt + 3_000, "id": identity()}
        told = events.EffectCommanded(**after, action=identity(), device="siren-1", value="on", rule=rule)
        later: dict[str, Any] = {"wall": opened.wall + 46_000, "gt": opened.gt + 46_000, "id": identity()}
        sounds = events.OutputReported(**later, device="siren-1", on=True)
        entry = self.entry(
            "incident.opened", incident, wall=opened.wall + 2_000, title=title, severity=severity, rule=rule,
            policy="guards", device=device, trigger=opened.id,
        )
        await self.send(opened, told, sounds, entry)
        return incident

    async def silence_reported(self, device: str = "siren-1") -> None:
        await self.send(events.OutputReported(**self.common(), device=device, on=False))

    # --- pictures -----------------------------------------------------------------------------------------------

    async def blob(self, data: bytes) -> str:
        """The bytes arrive whole."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.rig.context.blobs.path(self.peer.tenant, sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        async with self.rig.context.db.read() as connection:
            touched = await media.blob_arrived(connection, gateway=self.peer.gateway, sha256=sha256)
        self.rig.context.changes.publish(incidents=touched.incidents, clips=touched.clips)
        return sha256

    async def still(self, incident: str, footage: Footage, *, wall: int, camera: str = "server-room") -> str:
        taken = events.StillTaken(
            **self.common(), still=identity(), incident=incident, camera=camera,
            sha256=hashlib.sha256(footage.still).hexdigest(), bytes=len(footage.still), taken=wall,
            width=footage.width, height=footage.height,
        )
        seen = {"still": taken.still, "camera": camera}
        await self.send(self.entry("incident.evidence", incident, wall=wall + 180_000, evidence=seen), taken)
        await self.blob(footage.still)
        return taken.still

    async def clip(
        self,
        incident: str,
        footage: Footage,
        *,
        wall: int,
        event: float = 2.5,
        pre: float = 2.2,
        post: float = 3.0,
        camera: str = "server-room",
    ) -> Recording:
        """A clip opens whose first frame was at `wall`; segments are added by the recording."""
        mark = footage.origin + round(event * SECOND)
        opened = events.ClipOpened(
            **self.common(), clip=identity(), incident=incident, camera=camera, trigger=wall + round(event * SECOND),
            pre=round(pre * SECOND), post=round(post * SECOND), start=mark - round(pre * SECOND), mark=mark,
            width=footage.width, height=footage.height,
        )
        seen = {"clip": opened.clip, "camera": camera}
        at = wall + round(event * SECOND) + 60_000
        await self.send(self.entry("incident.evidence", incident, wall=at, evidence=seen), opened)
        return Recording(
            building=self, clip=opened.clip, camera=camera, footage=footage, wall=wall, origin=footage.origin
        )


@dataclass(kw_only=True)
class Recording:
    """A clip that grows."""

    building: Building
    clip: str
    camera: str
    footage: Footage
    wall: int
    origin: int
    added: int = 0

    async def announce(self, n: int, *, part: int = 0) -> None:
        """The record of a segment, without its bytes."""
        piece = self.footage.pieces[n]
        await self.building.send(
            events.SegmentAdded(
                **self.building.common(), clip=self.clip, camera=self.camera, n=self.added, part=part,
                init=self.footage.init_sha256, init_bytes=len(self.footage.init), sha256=piece.sha256,
                bytes=len(piece.data), start=self.footage.origin + piece.at, duration=piece.duration,
                wall_start=self.wall + self.footage.origin - self.origin + piece.at, codec=self.footage.codec,
            )
        )
        self.added += 1

    async def arrive(self, n: int) -> None:
        """The bytes of a segment."""
        await self.building.blob(self.footage.init)
        await self.building.blob(self.footage.pieces[n].data)

    async def add(self, *numbers: int) -> None:
        """Records and bytes of these segments."""
        for n in numbers:
            await self.announce(n)
            await self.arrive(n)

    async def seal(self, reason: str = "complete", end: float = 5.5) -> None:
        await self.building.send(
            events.ClipSealed(
                **self.building.common(), clip=self.clip, camera=self.camera,
                end=self.footage.origin + round(end * SECOND), segments=self.added, reason=reason,  # type: ignore[arg-type]
            )
        )


async def deliver(
    rig: Rig,
    incident: str,
    *,
    state: str,
    recipient: str,
    wall: int,
    attempts: int = 1,
    reason: str = "",
    error: str = "",
) -> None:
    """A delivery row, as the notifier leaves it."""
    async with rig.context.db.write() as connection:
        known = identity()
        await connection.execute(
            insert(notice).values(id=known, incident=incident, transition="opened", created=wall, routed=wall)
        )
        await connection.execute(
            insert(delivery).values(
                id=identity(), notice=known, incident=incident, policy="guards", channel="webhook",
                recipient=recipient, rank=1, state=state, attempts=attempts, created=wall, next_at=wall + 30 * SECOND,
                finished=wall + 84_000 if state == "sent" else None, reason=reason, last_error=error,
            )
        )


async def heard(rig: Rig, name: str, *, wall: int, outlets: str = "{}", software: str = "nightporter 0.1.0") -> None:
    """When a gateway was last heard, as its heartbeat leaves it."""
    async with rig.context.db.write() as connection:
        values = {"last_seen": wall, "outlets": outlets, "software": software}
        await connection.execute(update(gateway).where(gateway.c.id == name).values(**values))


def connect(rig: Rig, name: str) -> Stream:
    """The gateway's channel is open."""
    stream = Stream(gateway=name)
    rig.context.hub.enter(stream)
    return stream


@asynccontextmanager
async def rigged(
    folder: Path, *, name: str = "Cloud relay", zone: str = "UTC", on_site: bool = False
) -> AsyncIterator[Rig]:
    """A relay's inside in a folder of its own; `on_site`: it stands in the building."""
    config = Config(
        relay=RelayIdentity(id="cloud", name=name, on_site=on_site),
        data=folder,
        listeners=Listeners(
            gateways=[
                SocketGateways(
                    socket=folder / "gw.sock", uid=[0], gateway=LocalGateway(tenant="main", site="lobby", id="gw-1")
                )
            ],
            people=PeopleListener(port=0),
        ),
        blobs=Blobs(floor=0),
    )
    clock = HandClock()
    db = Database(url=config.database_url)
    await db.open()
    changes = Changes()
    hub = Hub(db=db, changes=changes, clock=clock)
    incidents = Incidents(relay="cloud", db=db, changes=changes, hub=hub, clock=clock)
    blobs = BlobDirectory(root=config.blobs_directory, read_only=False, floor=0)
    blobs.prepare()
    context = RelayContext(
        config=config, db=db, blobs=blobs, changes=changes, incidents=incidents, clock=clock, hub=hub
    )
    ingest = Ingest(relay="cloud", own_policy=None, db=db, incidents=incidents, changes=changes, clock=clock)
    passwords = Passwords(rounds=1, memory=64)  # cheap: what is tested is the pages, not the price of a guess
    app = routes.build(context, passwords=passwords, zone=zone)
    try:
        yield Rig(context=context, app=app, ingest=ingest, clock=clock, passwords=passwords)
    finally:
        changes.close()
        await db.close()


BASE = "http://relay.test"


@asynccontextmanager
async def visitor(rig: Rig, *, base: str = BASE, address: str = "192.0.2.7") -> AsyncIterator[httpx.AsyncClient]:
    """A browser without script: keeps cookies, says where its forms come from."""
    transport = httpx.ASGITransport(app=rig.app, client=(address, 40_000))
    async with httpx.AsyncClient(transport=transport, base_url=base, headers={"Origin": base}) as client:
        yield client


async def sign_in(client: httpx.AsyncClient, name: str, passphrase: str = PASSPHRASE) -> httpx.Response:
    """Fill in the form."""
    return await client.post("/sign-in", data={"name": name, "passphrase": passphrase})


@asynccontextmanager
async def as_role(rig: Rig, role: str) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody of a role, signed in."""
    async with visitor(rig) as client:
        person = await rig.person(f"{role}-{identity()[:8]}", role)
        answer = await sign_in(client, person.name)
        assert answer.status_code == 303, answer.text
        yield client


async def press(client: httpx.AsyncClient, address: str, **fields: str) -> httpx.Response:
    """Send a form as a page does: with the token of this session."""
    token = re.search(r'name="form_token" value="([^"]+)"', (await client.get("/account")).text)
    assert token is not None
    return await client.post(address, data={"form_token": token[1], **fields})


async def until(true: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for something that happens elsewhere."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def served(rig: Rig) -> AsyncIterator[str]:
    """The application on a free port of this machine; its address."""
    config = uvicorn.Config(rig.app, log_config=None, timeout_graceful_shutdown=2, lifespan="off")
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[assignment, method-assign]  # signals are the test runner's
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listener]), name="people")
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                rig.context.changes.close()
                server.should_exit = True
