"""INSERT ... ON CONFLICT in the words of either database; both spell it the same way, SQLAlchemy keeps them apart."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


def insert(connection: AsyncConnection, table: Table) -> Any:
    """An INSERT that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def replacing(connection: AsyncConnection, table: Table, *keys: str, keep: tuple[str, ...] = ()) -> Any:
    """An INSERT that overwrites every column of the row with the same keys, except `keep`."""
    statement = insert(connection, table)
    columns = [column.name for column in table.columns if column.name not in keys and column.name not in keep]
    return statement.on_conflict_do_update(
        index_elements=list(keys), set_={name: statement.excluded[name] for name in columns}
    )
