"""A real receiver that verifies the signature itself: told once, told again after a refusal, told after a crash."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from relay.notify import pipeline
from relay.store import deliveries
from relay.store.schema import delivery, entry
from rules import events, wire
from tests.integration.relay_rig import Place, Running, common, inside, new_id, now, opened
from tests.integration.relay_rig import entry as made

KEY = b"a signing key of thirty-two byte"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def verified(headers: dict[str, str], body: bytes) -> bool:
    """Standard Webhooks as a receiver reads it."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(wanted, headers["webhook-signature"])


@dataclass
class Receiver:
    """An HTTP server of twenty lines. `answers` are used up one by one, then it says 204; an answer may be bytes."""

    port: int = 0
    answers: list[int | str] = field(default_factory=list)
    got: asyncio.Queue[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=asyncio.Queue)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                assert line.startswith(b"POST /hook ")
                headers: dict[str, str] = {}
                while (header := (await reader.readline()).decode().strip()) != "":
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers["content-length"]))
                assert verified(headers, body), "the signature does not fit"
                self.got.put_nowait((headers, json.loads(body)))
                answer = self.answers.pop(0) if self.answers else 204
                if answer == "hang up":
                    break
                more = "location: /elsewhere\r\n" if answer == 302 else ""
                writer.write(f"HTTP/1.1 {answer} x\r\n{more}content-length: 0\r\n\r\n".encode())
                await writer.drain()
        finally:
            writer.close()

    async def next(self, within: float = 5) -> tuple[dict[str, str], dict[str, Any]]:
        async with asyncio.timeout(within):
            return await self.got.get()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place.found(tmp_path)
    place.secret("desk-hook", SECRET)
    return place


def guarded(place: Place, receiver: Receiver, *, relay: str = "cloud-1", more: str = "") -> Path:
    lines = [
        "notify:",
        "  policies:",
        "    guards:",
        f'      - {{channel: webhook, name: desk, url: "http://127.0.0.1:{receiver.port}/hook", '
        "secret: {secret: desk-hook}}",
        more,
    ]
    return place.configure(relay=relay, more="\n".join(lines))


async def deliveries_of(relay: Running) -> list[Any]:
    assert relay.relay is not None
    async with relay.relay.db.read() as connection:
        return list(await connection.execute(select(delivery).order_by(delivery.c.created)))


async def settled(relay: Running, *states: str) -> list[Any]:
    """The deliveries, once all of them are in these states."""
    async with asyncio.timeout(10):
        while True:
            rows = await deliveries_of(relay)
            if rows and all(row.state in states for row in rows):
                return rows
            await asyncio.sleep(0.02)


async def tried(relay: Running) -> Any:
    """The one delivery, once an attempt has failed."""
    async with asyncio.timeout(10):
        while True:
            rows = await deliveries_of(relay)
            if rows and rows[0].last_error:
                return rows[0]
            await asyncio.sleep(0.02)


async def test_an_incident_is_told_once_and_the_telling_is_an_entry(place: Place, receiver: Receiver) -> None:
    async with inside(place, guarded(place, receiver)) as relay, relay.gateway() as gateway:
        first = opened(policy="guards")
        account = await gateway.deliver("P0", first)
        headers, document = await receiver.next()
        assert document["type"] == "incident.opened"
        data = document["data"]
        assert (data["incident"], data["title"], data["severity"]) == (first.incident, first.body["title"], "high")
        assert (data["site"], data["state"], data["possibly_repeated"]) == ("hq", "open", False)
        assert data["url"] == f"http://127.0.0.1:8080/incidents/{first.incident}"
        assert "still" not in data
        await gateway.post("P0", account.batch())
        [row] = await settled(relay, "sent")
        assert (row.id, row.attempts) == (headers["webhook-id"], 1)
        assert relay.relay is not None
        async with relay.relay.db.read() as connection:
            data_of = await connection.scalar(select(entry.c.data).where(entry.c.kind == "incident.notified"))
        assert data_of is not None
        notified = wire.entry(wire.read(data_of))
        assert notified.origin == "cloud-1"
        assert notified.body == {
            "channel": "webhook",
            "recipient": "desk",
            "state": "sent",
            "attempt": 1,
            "possibly_repeated": False,
        }
        async with gateway.channel() as socket:
            await socket.send(wire.Pull(after=0).text())
            assert json.loads(await socket.recv())["items"] == [data_of.decode()]
        assert receiver.got.empty()


