"""Versions of the site document."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import aiosqlite

from agent.errors import StoreBroken
from agent.store.database import Database


@dataclass(frozen=True, slots=True)
class SiteVersion:
    """One version, as text, with who applied it and why."""

    version: int
    sha256: str
    text: str
    who: str
    why: str


def digest(text: str) -> str:
    """The identity of a document's text."""
    return hashlib.sha256(text.encode()).hexdigest()


async def newest(database: Database) -> SiteVersion | None:
    """The version in force. StoreBroken when its text is not what was written."""
    rows = await database.read(
        "SELECT version, sha256, text, who, why FROM site_document ORDER BY version DESC LIMIT 1"
    )
    return _version(*rows[0]) if rows else None


async def by_digest(database: Database, sha256: str) -> SiteVersion | None:
    """The newest version with this text. StoreBroken when that is not what was written."""
    rows = await database.read(
        "SELECT version, sha256, text, who, why FROM site_document WHERE sha256 = ? ORDER BY version DESC LIMIT 1",
        (sha256,),
    )
    return _version(*rows[0]) if rows else None


def _version(version: int, sha256: str, text: object, who: str, why: str) -> SiteVersion:
    if not isinstance(text, str) or digest(text) != sha256:
        raise StoreBroken(
            f"version {version} of the site document was changed after it was written. "
            "Restore a backup; nothing was overwritten."
        )
    return SiteVersion(version, sha256, text, who, why)


async def add(transaction: aiosqlite.Connection, version: SiteVersion, *, wall: int) -> None:
    """Put a version into force."""
    await transaction.execute_fetchall(
        "INSERT INTO site_document (version, sha256, text, who, why, wall) VALUES (?, ?, ?, ?, ?, ?)",
        (version.version, version.sha256, version.text, version.who, version.why, wall),
    )
