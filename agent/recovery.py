"""Bringing the engine back to where the log says it was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import structlog

from agent.clock import wall_now
from agent.config.load import parse_site
from agent.errors import ConfigError
from agent.replay import Replay
from agent.sdnotify import notify
from agent.store import sites, snapshots
from agent.store.opening import Store
from agent.store.sites import SiteVersion
from agent.store.witness import keep_site
from rules import wire
from rules.document.site import Site
from rules.engine import Engine
from rules.errors import SnapshotError, WireError
from rules.events import Boot, Event, ReadingsPacked, SiteApplied
from rules.incidents import Entry
from rules.readings import unpack

log = structlog.get_logger()

_STILL_ALIVE = 5000  # rows between two signs of life to systemd
_EMPTY = "site: {id: unnamed, name: A site without a document}\n"


def stage_site(data: Path, *, text: str, who: str, why: str) -> None:
    """Lay a checked site document ready: the agent puts it into force at its next start. ConfigError when it cannot be
    written."""
    staged = data / "site.next"
    temporary = data / ".site.next.new"
    try:
        data.mkdir(mode=0o750, parents=True, exist_ok=True)
        temporary.write_text(json.dumps({"text": text, "who": who, "why": why}), "utf-8")
        temporary.replace(staged)
    except OSError as error:
        raise ConfigError(f"the site document cannot be laid into {data}: {error.strerror}") from None


async def site_in_force(store: Store, data: Path) -> tuple[SiteVersion, Site]:
    """The newest version of the site document, a staged one included. A staged document that cannot be used stays where
    it is and says why."""
    current = await sites.newest(store.database)
    staged = data / "site.next"
    if staged.exists():
        try:
            waiting = json.loads(staged.read_text("utf-8"))
            text = str(waiting["text"])
            site = parse_site(text, "site.next")
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{staged} cannot be read; remove it or import the site document again") from None
        if current is None or sites.digest(text) != current.sha256:
            number = current.version + 1 if current else 1
            current = SiteVersion(number, sites.digest(text), text, str(waiting["who"]), str(waiting["why"]))
            async with store.database.transaction() as transaction:
                await sites.add(transaction, current, wall=wall_now())
        keep_site(store.database.path, current)
        staged.unlink()
        return current, site
    if current is None:
        log.warning("site.missing", next="import one: nightporter site import site.yaml")
        return SiteVersion(0, sites.digest(_EMPTY), _EMPTY, "", ""), parse_site(_EMPTY, "site")
    keep_site(store.database.path, current)
    return current, parse_site(current.text, f"site document, version {current.version}")


@dataclass(frozen=True, slots=True)
class Restored:
    """The engine, how many rows were replayed, and the kinds of those it failed at, which were left out."""

    engine: Engine
    replayed: int
    left_out: list[str]


async def restore(store: Store, *, site: Site, site_sha256: str, gateway: str) -> Restored:
    """The engine as it was after the newest row: the newest good snapshot, plus a replay without effects of what came
    after it, under the document that was in force then; only then does the new document take over. Without a snapshot
    that can be used, after an upgrade for example, all that the log has is replayed."""
    engine, start, under = await _begin(store, site=site, site_sha256=site_sha256, gateway=gateway)
    await store.log.verify(start, alive=_alive)
    replay = Replay(engine=engine, site=site, under=under, gateway=gateway)
    replayed = 0
    boot: Boot | None = None
    async for data in snapshots.inputs_after(store.database, start):
        facts = _facts(data)
        if facts is None:
            replay.left_out.append("a row that cannot be read")
        for fact in facts or ():
            if isinstance(fact, SiteApplied):
                await _change_document(store, replay, fact.sha256)
            if boot is not None:  # a start is decided under the document that it put into force, told right after it
                replay.step(boot)
            boot = fact if isinstance(fact, Boot) else None
            if boot is None:
                replay.step(fact)
        replayed += 1
        if replayed % _STILL_ALIVE == 0:
            _alive()
    if boot is not None:
        replay.step(boot)
    if replay.under != site_sha256:
        replay.change(site=site, sha256=site_sha256)
    return Restored(replay.engine, replayed, replay.left_out)


def _alive() -> None:
    """The start goes on: systemd is to wait another minute."""
    notify("EXTEND_TIMEOUT_USEC=60000000")


async def _change_document(store: Store, replay: Replay, sha256: str) -> None:
    if sha256 == replay.under:
        return
    version = await sites.by_digest(store.database, sha256)
    if version is None:
        return
    try:
        replay.change(site=parse_site(version.text, f"version {version.version}"), sha256=sha256)
    except ConfigError as error:  # only an older Nightporter could read it
        log.warning("replay.site_unreadable", version=version.version, reason=str(error))


async def _begin(store: Store, *, site: Site, site_sha256: str, gateway: str) -> tuple[Engine, int, str]:
    async for snapshot in snapshots.good(store.database):
        then, then_sha256 = site, site_sha256
        if snapshot.site_sha256 != site_sha256:
            version = await sites.by_digest(store.database, snapshot.site_sha256)
            if version is not None:
                try:
                    then, then_sha256 = parse_site(version.text, f"version {version.version}"), version.sha256
                except ConfigError as error:  # only an older Nightporter could read it
                    log.warning("snapshot.site_unreadable", version=version.version, reason=str(error))
        try:
            engine = Engine.restore(snapshot.data, site=then, site_sha256=then_sha256, origin=gateway)
        except SnapshotError as error:
            log.warning("snapshot.unusable", pos=snapshot.pos, reason=str(error))
        else:
            return engine, snapshot.pos, then_sha256
    if await snapshots.beginning_gone(store.database):
        async for snapshot in snapshots.older(store.database):
            try:
                engine = Engine.restore(
                    snapshot.data, site=site, site_sha256=site_sha256, origin=gateway, older=True
                )
            except SnapshotError as error:
                log.warning("snapshot.unusable", pos=snapshot.pos, reason=str(error))
            else:
                log.warning("snapshot.of_an_older_engine", pos=snapshot.pos)
                return engine, snapshot.pos, site_sha256
        log.error("snapshot.none", reason="the log's beginning is gone, and no older state can be read")
    return Engine(site=site, site_sha256=site_sha256, origin=gateway), 0, site_sha256


def _facts(data: bytes) -> list[Event | Entry] | None:
    """What the engine was given for one row; None when it cannot be read: a row that stays home has no chain that would
    tell a flipped bit, and one reading that is lost must not leave the building unguarded."""
    try:
        record = wire.read(data)
        fact = wire.entry(record) if record.kind.startswith("incident.") else wire.event(record)
        if isinstance(fact, ReadingsPacked):
            return list(unpack(fact))
    except (WireError, ValueError, KeyError) as error:
        log.error("replay.unreadable", reason=str(error))
        return None
    return [] if fact is None else [fact]
