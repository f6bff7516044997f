"""After any crash the engine is what it would be had it stepped the log's inputs without a restart."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agent import decider as deciding
from agent import writer as module
from agent.errors import ConfigError, StoreDamaged
from agent.intake import Input
from agent.recovery import restore, site_in_force, stage_site
from agent.store.opening import open_store
from agent.store.sites import SiteVersion
from rules import wire
from rules.actions import Action
from rules.engine import Engine
from rules.events import Boot, Event, ReadingsPacked, SiteApplied
from rules.incidents import Entry
from rules.readings import unpack
from rules.state import ENGINE_VERSION
from tests.unit.agent_rig import GATEWAY, SITE, SITE_SHA, Rig, rig, site

BUSY = SITE.replace("group: 0s", "group: 1h") + """
  - id: hot
    name: Too hot while open
    when: {event: reading.temperature, device: heat}
    if: [{state: {device: door, is: open}}]
    then:
      - open_incident: {severity: high, title: Hot, group: 1h}
      - command: {device: siren, set: "on", for: 2h}
"""
# open, close, a reading, a retained one, one that came late; a turn ends; the store breaks, half breaks, is mended.
EXAMPLES = {"quick": 20}.get(os.environ.get("EFFORT", "quick"), 150)
MOVES = "ooocc" + "r" * 6 + "RL" + "|" * 4 + "x" + "h" + "mm"


class Watched:
    """Everything the engine was given, in order."""

    def __init__(self, engine: Engine, patch: pytest.MonkeyPatch) -> None:
        self.stepped: list[Event | Entry] = []
        original = engine.step

        def step(fact: Event | Entry) -> list[Action]:
            self.stepped.append(fact)
            return original(fact)

        patch.setattr(engine, "step", step)


async def life(agent: Rig, moves: str, watched: Watched) -> tuple[int, bool]:
    """Play the moves; how many of the facts are durable at the end, and whether more of them may be: those of a commit
    that was called failed and is in the file all the same."""
    items: list[Input] = []
    durable, more = len(watched.stepped), False
    for move in moves + "|":
        match move:
            case "o" | "c":
                items.append(Input(fact=agent.contact(opened=move == "o")))
            case "r":
                items.append(Input(fact=agent.temperature(float(len(items)))))
            case "R":
                items.append(Input(fact=agent.temperature(1.0, delivery="retained")))
            case "L":
                items.append(Input(fact=agent.contact(opened=True, delivery="late")))
            case "x" | "h":
                agent.transactions.half = move == "h"
                agent.transactions.broken = "Input/output error"
            case "m":
                agent.transactions.broken = None
            case _:
                await agent.turn(*items)
                items = []
                if agent.pipeline.trouble is None:
                    durable, more = len(watched.stepped) - len(agent.pipeline._decider._readings), False
                elif agent.transactions.broken is not None and agent.transactions.half:
                    more = True
    return durable, more


def logged(folder: Path) -> set[str]:
    """The ids of all facts in the log that an engine was given."""
    connection = sqlite3.connect(folder / "log.db")
    rows = connection.execute("SELECT bytes FROM log WHERE input = 1").fetchall()
    connection.close()
    ids: set[str] = set()
    for (data,) in rows:
        record = wire.read(data)
        fact = wire.event(record)
        ids.update([reading.id for reading in unpack(fact)] if isinstance(fact, ReadingsPacked) else [record.id])
    return ids


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lives=st.lists(st.lists(st.sampled_from(MOVES), max_size=30).map("".join), min_size=2, max_size=4),
    snapshot_every=st.sampled_from([3, 1000]),
)
@example(lives=["|rorcr|", "o|r|", ""], snapshot_every=1000)
@example(lives=["|rh|or|x|c|m|", "xo|", "r"], snapshot_every=3)
async def test_snapshot_and_replay_are_an_engine_without_a_restart(
    tmp_path_factory: pytest.TempPathFactory, lives: list[str], snapshot_every: int
) -> None:
    folder = tmp_path_factory.mktemp("life")
    history: list[Event | Entry] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_RETRY_FIRST", 0)
        patch.setattr(module, "_RETRY_LONGEST", 0)
        patch.setattr(deciding, "SNAPSHOT_EVERY", snapshot_every)
        for moves in lives:
            async with rig(folder, patch, document=BUSY) as agent:
                reference = Engine(site=site(BUSY), site_sha256=SITE_SHA, origin=GATEWAY)
                for fact in history:
                    reference.step(fact)
                assert agent.engine.snapshot() == reference.snapshot()
                watched = Watched(agent.engine, patch)
                durable, more = await life(agent, moves, watched)
            # Killed here. What is durable is a beginning of what was decided, never something out of its middle.
            kept = logged(folder)
            there = [fact.id in kept for fact in watched.stepped]
            assert there == sorted(there, reverse=True)
            assert sum(there) >= durable if more else sum(there) == durable
            history += watched.stepped[: sum(there)]


async def append_raw(folder: Path, sql: str, *values: Any) -> None:
    connection = sqlite3.connect(folder / "log.db")
    connection.execute(sql, values)
    connection.commit()
    connection.close()


async def test_a_row_that_cannot_be_read_back_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await agent.send(agent.contact(opened=True))
    await append_raw(tmp_path, "DELETE FROM snapshot")
    await append_raw(tmp_path, "UPDATE log SET bytes = ? WHERE kind = 'contact.opened'", b"{}")
    store = await open_store(tmp_path / "log.db", gateway=GATEWAY)
    with pytest.raises(StoreDamaged, match="was changed after it was written"):
        await restore(store, site=site(), site_sha256=SITE_SHA, gateway=GATEWAY)
    await store.database.close()


async def test_without_a_good_snapshot_everything_is_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await agent.send(agent.contact(opened=True), agent.temperature(3.0), agent.contact(opened=False))
        state = agent.engine.snapshot()
    await append_raw(tmp_path, "UPDATE snapshot SET data = ?", b"x")
    store = await open_store(tmp_path / "log.db", gateway=GATEWAY)
    restored = await restore(store, site=site(), site_sha256=SITE_SHA, gateway=GATEWAY)
    assert restored.engine.snapshot() == state
    assert (restored.replayed, restored.left_out) == (3, [])
    await store.database.close()


async def test_after_an_upgrade_no_snapshot_fits_and_all_the_log_has_is_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "SNAPSHOT_EVERY", 2)
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        for n in range(6):
            await agent.send(agent.contact(opened=n % 2 == 0), agent.temperature(float(n)))
        await agent.send(agent.contact(opened=False))
        state = agent.engine.snapshot()
        assert len(await agent.store.database.read("SELECT pos FROM snapshot")) > 1
    older = ENGINE_VERSION - 1
    await append_raw(tmp_path, "UPDATE snapshot SET engine_version = ?, data = ?", older, b'{"engine": 1}')
    async with rig(tmp_path, monkeypatch) as agent:
        assert agent.engine.snapshot() == state
        before = await agent.rows("count(*)")
        async with agent.running():
            await agent.send(agent.contact(opened=True))
        assert (await agent.rows("count(*)"))[0] > before[0]
    (newest,) = await rows_of(tmp_path, "SELECT engine_version FROM snapshot ORDER BY pos DESC LIMIT 1")
    assert newest == (ENGINE_VERSION,), "the first commit of a run leaves one that fits"


async def test_without_a_snapshot_each_row_is_replayed_under_the_document_of_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first document sounds the siren for an hour, the second for a minute: both openings lie an hour back."""
    documents = [SITE, SITE.replace("for: 1h", "for: 1m").replace("The House", "The new House")]
    states: list[bytes] = []
    sha256 = ""
    for text in documents:
        stage_site(tmp_path, text=text, who="ada", why="test")
        store = await open_store(tmp_path / "log.db", gateway=GATEWAY)
        version, _ = await site_in_force(store, tmp_path)
        await store.database.close()
        sha256 = version.sha256
        async with rig(tmp_path, monkeypatch, document=text, sha256=sha256) as agent:
            header = agent.clock.header()
            applied = SiteApplied(**header, version=version.version, sha256=version.sha256, who="ada", why="test")
            boot = Boot(**agent.clock.header(), software="t", epoch=agent.store.epoch, off_time=0, clean=True)
            async with agent.running():
                await agent.send(boot, applied, agent.contact(opened=True), agent.contact(opened=False))
            states.append(agent.engine.snapshot())
            durations = json.loads(states[-1])["state"]["levels"]["siren"]["duration"]
            assert durations == 3_600_000_000, "the longer one goes on"
    await append_raw(tmp_path, "DELETE FROM snapshot")
    async with rig(tmp_path, monkeypatch, document=documents[1], sha256=sha256) as agent:
        assert agent.engine.snapshot() == states[-1]


