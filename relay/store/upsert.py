"""INSERT ... ON CONFLICT in the words of either database; both spell it the same way, SQLAlchemy keeps them apart."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


def insert(connection: AsyncConnection, table: Table) -> Any:
    """An INSERT that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def replacing(connection: AsyncConnection, table: Table, *keys: str, keep: tuple[str, ...] = ()) -> Any:
    """An INSERT that overwrites every column of the row with the same keys, except `keep`."""
    return statement(connection.dialect.name, table, keys, keep, tuple(column.name for column in table.columns))


@cache
def statement(
    dialect: str, table: Table, keys: tuple[str, ...], keep: tuple[str, ...], columns: tuple[str, ...]
) -> Any:
    """The same for a dialect by its name, with `columns` alone; made once, as making it costs more than running it."""
    made: Any = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    set_ = {name: made.excluded[name] for name in columns if name not in keys and name not in keep}
    return made.on_conflict_do_update(index_elements=list(keys), set_=set_)