async def test_a_picture_that_has_come_is_named(place: Place, receiver: Receiver) -> None:
    async with inside(place, guarded(place, receiver)) as relay, relay.gateway() as gateway:
        first = opened(policy="guards")
        still = new_id()
        await gateway.deliver(
            "P2",
            events.StillTaken(
                **common(),
                still=still,
                incident=first.incident,
                camera="cam",
                sha256="a" * 64,
                bytes=1,
                taken=now(),
                width=1,
                height=1,
            ),
        )
        await gateway.deliver("P0", first)
        _, document = await receiver.next()
        assert document["data"]["still"] == f"http://127.0.0.1:8080/stills/{still}.jpg"


async def test_a_refusal_is_tried_again_with_the_same_id(
    place: Place, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "FIRST_WAIT", 0.05)
    receiver.answers = [503, "hang up", 429]
    async with inside(place, guarded(place, receiver)) as relay, relay.gateway() as gateway:
        await gateway.deliver("P0", opened(policy="guards"))
        tries = [await receiver.next(10) for _ in range(4)]
        assert len({headers["webhook-id"] for headers, _ in tries}) == 1
        assert [document["data"]["attempt"] for _, document in tries] == [1, 2, 3, 4]
        # A 503 or a broken connection may have arrived all the same.
        assert [document["data"]["possibly_repeated"] for _, document in tries] == [False, True, True, True]
        [row] = await settled(relay, "sent")
        assert row.attempts == 4


async def test_redirects_are_not_followed(place: Place, receiver: Receiver) -> None:
    receiver.answers = [302]
    async with inside(place, guarded(place, receiver)) as relay, relay.gateway() as gateway:
        await gateway.deliver("P0", opened(policy="guards"))
        [row] = await settled(relay, "failed")
        assert "redirect" in row.reason
        assert receiver.got.qsize() == 1
        assert relay.relay is not None
        async with relay.relay.db.read() as connection:
            data = await connection.scalar(select(entry.c.data).where(entry.c.kind == "incident.notified"))
        assert data is not None
        assert wire.entry(wire.read(data)).body["state"] == "failed"


async def test_a_retry_outlives_the_process(place: Place) -> None:
    async with receiving() as closed:
        config = guarded(place, closed)
        port = closed.port
    async with inside(place, config) as relay, relay.gateway() as gateway:
        await gateway.deliver("P0", opened(policy="guards"))
        row = await tried(relay)
        assert row.state == "queued"
        assert "no connection" in row.last_error
    receiver = Receiver(port=port)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", port)
    async with server, inside(place, config):
        _, document = await receiver.next(10)
        assert document["data"]["attempt"] == 2
        assert document["data"]["possibly_repeated"] is False  # nobody was there to hear the first


async def test_a_crash_between_sending_and_marking_is_labelled(place: Place, receiver: Receiver) -> None:
    config = guarded(place, receiver)
    async with inside(place, config) as relay, relay.gateway() as gateway:
        await gateway.deliver("P0", opened(policy="guards"))
        first, _ = await receiver.next()
        await settled(relay, "sent")
        assert relay.relay is not None
        async with relay.relay.db.write() as connection:  # as the rows are when the mark was never made
            await connection.execute(update(delivery).values(state="sending", leased_until=now() + 60_000_000))
            await connection.execute(entry.delete().where(entry.c.kind == "incident.notified"))
    async with inside(place, config):
        again, document = await receiver.next()
        assert again["webhook-id"] == first["webhook-id"]
        assert document["data"]["possibly_repeated"] is True


