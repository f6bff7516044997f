"""A relay's backup is one file taken while it runs, and putting it back loses nothing that a gateway still has."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest

from relay import cli, restored
from rules import wire
from tests.integration.relay_rig import Place, Running, announcement, contact, inside, opened


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.found(tmp_path)


def database(place: Place) -> Path:
    return place.folder / "cloud-1-data" / "relay.db"


def rows(place: Place, sql: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(f"{database(place).as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def verb(name: str, config: Path, file: Path, *more: str) -> int:
    return cli.main([name, "--config", str(config), str(file), *more])


async def backup(config: Path, file: Path, *more: str) -> int:
    return await asyncio.to_thread(verb, "backup", config, file, *more)


def facts(printed: str) -> Any:
    """The line of JSON among what was printed."""
    (line,) = [line for line in printed.splitlines() if line.startswith("{")]
    return json.loads(line)


async def fill(at: Running, data: bytes = b"picture" * 100) -> tuple[Any, Any]:
    """Ten incidents and a picture; the gateway and its lane."""
    async with at.gateway() as gateway:
        lane = await gateway.deliver("P0", *(opened() for _ in range(10)))
        answer = await gateway.http.post(
            "/v1/blobs", content=data, headers=announcement(data, **{"upload-complete": "?1"})
        )
        assert answer.status_code == 201, answer.text
        return gateway, lane


async def test_a_running_relay_is_one_private_file(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    config, file = place.configure(), place.folder / "relay.npb"
    async with inside(place, config) as at:
        await fill(at)
        mask = os.umask(0)
        try:
            assert await backup(config, file, "--json", "--media") == 0
        finally:
            os.umask(mask)
    made = facts(capsys.readouterr().out)
    assert (made["relay"], made["blobs"], made["blob_bytes"], made["media"]) == ("cloud-1", 1, 700, True)
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as tar:
        names = tar.getnames()
    assert names[:3] == ["backup.json", "relay.db", "blobs.txt"]
    assert len(names) == 4
    assert sorted(path.name for path in place.folder.glob(".*")) == [], "nothing is left over"
    assert await backup(config, file) == 1
    assert "exists already" in capsys.readouterr().err


async def test_a_backup_while_it_writes_is_of_one_moment(place: Place) -> None:
    config = place.configure()
    async with inside(place, config) as at, at.gateway() as gateway:
        lane = await gateway.deliver("P1", contact(True))

        async def write() -> None:
            while True:
                lane.add(*(contact(True) for _ in range(20)))
                answer = await gateway.post("P1", lane.batch(len(lane.records) - 19))
                assert answer.status_code == 200

        writing = asyncio.create_task(write())
        for number in range(5):
            assert await backup(config, place.folder / f"{number}.npb") == 0
        writing.cancel()
        await asyncio.wait([writing])
    for number in range(5):
        folder = place.folder / f"look-{number}"
        with tarfile.open(place.folder / f"{number}.npb") as tar:
            tar.extract("relay.db", folder, filter="data")
        with contextlib.closing(sqlite3.connect(folder / "relay.db")) as connection:
            ((seq, chain),) = connection.execute("SELECT seq, chain FROM lane").fetchall()
            ((count,),) = connection.execute("SELECT count(*) FROM record").fetchall()
            assert (count, chain) == (seq, lane.chains[seq])


async def test_what_it_has_not_it_gets_again(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    config, file = place.configure(), place.folder / "relay.npb"
    async with inside(place, config) as at, at.gateway() as gateway:
        lane = await gateway.deliver("P0", *(opened() for _ in range(10)))
        assert await backup(config, file) == 0
        lane.add(*(opened() for _ in range(5)))
        assert (await gateway.post("P0", lane.batch(11))).status_code == 200
        assert await asyncio.to_thread(verb, "restore", config, file) == 75
        assert "another relay process is using" in capsys.readouterr().err
    before = database(place).read_bytes()
    assert await asyncio.to_thread(verb, "restore", config, file, "--json") == 0
    done = facts(capsys.readouterr().out)
    assert Path(done["kept"]).read_bytes() == before, "what was here is kept as it was"
    assert done["gateways"] == 1
    assert rows(place, "SELECT count(*) FROM record") == [(10,)]
    assert rows(place, "SELECT key, kind FROM trouble") == [("restored", "relay.restored")]
    last = restored.read(database(place))
    assert last is not None
    assert (last.since, last.until) == (done["made"], done["restored"])
    async with inside(place, config) as at, at.gateway() as gateway:
        marks = (await gateway.http.get("/v1/lanes", params={"epoch": lane.epoch})).json()["lanes"]
        assert marks["P0"] == {"seq": 10, "chain": lane.chain(10)}
        assert (await gateway.post("P0", lane.batch(11))).status_code == 200
    assert rows(place, "SELECT count(*) FROM record") == [(15,)]
    assert await asyncio.to_thread(cli.main, ["status", "--config", str(config)]) == 1, "a trouble is worth a look"
    assert "restored on" in capsys.readouterr().out


async def test_a_restored_relay_numbers_entries_past_what_gateways_have_read(place: Place) -> None:
    """Without that a gateway that had read up to 12 would never see what people do under the numbers 2 to 12."""
    config, file = place.configure(), place.folder / "relay.npb"
    async with inside(place, config) as at, at.gateway() as gateway:
        await gateway.deliver("P0", first := opened())
        assert await backup(config, file) == 0
        assert at.relay is not None
        for _ in range(10):
            await at.relay.incidents.act(incident=first.incident, kind="noted", by="Ada", note="seen")
        async with gateway.channel() as channel:
            await channel.send(wire.Pull(after=0).text())
            reached = json.loads(await channel.recv())["next"]
    assert await asyncio.to_thread(verb, "restore", config, file) == 0
    async with inside(place, config) as at, at.gateway() as gateway, gateway.channel(hello=False) as channel:
        assert json.loads(await channel.recv())["restored"] > 0
        await channel.send(wire.AgentHello(gateway="gw-1", epoch=gateway.epoch, software="test").text())
        await channel.send(wire.Pull(after=reached).text())
        assert json.loads(await channel.recv())["items"] == []
        assert at.relay is not None
        await at.relay.incidents.act(incident=first.incident, kind="noted", by="Ada", note="after the restore")
        async with asyncio.timeout(5):
            (item,) = json.loads(await channel.recv())["items"]
        assert "after the restore" in item


async def test_on_a_new_machine(place: Place) -> None:
    config, file = place.configure(), place.folder / "relay.npb"
    async with inside(place, config) as at:
        await fill(at)
        assert await backup(config, file) == 0
    shutil.rmtree(place.folder / "cloud-1-data")
    assert await asyncio.to_thread(verb, "restore", config, file) == 0
    assert rows(place, "SELECT count(*) FROM incident") == [(10,)]
    async with inside(place, config) as at, at.gateway() as gateway:
        assert (await gateway.http.get("/v1/lanes")).json()["lanes"]["P0"]["seq"] == 10


async def test_media_come_back_with_the_backup_that_has_them(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    config, file = place.configure(), place.folder / "relay.npb"
    async with inside(place, config) as at:
        await fill(at)
        assert await backup(config, file, "--media") == 0
    (blob,) = [path for path in (place.folder / "cloud-1-data" / "blobs").rglob("*") if len(path.name) == 64]
    data = blob.read_bytes()
    blob.unlink()
    assert await asyncio.to_thread(verb, "restore", config, file) == 0
    assert "1 pictures and recordings were put back" in capsys.readouterr().out
    assert blob.read_bytes() == data
    assert blob.stat().st_mode & 0o777 == 0o440


async def test_a_heartbeat_ends_the_trouble_once_the_gateway_says_we_have_all(place: Place) -> None:
    config, file = place.configure(), place.folder / "relay.npb"
    async with inside(place, config) as at:
        await fill(at)
        assert await backup(config, file) == 0
    assert await asyncio.to_thread(verb, "restore", config, file) == 0
    async with inside(place, config) as at, at.gateway() as gateway, gateway.channel() as channel:

        async def beat(behind: int) -> None:
            outlets = {"cloud": wire.OutletState(reachable=True, keeps_copy=True, behind=behind)}
            await channel.send(wire.Heartbeat(wall=1, outlets=outlets).text())
            await channel.send(wire.Pull(after=0).text())  # its answer comes after the heartbeat was taken in
            await channel.recv()

        await beat(0)
        await beat(7)
        assert rows(place, "SELECT key FROM trouble") == [("restored",)]
        await beat(0)
        assert rows(place, "SELECT key FROM trouble") == []


@pytest.mark.parametrize("harm", ["cut", "changed", "another relay", "not a backup", "of a later version"])
async def test_a_bad_backup_changes_nothing(place: Place, harm: str, capsys: pytest.CaptureFixture[str]) -> None:
    config, file = place.configure(), place.folder / "relay.npb"
    async with inside(place, config) as at:
        await fill(at)
        if harm == "of a later version":
            async with at.relay.db.write() as connection:  # type: ignore[union-attr]
                await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        assert await backup(config, file) == 0
        if harm == "of a later version":
            async with at.relay.db.write() as connection:  # type: ignore[union-attr]
                await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
    whole = file.read_bytes()
    status, words = 1, "backup"
    if harm == "cut":
        file.write_bytes(whole[: len(whole) // 2])
    elif harm == "changed":
        where = whole.index(b"Server room opened")
        file.write_bytes(whole[:where] + b"Nothing happened.." + whole[where + 18 :])
        words = "not the one that was put in"
    elif harm == "another relay":
        config, status, words = place.configure(relay="cloud-2"), 78, "is of relay cloud-1"
    elif harm == "not a backup":
        file.write_bytes(b"hello" * 1000)
    else:
        status, words = 78, "later version"
    before = database(place).read_bytes()
    assert await asyncio.to_thread(verb, "restore", config, file) == status
    assert words in capsys.readouterr().err
    assert database(place).read_bytes() == before
    assert not restored.beside(database(place)).exists()
    assert not list(database(place).parent.glob("relay.db.before-*"))
