"""The building as a whole: sensors report, a siren obeys, a journal tells it, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from hwlab.building import AGENT, Building
from hwlab.errors import DocumentError, LabError
from hwlab.journal import read
from hwlab.play import play
from hwlab.scenario import parse

NODELAY = ((6, 1, 1),)  # IPPROTO_TCP, TCP_NODELAY


@pytest.fixture
async def building(tmp_path: Path) -> AsyncIterator[Building]:
    async with Building(directory=tmp_path / "lab", broker="nats") as building:
        yield building


def agent(building: Building) -> aiomqtt.Client:
    return aiomqtt.Client(
        building.broker.host,
        building.broker.port,
        username=AGENT,
        password=building.users[AGENT],
        socket_options=NODELAY,
    )


def what_others_see(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/environ").read_text()


async def hear(client: aiomqtt.Client, count: int) -> list[tuple[str, str]]:
    heard: list[tuple[str, str]] = []
    async with asyncio.timeout(10):
        async for message in client.messages:
            heard.append((message.topic.value, bytes(message.payload).decode()))
            if len(heard) == count:
                break
    return heard


async def test_a_door_reports_with_a_counter(building: Building) -> None:
    door = building.sensor("server-room-door")
    async with agent(building) as client:
        await client.subscribe("building/server-room-door", qos=1)
        opened, closed = await door.open(), await door.close()
        assert await hear(client, 2) == [
            ("building/server-room-door", '{"battery":97,"contact":false,"n":1}'),
            ("building/server-room-door", '{"battery":97,"contact":true,"n":2}'),
        ]
    assert (opened.n, closed.n) == (1, 2)
    assert opened.sent.boot <= opened.acked.boot <= closed.sent.boot
    told = [(entry["what"], entry.get("n")) for entry in read(building.journal.path) if entry["device"] == door.name]
    assert told == [("connected", None), ("sent", 1), ("acked", 1), ("sent", 2), ("acked", 2)]


async def test_a_siren_obeys_and_keeps_its_state_retained(building: Building) -> None:
    siren = building.siren("siren-1")
    async with agent(building) as client:
        await client.subscribe("building/siren-1", qos=1)
        assert await hear(client, 1) == [("building/siren-1", '{"state":"OFF"}')]
        await client.publish("building/siren-1/set", '{"state":"ON"}', qos=1)
        assert [payload for _, payload in await siren.commanded(1)] == ['{"state":"ON"}']
        assert siren.sounding
        assert await hear(client, 1) == [("building/siren-1", '{"state":"ON"}')]
        await client.publish("building/siren-1/set", "louder!", qos=1)
        await siren.commanded(2)
        assert siren.sounding, "what it does not understand changes nothing"


async def test_a_thermometer_reports_and_can_be_set(building: Building) -> None:
    async with agent(building) as client:
        await client.subscribe("building/server-room-temp", qos=1)
        await building.thermometer("server-room-temp").set(35.0)
        ((_, payload),) = await hear(client, 1)
        assert json.loads(payload)["temperature"] == pytest.approx(35.0, abs=0.3)


async def test_a_door_goes_on_trying_when_the_broker_is_gone(building: Building) -> None:
    door = building.sensor("server-room-door")
    await building.broker.kill()
    opening = asyncio.create_task(door.open())
    await asyncio.sleep(0.3)
    assert not opening.done()
    await building.broker.restart()
    sent = await opening
    journal = [entry for entry in read(building.journal.path) if entry["device"] == door.name]
    assert [entry["n"] for entry in journal if entry["what"] == "acked"] == [sent.n]
    assert "disconnected" in {entry["what"] for entry in journal}


async def test_secrets_are_in_a_private_file_and_nowhere_else(building: Building) -> None:
    assert stat.S_IMODE(building.credentials_file.stat().st_mode) == 0o600
    facts = json.loads(building.credentials_file.read_text())
    assert facts["broker"]["users"][AGENT] == building.users[AGENT]
    assert facts["cameras"]["server-room"]["url"] == building.camera_url
    assert building.camera().password == facts["cameras"]["server-room"]["password"]
    assert building.camera().password not in building.camera_url
    pids = [pid for pid in (building.broker.pid, building.cameras.pid) if pid is not None]
    assert len(pids) == 2
    for pid in pids:
        visible = what_others_see(pid)
        assert building.users[AGENT] not in visible
        assert building.camera().password not in visible


async def test_a_second_life_in_the_same_folder_never_repeats_a_counter(tmp_path: Path) -> None:
    for expected in (1, 2):
        async with Building(directory=tmp_path, cameras=(), broker="nats") as building:
            assert (await building.sensor("server-room-door").open()).n == expected


async def test_unknown_names_are_answered_with_the_nearest(building: Building) -> None:
    with pytest.raises(LabError, match=r"no contact 'server-room-dor'; did you mean 'server-room-door'\?"):
        building.sensor("server-room-dor")
    with pytest.raises(LabError, match=r"no siren 'server-room-door'; there are: siren-1"):
        building.siren("server-room-door")
    with pytest.raises(LabError, match=r"no camera 'serverroom'; did you mean 'server-room'\?"):
        building.camera("serverroom")


async def test_break_in_plays_to_its_end(building: Building) -> None:
    said: list[str] = []
    marks = await building.play("break_in", pace=0.01, observer=lambda mark: said.append(mark.step.say))
    assert len(marks) == len(said) == 7
    assert [mark.boot for mark in marks] == sorted(mark.boot for mark in marks)
    assert (await building.camera().status())["figure"] == "away"
    journal = list(read(building.journal.path))
    assert [entry["n"] for entry in journal if entry["what"] == "acked" and "n" in entry] == [1, 2, 3]
    assert [entry["what"] for entry in journal if entry["device"] == "scenario"][0::8] == ["started", "ended"]


async def test_hooks_are_called_in_their_turn(building: Building) -> None:
    asked: list[object] = []

    async def process(argument: object) -> None:
        asked.append(argument)

    await building.play("relay_outage", hooks={"process": process}, pace=0.01)
    assert asked == [{"relay": "stop"}, {"relay": "start"}]


async def test_what_a_scenario_lacks_is_said_before_it_begins(building: Building) -> None:
    with pytest.raises(DocumentError, match="needs somebody who can do 'process'"):
        await building.play("relay_outage")
    lacking = parse("name: x\nsteps:\n  - {at: 0s, open: siren-1, camera: {lobby: {mode: ok}}}\n", file="x.yaml")
    with pytest.raises(DocumentError) as caught:
        await play(lacking, building=building, hooks={})
    assert caught.value.problems == [
        "x.yaml:3:20: the building has no device 'siren-1' that can do this; there are: server-room-door",
        "x.yaml:3:45: the building has no camera 'lobby'; there are: server-room",
    ]
    assert not [entry for entry in read(building.journal.path) if entry["device"] == "scenario"]


async def test_the_broker_can_be_part_of_a_scenario(building: Building) -> None:
    outage = parse(
        """
name: outage
steps:
  - {at: 0s, broker: kill}
  - {at: 100ms, open: server-room-door}
  - {at: 300ms, broker: start}
""",
        file="x.yaml",
    )
    await play(outage, building=building, hooks={})
    assert building.broker.running
    assert building.sensor("server-room-door").n >= 1


async def test_it_closes_whenever_it_is_asked_to(tmp_path: Path) -> None:
    """Also in the moments after the start, when a cancellation meets the answer somebody waited for."""
    for moment in range(12):
        async with asyncio.timeout(20):
            async with Building(directory=tmp_path / str(moment), cameras=(), broker="nats"):
                await asyncio.sleep(moment * 0.0006)


async def test_an_error_inside_comes_out_as_itself(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="mine"):
        async with Building(directory=tmp_path, cameras=(), broker="nats"):
            raise LabError("mine")


async def test_nothing_is_left_running(tmp_path: Path) -> None:
    async with Building(directory=tmp_path, broker="nats") as building:
        pids = [building.broker.pid, building.cameras.pid]
    for pid in pids:
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