async def rows_of(folder: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(folder / "log.db")
    rows = connection.execute(sql).fetchall()
    connection.close()
    return rows


async def test_a_new_document_takes_over_only_after_the_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was decided under the old rules is remembered as it was decided, not as the new rules would have it."""
    store = await open_store(tmp_path / "log.db", gateway=GATEWAY)
    stage_site(tmp_path, text=SITE, who="ada", why="first")
    version, _ = await site_in_force(store, tmp_path)
    assert version == SiteVersion(1, version.sha256, SITE, "ada", "first")
    assert not (tmp_path / "site.next").exists()
    await store.database.close()
    async with rig(tmp_path, monkeypatch) as agent:
        monkeypatch.setattr(agent.pipeline._decider, "_site_sha256", version.sha256)
        async with agent.running():
            await agent.send(agent.contact(opened=False), agent.contact(opened=True))  # the siren sounds for an hour
        levels = json.loads(agent.engine.snapshot())["state"]["levels"]
    assert levels["siren"]["value"] == "on"
    quiet = SITE.partition("rules:")[0] + "rules: []\n"
    stage_site(tmp_path, text=quiet, who="ada", why="no rules")
    store = await open_store(tmp_path / "log.db", gateway=GATEWAY)
    new, new_site = await site_in_force(store, tmp_path)
    assert new.version == 2
    restored = await restore(store, site=new_site, site_sha256=new.sha256, gateway=GATEWAY)
    state = json.loads(restored.engine.snapshot())
    assert state["site"] == new.sha256
    assert state["state"]["levels"] == levels
    again, _ = await site_in_force(store, tmp_path)
    assert again == new
    await store.database.close()


async def test_a_staged_document_that_is_no_good_stays_and_says_so(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "log.db", gateway=GATEWAY)
    version, empty = await site_in_force(store, tmp_path)
    assert (version.version, empty.devices) == (0, [])
    (tmp_path / "site.next").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read; remove it or import the site document again"):
        await site_in_force(store, tmp_path)
    stage_site(tmp_path, text="site: {id: X}", who="", why="")
    with pytest.raises(ConfigError, match=r"site\.next:1:12: site\.id: 'X' is not a name"):
        await site_in_force(store, tmp_path)
    assert (tmp_path / "site.next").exists()
    await store.database.close()
