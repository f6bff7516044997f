"""The kernel fed by a real start: arm state, deadlines and what is found open, through a kill and a power cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.app import _first_facts
from agent.clock import Clock
from agent.config.model import BrokerConfig
from agent.devices.mqtt.adapter import MqttFamily
from agent.intake import Intake
from agent.store.database import Database
from agent.store.sites import SiteVersion
from rules import ids
from rules.events import Boot, CommandReceived, DeviceLost, DeviceRestored
from tests.unit.agent_rig import SITE, Rig, rig, site, until

DOCUMENT = (
    SITE.partition("rules:")[0]
    + """
partitions:
  - {id: ground, sirens: [siren], exit_delay: 60s, abort_window: 0s}
zones:
  - {id: front, device: door, type: perimeter, partition: ground, supervision: {armed: 20m, disarmed: 4h}}
"""
)
SECOND = 1_000_000


def boot(agent: Rig, *, clean: bool = False, off_time: int | None = 0) -> Boot:
    return Boot(**agent.clock.header(), software="t", epoch=agent.store.epoch, off_time=off_time, clean=clean)


def arming(agent: Rig) -> CommandReceived:
    header = agent.clock.header() | {"id": ids.derived("arm", agent.clock.gt())}
    return CommandReceived(
        **header, command=header["id"], name="arm", args={"partition": "ground"}, actor="guard", outlet="box"
    )


async def pass_time(agent: Rig, seconds: float) -> None:
    """Gateway time goes on; the loop finds out at its next turn."""
    agent.clock.base += int(seconds * SECOND)
    await agent.turn()


async def bodies(agent: Rig, kind: str) -> list[dict[str, Any]]:
    return [json.loads(data)["body"] for data in await agent.rows("bytes", f"WHERE kind = '{kind}'")]


async def armed(agent: Rig) -> None:
    await agent.send(boot(agent, clean=True), agent.contact(opened=False, delivery="retained"), arming(agent))
    assert await agent.rows("kind", "WHERE kind = 'partition.exiting'") == ["partition.exiting"]


async def test_an_exit_delay_ends_when_it_should_have_though_nobody_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch, document=DOCUMENT) as agent, agent.running():
        await armed(agent)
        (exiting,) = await bodies(agent, "partition.exiting")
    async with rig(tmp_path, monkeypatch, document=DOCUMENT) as agent, agent.running():
        agent.clock.base += 300 * SECOND  # it was off for five minutes
        await agent.send(boot(agent, off_time=300 * SECOND))
        (row,) = await agent.rows("bytes", "WHERE kind = 'partition.armed'")
        assert json.loads(row)["gt"] == exiting["until"]


async def test_a_door_found_open_after_a_power_cut_rings_once_the_inputs_have_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch, document=DOCUMENT) as agent, agent.running():
        await armed(agent)
        agent.clock.base += 61 * SECOND
        await agent.send(agent.contact(opened=False, n=5))
        assert await agent.rows("kind", "WHERE kind = 'partition.armed'") == ["partition.armed"]
    async with rig(tmp_path, monkeypatch, document=DOCUMENT) as agent:
        agent.outputs.clear()
        async with agent.running():
            await agent.send(boot(agent, clean=False, off_time=None), agent.contact(opened=True, delivery="retained"))
        assert await bodies(agent, "zone.alarmed") == []
        await pass_time(agent, 59)
        assert await bodies(agent, "zone.alarmed") == []
        await pass_time(agent, 2)
        (alarmed,) = await bodies(agent, "zone.alarmed")
        assert (alarmed["zone"], alarmed["found"]) == ("front", "after_restart")
        assert [(action.device, action.value) for action in agent.outputs] == [("siren", "on")]


async def test_what_the_broker_kept_and_was_known_is_nothing_after_an_orderly_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch, document=DOCUMENT) as agent, agent.running():
        await armed(agent)
    async with rig(tmp_path, monkeypatch, document=DOCUMENT) as agent:
        async with agent.running():
            await agent.send(boot(agent, clean=True), agent.contact(opened=False, delivery="retained"))
        for _ in range(3):
            await pass_time(agent, 60)
        assert await bodies(agent, "zone.alarmed") == []
        assert len(await bodies(agent, "partition.armed")) == 1


async def test_a_device_that_is_lost_is_trouble_and_its_silence_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch, document=DOCUMENT) as agent:
        async with agent.running():
            await armed(agent)
            lost = DeviceLost(**agent.clock.header(), device="door", reason="it says itself that it is offline")
            await agent.send(lost, DeviceRestored(**agent.clock.header(), device="door"))
        assert [body["trouble"] for body in await bodies(agent, "zone.troubled")] == ["lost"]
        assert [body["trouble"] for body in await bodies(agent, "zone.untroubled")] == ["lost"]
        await pass_time(agent, 61)
        await pass_time(agent, 20 * 60)
        assert [body["trouble"] for body in await bodies(agent, "zone.troubled")] == ["lost", "silent"]
        async with agent.running():
            await agent.send(DeviceRestored(**agent.clock.header(), device="door"))
        assert [body["trouble"] for body in await bodies(agent, "zone.untroubled")] == ["lost", "silent"]


async def test_a_loop_with_nothing_to_do_wakes_for_a_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = DOCUMENT.replace("exit_delay: 60s", "exit_delay: 50ms")
    async with rig(tmp_path, monkeypatch, document=document) as agent, agent.running():
        await armed(agent)
        await until(lambda: agent.engine._panel.state("ground") == "armed")


async def test_a_start_tells_what_its_replay_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch, document=DOCUMENT) as agent:
        none = SiteVersion(0, "", "", "", "")
        await _first_facts(agent.store, agent.clock, agent.intake, agent.journal, none, ["contact.opened", "boot"])
        async with agent.running():
            await until(lambda: "commit" in agent.steps)
        kinds = await agent.rows()
        assert kinds[:2] == ["boot", "engine.failed"]
        (opened,) = await bodies(agent, "incident.opened")
        assert opened["title"] == "Nightporter could not decide contact.opened of the log: look there yourself"


def test_a_supervised_device_is_asked_for_four_proofs_of_life_in_its_shortest_time() -> None:
    zones = """  - {id: rear, device: door, type: technical, partition: ground, supervision: {armed: 1h, disarmed: 10m}}
"""
    family = MqttFamily(
        config=BrokerConfig(host="h", port=1), password=None, gateway="gw-1", site=site(DOCUMENT + zones),
        intake=Intake(), database=Database(path=Path("/nowhere")), clock=Clock.start(last_gt=0, off_time=None),
    )  # fmt: skip
    assert family._mapping._missed == {"door": 150 * SECOND}
