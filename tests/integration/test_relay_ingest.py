"""Ingest over real mutual TLS and a real Unix socket: once, for ever, whatever comes in which order."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Select, select, text, update

from relay.store.schema import device_state, incident, integrity, log_gap, notice, record, trouble
from relay.store.schema import gateway as gateway_table
from rules import events, wire
from tests.integration.relay_rig import Place, Running, common, contact, entry, inside, new_id, now, opened


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Running]:
    async with inside(Place.found(tmp_path)) as running:
        yield running


async def rows(relay: Running, statement: Select[Any]) -> list[Any]:
    assert relay.relay is not None
    async with relay.relay.db.read() as connection:
        return list(await connection.execute(statement))


async def test_records_are_taken_and_answered_with_the_chain(relay: Running) -> None:
    async with relay.gateway() as gateway:
        first = opened()
        account = await gateway.deliver("P0", first)
        before = now()
        answer = await gateway.http.get("/v1/lanes", params={"epoch": gateway.epoch})
        marks = answer.json()
        assert before <= marks.pop("wall") <= now()  # the relay's clock, for a gateway that compares it with its own
        assert answer.headers["accept-encoding"] == "zstd"
        assert marks == {"v": 1, "epoch": gateway.epoch, "lanes": {"P0": {"seq": 1, "chain": account.chain(1)}}}
        assert (await gateway.http.get("/v1/lanes")).json() | {"wall": 0} == marks | {"wall": 0}
    [row] = await rows(relay, select(incident.c.id, incident.c.state, incident.c.title, incident.c.site))
    assert tuple(row) == (first.incident, "open", "Server room opened after hours", "hq")


async def test_the_same_batch_again_changes_nothing(relay: Running) -> None:
    async with relay.gateway() as gateway:
        account = await gateway.deliver("P0", opened(policy="guards"))
        for _ in range(3):
            answer = await gateway.post("P0", account.batch())
            assert answer.json()["seq"] == 1
            assert answer.json()["chain"] == account.chain(1)
    assert len(await rows(relay, select(record.c.seq))) == 1
    assert len(await rows(relay, select(notice.c.id))) == 1


async def test_batches_that_overlap_join(relay: Running) -> None:
    async with relay.gateway() as gateway:
        account = gateway.lane("P1")
        account.add(*(contact(n % 2 == 0) for n in range(9)))
        for first, last in ((1, 4), (2, 6), (6, 6), (3, 9)):
            answer = await gateway.post("P1", account.batch(first, last))
            assert answer.status_code == 200
        answer = await gateway.post("P1", account.batch())
        assert answer.json()["seq"] == 9
        assert answer.json()["chain"] == account.chain(9)
    assert len(await rows(relay, select(record.c.seq))) == 9


async def test_a_batch_that_leaves_records_out_is_told_where_the_relay_stands(relay: Running) -> None:
    async with relay.gateway() as gateway:
        account = gateway.lane("P1")
        account.add(*(contact(True) for _ in range(5)))
        await gateway.post("P1", account.batch(1, 2))
        answer = await gateway.post("P1", account.batch(4, 5))
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (problem["type"], problem["seq"], problem["chain"]) == ("chain-mismatch", 2, account.chain(2))
        assert (await gateway.post("P1", account.batch(3, 5))).json()["seq"] == 5


async def test_other_bytes_in_the_same_place_are_an_incident_and_change_nothing(relay: Running) -> None:
    async with relay.gateway() as gateway:
        account = await gateway.deliver("P1", contact(True), contact(False))
        forged = gateway.lane("P1")
        forged.add(contact(True), contact(False), contact(True))
        answer = await gateway.post("P1", forged.batch())
        assert answer.status_code == 409
        assert answer.json()["type"] == "integrity"
        await gateway.post("P1", forged.batch())
        [kept] = await rows(relay, select(integrity.c.what, integrity.c.subject, integrity.c.count))
        assert tuple(kept) == ("transport", f"{gateway.epoch}/P1/1", 2)
        stored = await rows(relay, select(record.c.data).order_by(record.c.seq))
        assert [row[0] for row in stored] == account.records
        [own] = await rows(relay, select(incident.c.title, incident.c.state))
        assert "contradict" in own.title


async def test_a_history_that_does_not_continue_ours_is_refused(relay: Running) -> None:
    async with relay.gateway() as gateway:
        await gateway.deliver("P1", contact(True))
        forged = gateway.lane("P1")
        forged.add(contact(True), contact(False))
        answer = await gateway.post("P1", forged.batch(2, 2))
        assert (answer.status_code, answer.json()["type"]) == (409, "chain-mismatch")
    [kept] = await rows(relay, select(integrity.c.what))
    assert kept[0] == "chain"


async def test_a_known_fact_moves_the_watermark_and_is_not_applied_again(relay: Running) -> None:
    async with relay.gateway() as gateway:
        first = opened(policy="guards")
        changed = wire.encode(first).replace(b"after hours", b"after lunch")
        account = gateway.lane("P0")
        account.add(first)
        await gateway.post("P0", account.batch())
        account.add(first, changed)
        answer = await gateway.post("P0", account.batch(2))
        assert answer.json()["seq"] == 3
    states = await rows(relay, select(record.c.state).order_by(record.c.seq))
    assert [row[0] for row in states] == ["applied", "known", "conflict"]
    titles = {row[0] for row in await rows(relay, select(incident.c.title))}
    assert "Server room opened after hours" in titles
    assert len(await rows(relay, select(notice.c.id).where(notice.c.incident == first.incident))) == 1
    [kept] = await rows(relay, select(integrity.c.what, integrity.c.subject))
    assert tuple(kept) == ("fact", first.id)


UNREADABLE = [
    b"not json",
    b'{"id":"x","kind":"contact.opened","wall":1,"body":{}}',
    b'{"half":',
    b"\xff\xfe",
    b"",
    b'{"a":' * 3000,
]


async def test_what_cannot_be_read_is_put_aside_and_acknowledged(relay: Running) -> None:
    async with relay.gateway() as gateway:
        account = gateway.lane("P1")
        malformed = wire.encode(contact(True)).replace(b'"device":"door"', b'"device":7')
        huge = wire.encode(contact(True)).replace(b'"door"', b'"' + b"x" * 70_000 + b'"')
        account.add(contact(True), *UNREADABLE, malformed, huge, contact(False))
        answer = await gateway.post("P1", account.batch())
        assert answer.status_code == 200
        assert answer.json()["seq"] == len(account.records)
        assert answer.json()["chain"] == account.chain(len(account.records))
        bad = [one["seq"] for one in answer.json()["quarantined"]]
        assert bad == list(range(2, len(account.records)))
        again = await gateway.post("P1", account.batch())
        assert [one["seq"] for one in again.json()["quarantined"]] == bad
    stored = await rows(relay, select(record.c.data).order_by(record.c.seq))
    assert [row[0] for row in stored] == account.records
    [state] = await rows(relay, select(device_state.c.value))
    assert state[0] == "closed"


async def test_a_kind_of_a_later_version_is_kept_verbatim(relay: Running) -> None:
    strange = json.dumps(
        {"id": new_id(), "kind": "elevator.stopped", "wall": 1, "clock": "synced", "gt": 1, "body": {"floor": "é"}}
    ).encode()
    later = wire.encode(opened()).replace(b"incident.opened", b"incident.escalated")
    async with relay.gateway() as gateway:
        account = gateway.lane("P1")
        account.add(strange)
        assert (await gateway.post("P1", account.batch())).json()["quarantined"] == []
        incidents = gateway.lane("P0")
        incidents.add(later)
        assert (await gateway.post("P0", incidents.batch())).json()["quarantined"] == []
    [kept] = await rows(relay, select(record.c.state, record.c.data).where(record.c.kind == "elevator.stopped"))
    assert tuple(kept) == ("unknown", strange)


async def test_a_gap_stands_in_its_place_and_the_chain_goes_on_behind_it(relay: Running) -> None:
    async with relay.gateway() as gateway:
        account = gateway.lane("P1")
        account.add(*(contact(n % 2 == 0) for n in range(6)))
        header = wire.Header(gateway=gateway.name, epoch=gateway.epoch, lane="P1", first=1, prev=account.chain(0))
        gap = {"gap": {"from": 2, "to": 4, "count": 3, "reason": "retention", "chain": account.chain(4)}}
        lines = [account.records[0], json.dumps(gap, separators=(",", ":")).encode(), *account.records[4:]]
        batch = wire.write_batch(header, lines)
        for _ in range(2):
            answer = await gateway.post("P1", batch)
            assert answer.status_code == 200, answer.text
            assert (answer.json()["seq"], answer.json()["chain"]) == (6, account.chain(6))
        misplaced = wire.write_batch(
            wire.Header(gateway=gateway.name, epoch=gateway.epoch, lane="P1", first=7, prev=account.chain(6)),
            [json.dumps(gap, separators=(",", ":")).encode()],
        )
        assert (await gateway.post("P1", misplaced)).status_code == 400
    [kept] = await rows(relay, select(log_gap.c.since, log_gap.c.to, log_gap.c.reason))
    assert tuple(kept) == (2, 4, "retention")


async def test_a_new_epoch_must_name_the_one_it_supersedes(relay: Running) -> None:
    async with relay.gateway() as gateway:
        before = await gateway.deliver("P1", contact(True))
        old, gateway.epoch = gateway.epoch, new_id()
        account = gateway.lane("P1")
        account.add(contact(False))
        answer = await gateway.post("P1", account.batch())
        assert (answer.status_code, answer.json()["type"], answer.json()["epoch"]) == (409, "epoch-conflict", old)
        answer = await gateway.post("P1", account.batch(supersedes=old))
        assert answer.json()["seq"] == 1
        answer = await gateway.post("P1", before.batch())
        assert (answer.status_code, answer.json()["type"]) == (409, "epoch-conflict")


async def test_a_gateway_speaks_only_for_itself(relay: Running) -> None:
    async with relay.gateway("gw-1") as one, relay.gateway("gw-2") as two:
        account = one.lane("P1")
        account.add(contact(True))
        answer = await two.post("P1", account.batch())
        assert (answer.status_code, answer.json()["type"]) == (403, "not-yours")
        mine = opened(title="Mine")
        await one.deliver("P0", mine)
        foreign = two.lane("P0")
        foreign.add(entry("incident.resolved", mine.incident, 2))
        answer = await two.post("P0", foreign.batch())
        assert "another gateway" in answer.json()["quarantined"][0]["reason"]
    [row] = await rows(relay, select(incident.c.state))
    assert row[0] == "open"


async def test_the_name_of_another_tenants_gateway_is_refused(relay: Running) -> None:
    async with relay.gateway("gw-1", tenant="acme") as one, relay.gateway("gw-1", tenant="other") as two:
        await one.deliver("P1", contact(True))
        answer = await two.http.get("/v1/lanes")
        assert (answer.status_code, answer.json()["type"]) == (403, "othertenant")


async def test_a_locked_gateway_is_refused(relay: Running) -> None:
    assert relay.relay is not None
    async with relay.gateway() as gateway:
        account = await gateway.deliver("P1", contact(True))
        async with relay.relay.db.write() as connection:
            await connection.execute(update(gateway_table).values(status="locked"))
        account.add(contact(False))
        answer = await gateway.post("P1", account.batch(2))  # the store itself refuses, cached admission or not
        assert answer.status_code == 403


async def test_the_unix_socket_knows_its_gateway_by_uid(relay: Running) -> None:
    async with relay.local_gateway() as gateway:
        await gateway.deliver("P1", contact(True))
        stranger = gateway.lane("P1")
        stranger.gateway = "gw-9"
        stranger.add(contact(True))
        assert (await gateway.post("P1", stranger.batch())).status_code == 403
        assert os.stat(gateway.address.host).st_mode & 0o777 == 0o660


async def test_a_batch_that_is_too_large_is_refused_before_it_is_read(relay: Running) -> None:
    async with relay.gateway() as gateway:
        answer = await gateway.post("P1", b"x" * (wire.MAX_BATCH_BYTES + 1))
        assert answer.status_code == 413

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(80):
                yield b"x" * 65_536

        try:
            answer = await gateway.http.post("/v1/lanes/P1", content=endless())
            assert answer.status_code == 413
        except httpx.WriteError:
            pass  # refused while we were still sending


async def test_garbage_is_a_bad_request(relay: Running) -> None:
    async with relay.gateway() as gateway:
        for batch in (b"", b"\n", b"{}", b"[1]\n{}", b"\x00" * 100):
            answer = await gateway.post("P1", batch)
            assert answer.status_code == 400, batch
        account = gateway.lane("P1")
        account.add(contact(True))
        assert (await gateway.post("P2", account.batch())).status_code == 400
        assert (await gateway.post("P3", account.batch())).status_code == 404


async def test_troubles_begin_and_end(relay: Running) -> None:
    async with relay.gateway() as gateway:
        account = gateway.lane("P1")
        account.add(
            events.CameraLost(**common(), device="cam-1", reason="401 Unauthorized"),
            events.OutletLost(**common(), outlet="cloud", reason="no route"),
            events.StoreFailed(**common(), reason="EIO"),
        )
        await gateway.post("P1", account.batch())
        keys = await rows(relay, select(trouble.c.key, trouble.c.reason).order_by(trouble.c.key))
        assert [tuple(row) for row in keys] == [
            ("camera/cam-1", "401 Unauthorized"),
            ("outlet/cloud", "no route"),
            ("store", "EIO"),
        ]
        account.add(
            events.CameraRestored(**common(), device="cam-1"),
            events.OutletRestored(**common(), outlet="cloud"),
            events.StoreRestored(**common(), journalled=1, acked_before_durable=0),
        )
        await gateway.post("P1", account.batch(4))
    assert await rows(relay, select(trouble.c.key)) == []


async def test_commits_are_synchronous(relay: Running) -> None:
    assert relay.relay is not None
    async with relay.relay.db.write() as connection:
        assert await connection.scalar(text("PRAGMA synchronous")) == 2
        assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
