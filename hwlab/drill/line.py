"""The whole line, as processes: sensors - broker - agent - relay - duty desk, each able to die and come back, and each
writing down what it saw."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from hwlab import check
from hwlab.broker import Choice
from hwlab.building import AGENT, Building
from hwlab.cameras import CameraSpec
from hwlab.crew import crew
from hwlab.demo.desk import Desk
from hwlab.demo.estate import COMMAND, command
from hwlab.demo.processes import Process
from hwlab.drill import settings
from hwlab.drill.settings import Plan, Ports
from hwlab.errors import LabError, NotReady
from hwlab.ports import free_port
from hwlab.tap import Tap

CAMERA = "drill-camera"
_FAILPOINT = "NIGHTPORTER_FAILPOINT"


class Line:
    """`async with Line(directory=..., site=...)`: everything runs. `talk` lets the sensors go on by themselves;
    `settled` waits until all of it has arrived everywhere; `judge` is the checker over what each has written."""

    def __init__(
        self,
        *,
        directory: Path,
        site: str = settings.EMPTY_SITE,
        gateway: str = settings.GATEWAY,
        tenant: str = settings.TENANT,
        more: dict[str, object] | None = None,
        policies: tuple[str, ...] = (),
        site_secrets: tuple[str, ...] = (),
        broker: Choice = "auto",
        tls: bool = True,
        box: bool = False,
        camera: bool = False,
        pace: float = 0.1,
        programs: Mapping[str, tuple[str, ...]] | None = None,
        tap: bool = False,
    ) -> None:
        """`pace`: seconds between two movements of a door. `site_secrets`: names the site document asks for; each gets
        a value made up here. `programs`: another command line than the product's for one of the processes. `tap`: what
        the agent acknowledges to the broker is written down too."""
        self.directory = directory
        self.pace = pace
        self.talking = asyncio.Event()
        self.building = Building(
            directory=directory / "lab",
            cameras=[CameraSpec(name=CAMERA, title="Drill")] if camera else [],
            devices={settings.DOOR: "contact", settings.HATCH: "contact", settings.SIREN: "siren"},
            broker=broker,
        )
        self._site, self._more, self._policies = site, more or {}, policies
        self._site_secrets = site_secrets
        self._gateway, self._tenant, self._tls, self._box = gateway, tenant, tls, box
        self.with_camera = camera
        self._programs = programs or {}
        self._tap = tap
        self.processes: dict[str, Process] = {}
        self._stack = AsyncExitStack()

    # --- where things are ----------------------------------------------------------------------------------------

    @property
    def journal(self) -> Path:
        return self.building.journal.path

    @property
    def agent_store(self) -> Path:
        return self.directory / "agent" / "data" / "log.db"

    @property
    def media(self) -> Path:
        return self.directory / "agent" / "media"

    def relay_store(self, name: str = "cloud") -> Path:
        return self.directory / name / "data" / "relay.db"

    @property
    def relay_blobs(self) -> Path:
        return self.directory / "cloud" / "data" / "blobs" / self._tenant

    @property
    def _broker_repeats(self) -> bool:
        return self.building.broker.kind == "nats"

    @property
    def agent(self) -> Process:
        return self.processes["agent"]

    @property
    def cloud(self) -> Process:
        return self.processes["cloud"]

    @property
    def worker(self) -> Process:
        """The media worker."""
        return self.processes["media"]

    # --- setting up ----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.building)
            camera = self.building.camera() if self.with_camera else None
            group = await stack.enter_async_context(crew())
            port = self.building.broker.port
            if self._tap:
                tap = Tap(port=free_port(), broker=port, journal=self.building.journal)
                stack.callback(group.create_task(tap.run(), name="drill.tap").cancel)
                port = tap.port
            plan = Plan(
                directory=self.directory,
                ports=Ports(
                    broker=port,
                    gateways=free_port(),
                    people=free_port(),
                    webhook=free_port(),
                    box_people=free_port(),
                ),
                site=settings.with_drill_devices(
                    self._site, camera=(CAMERA, camera.url, camera.user) if camera else None
                ),
                tenant=self._tenant,
                gateway=self._gateway,
                tls=self._tls,
                box=self._box,
                more=self._more,
                policies=self._policies,
            )
            secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
            await self._prepare(plan, secret, camera.password if camera else None)
            desk = Desk(port=plan.ports.webhook, secret=secret, journal=self.building.journal)
            for work, name in ((desk.run(), "drill.desk"), (self._talk(), "drill.talk")):
                stack.callback(group.create_task(work, name=name).cancel)
            self._processes(plan)
            for process in self.processes.values():
                stack.push_async_callback(process.stop)
                await process.start()
            # Before its first subscription a broker keeps nothing for the agent.
            await self.until(
                lambda: "broker.connected" in self.agent.log_file.read_text(), what="the agent's connection"
            )
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    def _processes(self, plan: Plan) -> None:
        config = ("--config", str(plan.agent_config))
        words: dict[str, tuple[str, ...]] = {"cloud": ("relay", "run", "--config", str(self._relay_config("cloud")))}
        if plan.box:
            words["box"] = ("relay", "run", "--config", str(self._relay_config("box")))
        words["agent"] = ("agent", "run", *config)
        if self.with_camera:
            words["media"] = ("agent", "media", *config)
        self.processes = {
            name: Process(
                name=name, words=each, directory=self.directory, program=self._programs.get(name, COMMAND), nice=0
            )
            for name, each in words.items()
        }

    def _relay_config(self, name: str) -> Path:
        return self.directory / name / "relay.yaml"

    async def _prepare(self, plan: Plan, secret: str, camera_password: str | None) -> None:
        for name in ("agent", "cloud", "box"):
            (self.directory / name).mkdir(mode=0o750, exist_ok=True)
        if plan.tls:
            await self._certificates(plan)
        plan.agent_config.write_text(settings.agent_yaml(plan), "utf-8")
        self._relay_config("cloud").write_text(settings.cloud_yaml(plan), "utf-8")
        self._relay_config("box").write_text(settings.box_yaml(plan), "utf-8")
        _secret(self.directory / "cloud" / "secrets", settings.WEBHOOK_SECRET, secret)
        made = {"drill-broker": self.building.users[AGENT], "drill-camera": camera_password or "none"}
        for name, value in {**dict.fromkeys(self._site_secrets, secrets.token_urlsafe(12)), **made}.items():
            _secret(self.directory / "agent" / "secrets", name, value)
        site = self.directory / "agent" / "site.yaml"
        site.write_text(plan.site, "utf-8")
        await command("site", "import", str(site), "--why", "drill", "--config", str(plan.agent_config))

    async def _certificates(self, plan: Plan) -> None:
        ca = ("--dir", str(self.directory / "ca"))
        await command("certs", "init", *ca, "--trust-domain", "drill.example", "--no-passphrase")
        relay = ("--out", str(self.directory / "cloud" / "identity"))
        await command("certs", "issue", "relay", *ca, "--name", "127.0.0.1", "--name", "localhost", *relay)
        who = ("--tenant", plan.tenant, "--site", plan.site_id, "--id", plan.gateway)
        out = ("--out", str(self.directory / "agent" / "identity" / "cloud"))
        await command("certs", "issue", "gateway", *ca, *who, *out)

    # --- living ----------------------------------------------------------------------------------------------------

    async def _talk(self) -> None:
        async with asyncio.TaskGroup() as group:
            for name in (settings.DOOR, settings.HATCH):
                group.create_task(self._open_and_close(name), name=f"drill.{name}")

    async def _open_and_close(self, name: str) -> None:
        contact = self.building.sensor(name)
        while True:
            await self.talking.wait()
            await contact.open()
            await asyncio.sleep(self.pace)
            await contact.close()
            await asyncio.sleep(self.pace)

    async def die(self, *names: str) -> None:
        """kill -9 of these processes at once, and note how far the relays were."""
        await asyncio.gather(*(self.processes[name].kill() for name in names))
        self.note()

    async def die_at(self, name: str, failpoint: str, *, seconds: float = 30.0) -> None:
        """Start a process that kills itself at a fail-point, and wait until it has."""
        process = self.processes[name]
        with suppress(NotReady):  # it may die before it is ready
            await process.start({_FAILPOINT: failpoint})
        try:
            async with asyncio.timeout(seconds):
                status = await process.ended()
        except TimeoutError:
            raise LabError(f"{name} did not reach {failpoint} within {seconds:.0f} s") from None
        if status != -9:
            raise LabError(f"{name} ended with {status} instead of at {failpoint}; see {process.log_file}")
        self.note()

    def note(self) -> None:
        """Write the relays' watermarks into the journal, for the checker."""
        for name in ("cloud", "box"):
            if name in self.processes and self.relay_store(name).exists():
                check.note_marks(self.building.journal, name, self.relay_store(name), gateway=self._gateway)

    async def settled(self, *, seconds: float = 60.0) -> bool:
        """Stop talking and wait until everything is everywhere: sensors to agent, agent to relays, relay to desk.
        False when that does not happen in time; the checker then says what is missing."""
        self.talking.clear()
        await asyncio.sleep(2.5)  # what is on its way gets there; brokers send again what was not acknowledged
        end = asyncio.get_running_loop().time() + seconds
        for arrived in (self._all_heard, self._all_sent, self._all_told):
            while not arrived():
                if asyncio.get_running_loop().time() > end:
                    return False
                await asyncio.sleep(0.1)
        return True

    def _all_heard(self) -> bool:
        report = check.Report()
        lanes = check.read_agent(self.agent_store)
        check.check_sensors(report, self.journal, lanes, broker_repeats=self._broker_repeats)
        return report.ok

    def _all_sent(self) -> bool:
        current = "(SELECT value FROM meta WHERE name = 'epoch')"
        ours = set(_query(self.agent_store, f"SELECT epoch, lane, seq FROM lane WHERE epoch = {current}"))  # noqa: S608
        for name in ("cloud", "box"):
            if name in self.processes:
                theirs = set(_query(self.relay_store(name), "SELECT epoch, lane, seq FROM lane"))
                if not ours <= theirs:
                    return False
        if not self.with_camera:
            return True
        waiting = (
            "SELECT count(*) FROM blob WHERE sha256 NOT IN (SELECT sha256 FROM outlet_blob WHERE outlet = 'cloud')"
        )
        promised = _query(self.agent_store, "SELECT count(*) FROM promise")
        return _query(self.agent_store, waiting) == [(0,)] and promised == [(0,)]

    def _all_told(self) -> bool:
        waiting = "SELECT count(*) FROM delivery WHERE state IN ('queued', 'held', 'sending')"
        unrouted = "SELECT count(*) FROM notice WHERE routed IS NULL"
        return all(_query(self.relay_store(), query) == [(0,)] for query in (waiting, unrouted))

    async def stop(self) -> list[str]:
        """Stop every process in good order, the agent first; a sentence for each that did not end as it should."""
        wrong: list[str] = []
        for name in sorted(self.processes, key=("media", "agent", "cloud", "box").index):
            process = self.processes[name]
            await process.stop()
            if process.status not in (0, None):
                wrong.append(f"{name} ended with {process.status}; see {process.log_file}")
        return wrong

    def judge(self, *, settled: bool = True, seed: int | None = None) -> check.Report:
        """The checker over everything that was written. Everything has stopped."""
        report = check.check(
            gateway=self._gateway,
            journal=self.journal,
            agent=self.agent_store,
            relay=self.relay_store(),
            acked=check.read_acked(self.agent_store, "cloud"),
            broker_repeats=self._broker_repeats,
            seed=seed,
        )
        check.check_whole(report, self.agent_store, self.relay_store())
        check.check_marks(report, self.journal, "cloud", self.relay_store(), gateway=self._gateway)
        check.check_told(report, self.relay_store(), gateway=self._gateway, journal=self.journal, settled=settled)
        if self._box:
            box = check.check(
                gateway=self._gateway,
                relay=self.relay_store("box"),
                agent=self.agent_store,
                acked=check.read_acked(self.agent_store, "box"),
            )
            check.check_marks(box, self.journal, "box", self.relay_store("box"), gateway=self._gateway)
            report.violations += box.violations
            report.count("box relay rows", sum(len(rows) for rows in self._box_rows().values()))
        if self.with_camera:
            check.check_media(
                report,
                agent=self.agent_store,
                media=self.media,
                relay=self.relay_store(),
                blobs=self.relay_blobs,
                outlet="cloud",
            )
            check.check_order(report, self.relay_store(), self.relay_blobs, gateway=self._gateway)
        return report

    def _box_rows(self) -> check.Lanes:
        return check.read_relay(self.relay_store("box"), gateway=self._gateway)

    async def until(self, condition: Callable[[], object], *, seconds: float = 20.0, what: str = "it") -> None:
        """Look from time to time; LabError when it does not become so."""
        end = asyncio.get_running_loop().time() + seconds
        while not condition():
            if asyncio.get_running_loop().time() > end:
                raise LabError(f"{what} did not happen within {seconds:.0f} s")
            await asyncio.sleep(0.05)


def _query(path: Path, sql: str) -> list[tuple[object, ...]]:
    """Rows of a store that somebody may be writing; none while it is not there."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as store:
        try:
            return store.execute(sql).fetchall()
        except sqlite3.Error:
            return []


def _secret(folder: Path, name: str, value: str) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(value)
