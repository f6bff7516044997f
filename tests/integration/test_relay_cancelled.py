"""What is told of an alarm that was cancelled, and of a secret one: a real receiver, a real relay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from relay.store.schema import entry as entry_table
from rules import wire
from tests.integration.relay_rig import Place, Running, entry, inside, new_id, opened
from tests.integration.test_relay_notify import SECRET, Receiver, deliveries_of, guarded, receiving, settled


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place.found(tmp_path)
    place.secret("desk-hook", SECRET)
    return place


def standing(place: Place, receiver: Receiver, *, on_site: bool) -> Path:
    path = guarded(place, receiver)
    word = "true" if on_site else "false"
    path.write_text(path.read_text().replace("name: Night desk}", f"name: Night desk, on_site: {word}}}"))
    return path


async def test_whoever_was_told_of_the_alarm_is_told_that_it_was_cancelled(place: Place, receiver: Receiver) -> None:
    async with inside(place, guarded(place, receiver)) as relay, relay.gateway() as gateway:
        first = opened(policy="guards")
        account = await gateway.deliver("P0", first)
        assert (await receiver.next())[1]["type"] == "incident.opened"
        await settled(relay, "sent")
        assert relay.relay is not None
        await relay.relay.incidents.act(incident=first.incident, kind="acknowledged", by="Dana")
        account.add(entry("incident.cancelled", first.incident, 2, note="Disarmed at the keypad."))
        assert (await gateway.post("P0", account.batch(2))).status_code == 200
        _, document = await receiver.next()
        assert document["type"] == "incident.cancelled"
        assert document["data"]["incident"] == first.incident and document["data"]["state"] == "acknowledged"
        await settled(relay, "sent")
        assert receiver.got.empty()


async def test_an_alarm_that_was_cancelled_before_it_was_told_is_told_once(place: Place, receiver: Receiver) -> None:
    async with inside(place, guarded(place, receiver)) as relay, relay.gateway() as gateway:
        first = opened(policy="guards")
        await gateway.deliver("P0", first, entry("incident.cancelled", first.incident, 2))
        _, document = await receiver.next()
        assert document["type"] == "incident.cancelled" and document["data"]["title"] == first.body["title"]
        rows = await settled(relay, "sent", "unneeded")
        assert sorted(row.state for row in rows) == ["sent", "unneeded"]
        assert {row.reason for row in rows if row.state == "unneeded"} == {"cancelled by gw-1 before it was sent"}
        assert receiver.got.empty()


async def test_a_secret_is_told_from_outside(place: Place, receiver: Receiver) -> None:
    async with inside(place, standing(place, receiver, on_site=False)) as relay, relay.gateway() as gateway:
        first = opened(policy="guards", covert=True)
        await gateway.deliver("P0", first)
        _, document = await receiver.next()
        assert document["data"]["covert"] is True
        await settled(relay, "sent")
        assert (await notified(relay)).body["covert"] is True, "what goes down to the building says it as well"


async def notified(relay: Running) -> wire.Record:
    assert relay.relay is not None
    async with relay.relay.db.read() as connection:
        data = await connection.scalar(select(entry_table.c.data).where(entry_table.c.kind == "incident.notified"))
    assert data is not None
    return wire.read(data)


async def test_a_secret_is_told_to_nobody_on_site(place: Place, receiver: Receiver) -> None:
    async with inside(place, standing(place, receiver, on_site=True)) as relay, relay.local_gateway() as gateway:
        secret, plain = opened(policy="guards", covert=True), opened(new_id(), policy="guards")
        await gateway.deliver("P0", secret, plain)
        assert (await receiver.next())[1]["data"]["incident"] == plain.incident
        rows = await settled(relay, "sent", "unneeded")
        assert {row.incident: row.state for row in rows} == {plain.incident: "sent", secret.incident: "unneeded"}
        await asyncio.sleep(0.2)
        assert receiver.got.empty()


async def test_a_relay_beside_its_gateway_stands_in_the_building_without_saying_so(
    place: Place, receiver: Receiver
) -> None:
    async with inside(place, guarded(place, receiver)) as relay, relay.local_gateway() as gateway:
        await gateway.deliver("P0", opened(policy="guards", covert=True))
        [row] = await settled(relay, "unneeded")
        assert row.reason == "told from outside the building only"
        assert [each.state for each in await deliveries_of(relay)] == ["unneeded"]
