"""The composition root: what the agent is made of, and in which order it lives and dies."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import structlog

from agent import memory
from agent.clock import Clock, boot_id
from agent.config.load import Secrets
from agent.config.model import AgentConfig
from agent.config.pepper import Pepper
from agent.decider import Effects
from agent.devices.base import Family
from agent.disks import Disks
from agent.effects.footage import Footage, lapsed, promised
from agent.effects.outputs import Outputs
from agent.errors import ConfigError, StoreBroken, StoreError, StoreFull
from agent.floor import Floor
from agent.followers import Followers
from agent.health import Health
from agent.intake import Input, Intake
from agent.journal import Journal
from agent.keeper import Keeper
from agent.outlets import succession
from agent.pipeline import Pipeline
from agent.recovery import restore, site_in_force
from agent.retention.retention import Retention
from agent.sdnotify import notify
from agent.store import floors, meta, promises
from agent.store.ballast import Ballast
from agent.store.opening import Store, StoreLock
from agent.store.rescue import open_or_rescue
from agent.store.rescuer import Rescuer
from agent.store.sites import SiteVersion
from agent.supervisor import Service, Supervisor
from agent.timekeeper import Timekeeper
from agent.upkeep import Upkeep
from agent.video.link import MediaServer
from agent.video.messages import Camera, Configure
from rules import VERSION, ids
from rules.document.site import Site
from rules.engine import Engine
from rules.events import Boot, EngineFailed, LogGap, SiteApplied

log = structlog.get_logger()


_RESCUES = 2  # in one life of the process: a disk that goes on losing pages is for a person


def software() -> str:
    """What runs here, for the log and the relays."""
    return f"nightporter {VERSION}"


async def run(config: AgentConfig, *, stop: asyncio.Event) -> None:
    """Run the agent until `stop` is set. Raises ConfigError or StoreDamaged when it cannot."""
    memory.settle()
    for path in (config.paths.data, config.paths.media, config.paths.run):
        _directory(path)
    secrets = Secrets(directory=config.paths.secrets)
    lock = StoreLock(directory=config.paths.data)
    lock.take()
    try:
        ballast = Ballast(path=config.paths.data / "log.ballast", size=config.store.ballast)
        ballast.release_if_needed()
        broken: str | None = None
        for attempt in range(_RESCUES + 1):
            try:
                store = await _open(config, broken)
            except StoreFull:
                if not ballast.release():
                    raise
                store = await _open(config, broken)
            try:
                await _run(config, secrets, store, stop, ballast)
                return
            except StoreBroken as error:  # found by what the pipeline does not see: all stop, it is rescued, all start
                if attempt == _RESCUES or stop.is_set():
                    raise
                broken = str(error)
            finally:
                await store.database.close()
    finally:
        lock.release()


async def _open(config: AgentConfig, broken: str | None) -> Store:
    return await open_or_rescue(
        config.paths.data / "log.db",
        gateway=config.gateway.id,
        outlets=[outlet.name for outlet in config.outlets],
        alive=partial(notify, "EXTEND_TIMEOUT_USEC=60000000"),
        broken=broken,
    )


async def _run(config: AgentConfig, secrets: Secrets, store: Store, stop: asyncio.Event, ballast: Ballast) -> None:
    version_in_force, site = await site_in_force(store, config.paths.data)
    restored = await restore(store, site=site, site_sha256=version_in_force.sha256, gateway=config.gateway.id)
    again = partial(Engine.restore, site=site, site_sha256=version_in_force.sha256, origin=config.gateway.id)
    facts = await meta.read_all(store.database)
    floor = Floor.start(facts.get(floors.NAME), boot=store.opened, boot_id=boot_id())
    clock = Clock.start(last_gt=store.last_gt, off_time=store.off_time, at=store.opened, floor=floor)
    intake = Intake()
    timekeeper = Timekeeper(clock=clock, intake=intake, told=facts, issued=partial(_issued, config))
    pepper = secrets.pepper_to_run_with(digests=site.has_digests) if _credentials(site) else None
    families = _families(config, secrets, site, store, clock, intake, pepper)
    outputs = Outputs(families=families, intake=intake, clock=clock)
    media_server = _media_server(config, secrets, site)
    retention = Retention(
        database=store.database,
        intake=intake,
        clock=clock,
        path=config.paths.media,
        config=config.media,
        order=media_server.order,
        new_clips=media_server.new_clips,
        keepers=lambda: [name for name, state in followers.states().items() if state.keeps_copy],
    )
    footage = Footage(
        server=media_server, intake=intake, clock=clock, cameras=bool(_cameras(site)), upkeep=retention.heard
    )
    journal = Journal(marker=config.paths.run / "acked-before-durable")
    pipeline = Pipeline(
        intake=intake,
        keeper=Keeper(engine=restored.engine, restore=again),
        store=store,
        clock=clock,
        effects=Effects(output=outputs.command, media=footage.ask, unlogged=lambda rows: followers.unlogged(rows)),
        journal=journal,
        site_sha256=version_in_force.sha256,
        ballast=ballast,
        rescuer=Rescuer(store=store, gateway=config.gateway.id, outlets=[outlet.name for outlet in config.outlets]),
    )
    followers = Followers(
        config=config,
        store=store,
        intake=intake,
        clock=clock,
        software=software(),
        trouble=lambda: pipeline.trouble,
        digest=pepper.code if pepper is not None else None,
        storage=retention.storage,
        heard=timekeeper.heard,
        timezone=site.site.timezone,
    )
    await _serve(store, config, clock)
    disks = Disks(
        clock=clock,
        intake=intake,
        paths=[config.paths.data, config.paths.media],
        ballast=ballast,
        database=store.database,
    )
    upkeep = Upkeep(
        store=store,
        config=config.store,
        outlets=lambda: list(followers.states()),
        ballast=ballast,
        intake=intake,
        clock=clock,
    )
    health = Health(progress=lambda: pipeline.progress)
    await _first_facts(store, clock, intake, journal, version_in_force, restored.left_out)
    for subject, kernel_boot, data in await promises.load(store.database):
        try:
            asked = promised(data)
        except (KeyError, TypeError, ValueError):  # rescued from a damaged file: nobody can say what it was
            log.warning("promise.unreadable", subject=subject)
            continue
        if kernel_boot == boot_id():
            footage.ask_again(asked)
        else:  # the machine itself was off: no memory holds those pictures any more
            await intake.tell(lapsed(data, clock))

    watches: list[Service] = [timekeeper, outputs, footage, retention, health, disks, upkeep]
    phases: list[Sequence[Service]] = [[pipeline], watches, followers.services, families]

    def ready() -> None:
        replayed = restored.replayed
        log.info("agent.ready", gateway=config.gateway.id, site=site.site.id, replayed=replayed, epoch=store.epoch)
        notify("READY=1\nSTATUS=watching")

    try:
        await Supervisor(phases=phases, ready=ready).run(stop)
    finally:
        notify("STOPPING=1")
        await pipeline.finish()
    log.info("agent.stopped")


async def _first_facts(
    store: Store, clock: Clock, intake: Intake, journal: Journal, in_force: SiteVersion, left_out: list[str]
) -> None:
    """The start itself is the first fact; then what could not be said when it happened."""
    boot = Boot(
        **clock.header(),
        software=software(),
        epoch=store.epoch,
        off_time=store.off_time,
        clean=store.clean,
        doubted=clock.doubted or None,
    )
    await intake.offer(Input(fact=boot))
    if in_force.version:  # told at each start until it is known to be in the log; the log drops what it has
        header = clock.header()
        header["id"] = ids.derived(store.epoch, "site", in_force.version, in_force.sha256)
        fact = SiteApplied(
            **header, version=in_force.version, sha256=in_force.sha256, who=in_force.who, why=in_force.why
        )
        await intake.offer(Input(fact=fact, repeatable=True))
    for told in await succession.untold(store.database, clock):  # also at each start until the log has them
        await intake.offer(told)
    if left_out:
        reason = f"{len(left_out)} facts of the log failed when they were replayed and were left out"
        failed = EngineFailed(**clock.header(), reason=reason, told=left_out[0][:200], of="the log")
        await intake.offer(Input(fact=failed))
    if journal.left_behind:
        reason = "the agent stopped while acknowledged messages were only in memory"
        gap = LogGap(**clock.header(), count=None, reason=reason)
        await intake.offer(Input(fact=gap, acknowledge=journal.unmark))


def _families(
    config: AgentConfig, secrets: Secrets, site: Site, store: Store, clock: Clock, intake: Intake, pepper: Pepper | None
) -> list[Family]:
    """One line a device family."""
    families: list[Family] = []
    if config.broker is not None:
        from agent.devices.mqtt.adapter import MqttFamily

        password = secrets.get(config.broker.password.secret) if config.broker.password else None
        families.append(
            MqttFamily(
                config=config.broker,
                password=password,
                gateway=config.gateway.id,
                site=site,
                intake=intake,
                database=store.database,
                clock=clock,
                pepper=pepper,
            )
        )
    return families


async def _serve(store: Store, config: AgentConfig, clock: Clock) -> None:
    """Whose copies count, before anything is deleted. A disk that takes no line of it now is asked again by the outlet
    itself; the building waits for neither."""
    try:
        await store.blobs.serve(
            [outlet.name for outlet in config.outlets if outlet.keeps_copy],
            gt=clock.gt(),
            leave=[outlet.name for outlet in config.outlets if not outlet.keeps_copy],
        )
    except StoreError as error:
        log.warning("outlet.store", error=str(error))


def _issued(config: AgentConfig) -> list[int]:
    """When our certificates were issued, wall µs."""
    identities = [outlet.identity for outlet in config.outlets if outlet.identity is not None]
    if not identities:
        return []
    from certs.issued import issued

    return [wall for wall in map(issued, identities) if wall is not None]


def _credentials(site: Site) -> bool:
    """Whether somebody may type a code or show a card in this building."""
    return bool(site.people) or any(device.type in ("keypad", "reader") for device in site.devices)


def _cameras(site: Site) -> list[str]:
    return [device.id for device in site.devices if device.type == "camera"]


def _media_server(config: AgentConfig, secrets: Secrets, site: Site) -> MediaServer:
    cameras = tuple(
        Camera(
            id=device.id,
            name=device.title,
            url=device.rtsp.url,
            user=device.rtsp.user,
            password=secrets.get(device.rtsp.password.secret) if device.rtsp.password else None,
            ring_seconds=config.media.ring_seconds,
        )
        for device in site.devices
        if device.rtsp is not None
    )
    uids = config.media.uids if config.media.uids is not None else [os.getuid()]
    return MediaServer(
        path=config.paths.run / "media.sock",
        configure=Configure(cameras=cameras, media_dir=str(config.paths.media)),
        uids=frozenset(uids),
    )


def _directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"directory {path} cannot be made: {error.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise ConfigError(f"directory {path} cannot be written by this user (uid {os.getuid()})")
