"""A building that never stops talking: doors and a thermometer at about fifty numbered messages a second."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from agent.store.receipts import KEPT
from hwlab import journal as journals
from hwlab.broker import Broker
from hwlab.check import Report, check
from hwlab.instant import now
from hwlab.journal import Journal
from hwlab.link import Account
from hwlab.sensors import Contact, Siren, Thermometer
from rules import wire
from rules.actions import Append, Note
from rules.document.site import load_site
from rules.engine import Engine
from rules.events import ReadingsPacked
from rules.readings import unpack
from tests.integration.agent_process import GATEWAY, SITE, USERS, Agent

LOSS_WINDOW = 6_000_000  # µs: five seconds that readings may wait, and a second for whatever is slow here


@dataclass
class Building:
    """`talking` is set while the sensors talk. `kills` are the moments (boot µs) at which the agent died."""

    journal: Path
    door: Contact
    hatch: Contact
    heat: Thermometer
    siren: Siren
    talking: asyncio.Event = field(default_factory=asyncio.Event)
    kills: list[int] = field(default_factory=list)
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def died(self) -> None:
        self.kills.append(now().boot)

    async def talk(self) -> None:
        async with asyncio.TaskGroup() as group:
            for contact in (self.door, self.hatch):
                group.create_task(self._open_and_close(contact), name=contact.name)
            group.create_task(self._measure(), name=self.heat.name)

    async def _open_and_close(self, contact: Contact) -> None:
        while True:
            await self.talking.wait()
            await contact.open()
            await asyncio.sleep(0.05)
            await contact.close()
            await asyncio.sleep(0.05)

    async def _measure(self) -> None:
        n = 0
        while True:
            await self.talking.wait()
            n += 1
            await self.heat.publish({"temperature": n})
            await asyncio.sleep(0.08)

    def acknowledged(self, device: str) -> list[int]:
        """The counters of a device's messages that the broker has acknowledged."""
        return [
            entry["n"]
            for entry in journals.read(self.journal)
            if entry["device"] == device and entry["what"] == "acked" and "n" in entry
        ]


@contextlib.asynccontextmanager
async def building(folder: Path, broker: Broker) -> AsyncIterator[Building]:
    journal = Journal(path=folder / "journal.jsonl")
    journal.open()
    account = Account(host=broker.host, port=broker.port, user="sensor", password=USERS["sensor"])
    made = Building(
        journal.path,
        Contact(name="door", account=account, journal=journal),
        Contact(name="hatch", account=account, journal=journal),
        Thermometer(name="heat", account=account, journal=journal, period=3600),
        Siren(name="siren", account=account, journal=journal),
    )
    tasks = [
        asyncio.create_task(coroutine, name=f"building {number}")
        for number, coroutine in enumerate(
            (made.door.run(), made.hatch.run(), made.heat.run(), made.siren.run(), made.talk())
        )
    ]
    try:
        async with asyncio.timeout(20):
            for device in (made.door, made.hatch, made.heat, made.siren):
                await device.connected()
        yield made
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result
        journal.close()


def judge(agent: Agent, building: Building, *, broker_repeats: bool = False) -> Report:
    """Everything that must hold after any number of crashes; the agent has stopped. `broker_repeats` as for `check`."""
    report = check(gateway=GATEWAY, journal=building.journal, agent=agent.database, broker_repeats=broker_repeats)
    _same_decisions(report, agent.database)
    _readings(report, agent.database, building)
    receipts = agent.query("SELECT count(*) FROM receipt")[0]
    if receipts > KEPT:
        report.add("receipts are few", "receipt", f"{receipts} rows")
    (problem,) = agent.query("PRAGMA integrity_check")
    if problem != "ok":
        report.add("the file is whole", "integrity_check", problem)
    return report


def _same_decisions(report: Report, database: Path) -> None:
    """An engine that never stopped, given the log's inputs, decides exactly what is in the log, with the same ids: so
    each trigger has its incident, once, and every incident kept its id through all restarts."""
    engine = Engine(site=load_site(SITE, "site"), site_sha256="-", origin=GATEWAY)
    expected: list[str] = []
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT input, id, bytes FROM log ORDER BY pos").fetchall()
    found: list[str] = []
    for is_input, name, data in rows:
        if not is_input:
            found.append(name)
            continue
        record = wire.read(data)
        fact = wire.entry(record) if record.kind.startswith("incident.") else wire.event(record)
        assert fact is not None
        for each in unpack(fact) if isinstance(fact, ReadingsPacked) else [fact]:
            for action in engine.step(each):
                if isinstance(action, Append):
                    expected.append(action.entry.id)
                elif isinstance(action, Note):
                    expected.append(action.event.id)
    report.count("decisions compared", len(found))
    if found != expected:
        missing, extra = len(set(expected) - set(found)), len(set(found) - set(expected))
        report.add("decisions are those of one life", str(database), f"{missing} are missing, {extra} are made up")


def _readings(report: Report, database: Path, building: Building) -> None:
    """A reading may be lost only if it was told within the declared window before the agent died."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT bytes FROM log WHERE kind LIKE 'reading%'").fetchall()
    kept: set[float] = set()
    for (data,) in rows:
        body = json.loads(data)["body"]
        kept.update(body["values"] if "values" in body else [body["value"]])
    sent: dict[int, int] = {}
    for entry in journals.read(building.journal):
        if entry["device"] == building.heat.name and entry["what"] == "sent":
            sent[json.loads(entry["payload"])["temperature"]] = entry["boot"]
    for value, at in sent.items():
        if value not in kept:
            report.count("readings lost")
            if not any(0 <= kill - at <= LOSS_WINDOW for kill in building.kills):
                report.add("readings are lost only in the window", f"reading {value}", "the agent did not die then")
    report.count("readings kept", len(kept))