async def test_old_news_is_told_together(place: Place, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.notify.stages.COLLECT", 200_000)
    hour_ago = now() - 3_600_000_000
    async with inside(place, guarded(place, receiver)) as relay, relay.gateway() as gateway:
        old = [opened(policy="guards", wall=hour_ago + n, title=f"Door {n}") for n in range(5)]
        await gateway.deliver("P0", *old, made("incident.resolved", old[0].incident, 2))
        _, document = await receiver.next()
        assert document["type"] == "incidents.digest"
        data = document["data"]
        assert (data["site"], data["count"]) == ("hq", 5)
        assert [one["title"] for one in data["incidents"]] == [f"Door {n}" for n in range(5)]
        assert data["incidents"][0]["state"] == "resolved"
        assert len(await settled(relay, "sent")) == 5
        assert receiver.got.empty()


async def test_news_that_somebody_acted_on_is_not_rung(place: Place, receiver: Receiver) -> None:
    async with inside(place, guarded(place, receiver)) as relay, relay.gateway() as gateway:
        first = opened(policy="guards")
        await gateway.deliver("P0", first, made("incident.acknowledged", first.incident, 2, origin="box-1"))
        [row] = await settled(relay, "unneeded")
        assert row.reason == "acknowledged by box-1 before it was sent"
        assert receiver.got.empty()


async def test_a_policy_nobody_configured_is_said(place: Place, receiver: Receiver) -> None:
    async with inside(place, guarded(place, receiver)) as relay, relay.gateway() as gateway:
        await gateway.deliver("P0", opened(policy="night-shift"))
        [row] = await settled(relay, "failed")
        assert "night-shift" in row.reason


async def test_the_box_stands_back_while_a_relay_that_keeps_copies_is_reached(
    place: Place, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.notify.stages.AGAIN", 100_000)
    (place.folder / "media").mkdir()
    config = guarded(place, receiver, relay="box-1", more="blobs: {directory: media, read_only: true}")
    async with inside(place, config) as relay, relay.local_gateway() as gateway, gateway.channel() as socket:
        assert relay.relay is not None

        async def beat(reachable: bool) -> None:
            state = wire.OutletState(reachable=reachable, keeps_copy=True, behind=0)
            with relay.relay.changes.subscribe() as watcher:  # type: ignore[union-attr]
                await socket.send(wire.Heartbeat(wall=now(), outlets={"cloud": state}).text())
                await watcher.next(5)

        await beat(True)
        first, second = opened(policy="guards"), opened(policy="guards")
        account = await gateway.deliver("P0", first, second)
        rows = await settled(relay, "held")
        assert {row.reason for row in rows} == {"left to cloud, which the gateway reaches"}
        told = made(
            "incident.notified", first.incident, 2, origin="cloud-1", channel="webhook", recipient="desk", state="sent"
        )
        account.add(told)
        await gateway.post("P0", account.batch(3))
        await beat(False)
        _, document = await receiver.next()
        assert document["data"]["incident"] == second.incident
        rows = await settled(relay, "sent", "unneeded")
        reasons = {row.incident: row.reason for row in rows}
        assert reasons[first.incident] == "desk was told by cloud-1"


async def test_the_most_severe_goes_first(place: Place, receiver: Receiver, tmp_path: Path) -> None:
    async with inside(place, guarded(place, receiver)) as relay, relay.gateway() as gateway:
        assert relay.relay is not None
        listed = [opened(policy="guards", severity=word) for word in ("low", "medium", "critical", "high")]
        await gateway.deliver("P0", *listed)
        await settled(relay, "sent")
        async with relay.relay.db.write() as connection:
            await connection.execute(update(delivery).values(state="queued", next_at=0))
            order = [one.incident for one in await deliveries.due(connection, now=now())]
            await connection.execute(update(delivery).values(state="sent"))
        assert order == [listed[n].incident for n in (2, 3, 1, 0)]


async def test_no_secret_is_written_anywhere(
    place: Place, receiver: Receiver, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver.answers = [500]
    async with inside(place, guarded(place, receiver)) as relay, relay.gateway() as gateway:
        await gateway.deliver("P0", opened(policy="guards"))
        await receiver.next()
    said = "".join(capfd.readouterr())
    stored = b"".join(path.read_bytes() for path in (tmp_path / "cloud-1-data").rglob("relay.db*"))
    for secret in (SECRET, SECRET.removeprefix("whsec_"), KEY.decode()):
        assert secret not in said
        assert secret.encode() not in stored
