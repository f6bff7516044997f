"""A relay that is brought up to date: what an older program stored verbatim is understood, and what is secret is hidden
from the first moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import create_engine, insert, select, text

from relay.changes import Changes
from relay.housekeeping import Housekeeping
from relay.store import entries, migrate
from relay.store.database import Database
from relay.store.schema import entry as entry_table
from relay.store.schema import incident as incident_table
from relay.store.schema import metadata, moved, notice
from rules import ids, wire
from rules.incidents import Entry
from tests.integration.web_rig import HandClock, rigged

YESTERDAY = 1_790_000_000_000_000


def made(kind: str, incident: str, lamport: int, **body: Any) -> Entry:
    return Entry(
        id=ids.derived(kind, incident, lamport), kind=f"incident.{kind}", incident=incident, lamport=lamport,
        origin="gw-1", wall=YESTERDAY + lamport, by="Ada", body=body,
    )  # fmt: skip


def opened(incident: str, **body: Any) -> Entry:
    return made("opened", incident, 1, title="A", severity="high", policy="guards", **body)


def old_database(path: Path, listed: list[Entry]) -> None:
    """A database of the first version with these entries, folded by a program that knew fewer kinds."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        command.upgrade(migrate.configuration(connection), "0001")
        connection.execute(
            text("INSERT INTO gateway (id, tenant, site, first_seen, last_seen) VALUES ('gw-1', 'main', 'hq', 1, 1)")
        )
        for incident in {entry.incident for entry in listed}:
            connection.execute(
                text(
                    "INSERT INTO incident (id, gateway, tenant, site, title, severity, state, opened, lamport, arrived,"
                    " updated) VALUES (:id, 'gw-1', 'main', 'hq', 'A', 'high', 'resolved', 1, 1, 1, 1)"
                ),
                {"id": incident},
            )
        for entry in listed:
            values = {
                "id": entry.id, "incident": entry.incident, "gateway": "gw-1", "lamport": entry.lamport,
                "origin": entry.origin, "kind": entry.kind, "wall": entry.wall, "by": entry.by, "received": 1,
                "data": wire.encode(entry),
            }  # fmt: skip
            connection.execute(insert(entry_table).values(**values))
        connection.commit()
    engine.dispose()


async def upgraded(path: Path) -> Database:
    db = Database(url=f"sqlite+aiosqlite:///{path}")
    await db.open()
    return db


async def test_what_came_before_the_upgrade_is_folded_anew(tmp_path: Path) -> None:
    closed = ids.derived("closed")
    parted = ids.derived("parted")
    old_database(
        tmp_path / "relay.db",
        [
            opened(closed), made("resolved", closed, 2, reason="test"), made("closed", closed, 3),
            made("assigned", closed, 4, to="Bo", person="p"),
            opened(parted), made("evidence", parted, 2, evidence={"clip": "c"}),
            made("split", parted, 3, into="other", evidence=[{"clip": "c"}]),
        ],
    )  # fmt: skip
    db = await upgraded(tmp_path / "relay.db")
    try:
        keeper = Housekeeping(db=db, uploads=None, changes=Changes(), clock=HandClock())
        await keeper.refold()
        async with db.read() as connection:
            rows = {row.id: row for row in await connection.execute(select(incident_table))}
            places = (await connection.execute(select(moved))).all()
            assert await connection.scalar(select(notice.c.id)) is None, "nobody is told anew"
        row = rows[closed]
        assert (row.state, row.reason, row.closed_by, row.assignee) == ("closed", "test", "Ada", "Bo")
        assert {row.fold for row in rows.values()} == {entries.FOLD}
        assert rows[parted].clips == 0 and [tuple(place) for place in places] == [(parted, "clip", "c", 0)]
        async with db.write() as connection:
            assert await entries.refold(connection, now=YESTERDAY) == [], "once is enough"
    finally:
        await db.close()


async def test_what_is_secret_is_hidden_before_anything_is_folded(tmp_path: Path) -> None:
    secret, open_one, sly = ids.derived("secret"), ids.derived("open"), ids.derived("sly")
    sly_title = made("opened", sly, 1, title='A title with "covert":true in it', severity="high")
    old_database(tmp_path / "relay.db", [opened(secret, covert=True), opened(open_one), sly_title])
    db = await upgraded(tmp_path / "relay.db")
    try:
        async with db.read() as connection:
            rows = {row.id: row.covert for row in await connection.execute(select(incident_table))}
        assert rows == {secret: 1, open_one: 0, sly: 0}
    finally:
        await db.close()


def test_the_way_back_leaves_the_first_schema(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/relay.db")
    with engine.connect() as connection:
        command.upgrade(migrate.configuration(connection), "0002")
        command.downgrade(migrate.configuration(connection), "0001")
        columns = {row[1] for row in connection.execute(text("PRAGMA table_info(incident)"))}
        assert "covert" not in columns and "merged_into" in columns
    engine.dispose()
    assert "moved" in metadata.tables


async def test_what_is_told_and_what_is_not(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        building = rig.building()
        incident = await building.break_in()
        await building.send(building.entry("incident.cancelled", incident, by="Ada"))
        await building.send(building.entry("incident.evidence", incident, evidence={"clip": "c", "camera": "x"}))
        new = await rig.context.incidents.split(incident=incident, title="Fox", clips=["c"], stills=[], by="Ada")
        await rig.context.incidents.act(incident=new, kind="resolved", by="Ada", reason="unknown")
        await rig.context.incidents.act(incident=new, kind="reopened", by="Ada")
        async with rig.context.db.read() as connection:
            told = await connection.execute(select(notice.c.incident, notice.c.transition).order_by(notice.c.created))
        expected = [(incident, "opened"), (incident, "cancelled"), (new, "reopened")]
        assert [tuple(row) for row in told] == expected, "whoever split it knows of it; later news of it is news"
