"""What the retention reads and changes: what there is, what may go, what was marked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from agent.store.blobs import NOBODY_KEEPS, synced
from agent.store.database import Database
from agent.store.footage import HOUR, Going, came

# What no manifest names waits for nobody.
_UNSYNCED = (
    f"(NOT {NOBODY_KEEPS} AND NOT {synced('f.sha256')}"  # noqa: S608 - conditions of ours
    " AND EXISTS (SELECT 1 FROM blob AS named WHERE named.sha256 = f.sha256))"
)
TOTALS = "SELECT blobs, bytes FROM footage_total"
# Bytes that may not be deleted: on hold, waiting for an outlet, or of a clip that still grows.
STUCK = (
    "SELECT coalesce(sum(CASE WHEN h.incident IS NOT NULL THEN coalesce(i.bytes, 0) END), 0),"
    " coalesce(sum(i.waiting), 0),"
    " coalesce(sum(CASE WHEN h.incident IS NOT NULL OR i.synced = 0 THEN coalesce(i.bytes, 0) END), 0)"
    " FROM footage_incident AS i LEFT JOIN footage_hold AS h ON h.incident = i.incident"
)
CAME = "SELECT coalesce(sum(bytes), 0) FROM footage_hour WHERE hour >= ?"


@dataclass(frozen=True, slots=True)
class Stuck:
    """Bytes on hold, bytes that wait for an outlet, and bytes that may not be deleted for either reason."""

    held: int
    waiting: int
    all: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A blob of an incident; `others` are the further incidents that need it."""

    sha256: str
    bytes: int
    others: frozenset[str]


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A blob as its row says: size, the gateway time at which it came, and whether it is marked to be deleted."""

    bytes: int
    came: int
    going: bool


class FootageRows:
    """Errors are the database's."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def keepers(self) -> list[str]:
        """The outlets that keep a copy. What one of them holds is synced; without any, all is."""
        return [str(row[0]) for row in await self._database.read("SELECT name FROM media_outlet ORDER BY name")]

    async def total(self) -> tuple[int, int]:
        """Blobs and bytes on the disk, as far as rows know."""
        (row,) = await self._database.read(TOTALS)
        return int(row[0]), int(row[1])

    async def stuck(self) -> Stuck:
        """What may not be deleted, as of the last count."""
        (row,) = await self._database.read(STUCK)
        return Stuck(*map(int, row))

    async def came(self, *, since: int) -> int:
        """Bytes of footage that came after a gateway time (to the hour)."""
        (row,) = await self._database.read(CAME, (since // HOUR,))
        return int(row[0])

    async def held(self) -> dict[str, str]:
        """Incidents on hold, and why."""
        rows = await self._database.read("SELECT incident, reason FROM footage_hold")
        return {str(row[0]): str(row[1]) for row in rows}

    async def growing(self, *, since: int) -> set[str]:
        """Incidents with a clip that was opened after a gateway time and is not sealed."""
        rows = await self._database.read("SELECT incident FROM footage_clip WHERE open > ?", (since,))
        return {str(row[0]) for row in rows}

    async def changed(self, *, limit: int) -> list[str]:
        """Incidents that got or lost footage since they were counted."""
        rows = await self._database.read(
            "SELECT incident FROM footage_incident WHERE synced = 0 AND bytes IS NULL LIMIT ?", (limit,)
        )
        return [str(row[0]) for row in rows]

    async def unsynced(self, *, after: str, limit: int) -> list[str]:
        """Incidents that wait for an outlet as far as is known, in the order of their ids."""
        rows = await self._database.read(
            "SELECT incident FROM footage_incident WHERE synced = 0 AND incident > ? ORDER BY incident LIMIT ?",
            (after, limit),
        )
        return [str(row[0]) for row in rows]

    async def count(self, incidents: Sequence[str]) -> None:
        """Count what these incidents have on the disk, and what of it waits for an outlet."""
        rows = await self._database.read(
            "SELECT n.value, coalesce(sum(f.bytes), 0),"  # noqa: S608 - a condition of ours
            f" coalesce(sum(CASE WHEN {_UNSYNCED} THEN f.bytes ELSE 0 END), 0)"
            " FROM json_each(?1) AS n LEFT JOIN footage AS f"
            " ON f.sha256 IN (SELECT sha256 FROM footage_use WHERE incident = n.value) GROUP BY n.value",
            (json.dumps(list(incidents)),),
        )
        changes = [(int(row[1]), int(row[2]), int(row[2] == 0), str(row[0])) for row in rows]
        known = await self._database.read(
            "SELECT incident, bytes, waiting, synced FROM footage_incident"
            " WHERE incident IN (SELECT value FROM json_each(?))",
            (json.dumps(list(incidents)),),
        )
        before = {str(row[0]): (row[1], row[2], row[3]) for row in known}
        fresh = [change for change in changes if before.get(change[3]) != change[:3]]
        if fresh:
            async with self._database.transaction() as transaction:
                await transaction.executemany(
                    "UPDATE footage_incident SET bytes = ?, waiting = ?, synced = ? WHERE incident = ?", fresh
                )

    async def recount(self) -> None:
        """Other outlets keep copies now than before: nothing is known to be synced until it is counted."""
        async with self._database.transaction() as transaction:
            await transaction.execute_fetchall("UPDATE footage_incident SET synced = 0 WHERE synced <> 0")

    async def oldest(self, *, limit: int, after: tuple[int, str] = (-1, "")) -> list[tuple[str, int]]:
        """Incidents that were all synced when last counted and the gateway time of their newest footage, oldest first,
        beyond (newest, incident)."""
        rows = await self._database.read(
            "SELECT incident, newest FROM footage_incident WHERE synced = 1 AND (newest, incident) > (?, ?)"
            " ORDER BY newest, incident LIMIT ?",
            (*after, limit),
        )
        return [(str(row[0]), int(row[1])) for row in rows]

    async def pieces(self, incident: str) -> tuple[tuple[Piece, ...], bool]:
        """The blobs of an incident, and whether any of them waits for an outlet."""
        rows = await self._database.read(
            f"SELECT f.sha256, f.bytes, {_UNSYNCED},"  # noqa: S608 - a condition of ours
            " (SELECT json_group_array(DISTINCT x.incident) FROM footage_use AS x"
            "  WHERE x.sha256 = f.sha256 AND x.incident <> ?1)"
            " FROM footage AS f WHERE f.sha256 IN (SELECT sha256 FROM footage_use WHERE incident = ?1)",
            (incident,),
        )
        pieces = tuple(Piece(str(row[0]), int(row[1]), frozenset(json.loads(row[3]))) for row in rows)
        return pieces, any(row[2] for row in rows)

    async def holders(self, shas: Sequence[str]) -> tuple[str, ...]:
        """The outlets, of those that keep a copy, that hold every one of these blobs."""
        rows = await self._database.read(
            "SELECT m.name FROM media_outlet AS m WHERE NOT EXISTS (SELECT 1 FROM json_each(?1) AS b WHERE NOT EXISTS"
            " (SELECT 1 FROM outlet_blob AS o WHERE o.outlet = m.name AND o.sha256 = b.value)) ORDER BY m.name",
            (json.dumps(list(shas)),),
        )
        return tuple(str(row[0]) for row in rows)

    async def mark(self, going: Going, shas: Sequence[str]) -> bool:
        """Phase one: durable that these blobs are to be deleted. False, and nothing is marked, when meanwhile a hold
        came, a clip grows, or the incident got more footage."""
        async with self._database.transaction() as transaction:
            rows = list(
                await transaction.execute_fetchall(
                    "SELECT synced FROM footage_incident AS i WHERE incident = ?1 AND newest <= ?2 AND synced = 1"
                    " AND NOT EXISTS (SELECT 1 FROM footage_hold WHERE incident = i.incident)",
                    (going.incident, going.marked),
                )
            )
            if not rows:
                return False
            await transaction.execute_fetchall(
                "INSERT OR REPLACE INTO footage_going (incident, marked, reason, blobs, bytes, held_by)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (going.incident, going.marked, going.reason, going.blobs, going.bytes, json.dumps(going.held_by)),
            )
            await transaction.executemany(
                "UPDATE footage SET going = ? WHERE sha256 = ?", [(going.marked, sha256) for sha256 in shas]
            )
        return True

    async def leaving(self) -> list[Going]:
        """What was marked and is not told as gone yet, oldest mark first."""
        rows = await self._database.read(
            "SELECT incident, marked, reason, blobs, bytes, held_by FROM footage_going ORDER BY marked, incident"
        )
        return [Going(row[0], row[1], row[2], row[3], row[4], tuple(json.loads(row[5]))) for row in rows]

    async def marked(self, incident: str, *, limit: int = 5000) -> list[str]:
        """The blobs of an incident that are marked."""
        rows = await self._database.read(
            "SELECT DISTINCT f.sha256 FROM footage_use AS u JOIN footage AS f ON f.sha256 = u.sha256"
            " WHERE u.incident = ? AND f.going IS NOT NULL LIMIT ?",
            (incident, limit),
        )
        return [str(row[0]) for row in rows]

    async def known(self, after: str, until: str) -> dict[str, OnDisk]:
        """Rows beyond the first name and up to the second."""
        rows = await self._database.read(
            "SELECT sha256, bytes, came, going FROM footage WHERE sha256 > ? AND sha256 <= ?", (after, until)
        )
        return {str(row[0]): OnDisk(int(row[1]), int(row[2]), row[3] is not None) for row in rows}

    async def adopt(self, found: Sequence[tuple[str, int]], *, gt: int) -> None:
        """Give rows to files that nothing names: they are as old as this moment, and wait for nobody."""
        async with self._database.transaction() as transaction:
            await came(transaction, found, subject="", incidents=[f"found-{gt}"], gt=gt)

    async def forget(self, shas: Sequence[str]) -> None:
        """These files are not there any more. An outlet that still waits for one goes on looking for it: a disk may be
        mounted late."""
        names = (json.dumps(list(shas)),)
        async with self._database.transaction() as transaction:
            for table in ("footage", "footage_use"):
                await transaction.execute_fetchall(
                    f"DELETE FROM {table} WHERE sha256 IN (SELECT value FROM json_each(?))",  # noqa: S608 - two constants
                    names,
                )

    async def forget_hours(self, *, before: int) -> None:
        """Hours that no figure needs any more."""
        async with self._database.transaction() as transaction:
            await transaction.execute_fetchall("DELETE FROM footage_hour WHERE hour < ?", (before // HOUR,))
