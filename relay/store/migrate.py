"""Bring the schema up to date. Alembic is only loaded when there is something to do: a start costs one SELECT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from relay.errors import StoreDamaged

HEAD = "0004"
MIGRATIONS = Path(__file__).parent / "migrations"


def configuration(connection: Connection | None = None) -> Any:
    """Alembic's configuration, made here: there is no ini file to find."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def version(connection: Connection) -> str | None:
    """The schema's version, None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    found = version(connection)
    if found == HEAD:
        return
    from alembic import command
    from alembic.util import CommandError

    try:
        command.upgrade(configuration(connection), "head")
    except CommandError:
        raise _later(found) from None


def known(found: str, *, where: str) -> None:
    """StoreDamaged when a database at `where` has a version that comes after ours."""
    if found > HEAD:  # versions are numbers of four digits
        raise _later(found, where=f" {where}")


def _later(found: str | None, *, where: str = "") -> StoreDamaged:
    return StoreDamaged(
        f"the database{where} is of version {found}, this program knows versions up to {HEAD}: it was used by a later "
        "version; install that one, or restore a backup from before"
    )


async def upgrade(engine: AsyncEngine) -> None:
    """Upgrade to HEAD in one transaction. StoreDamaged for a database of a later version."""
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade)
