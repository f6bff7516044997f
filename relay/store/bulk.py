"""Many rows at once. What SQLAlchemy works out for each row of an INSERT is the same for all of them, and costs more
than the database does: the statement is put into words once, and its rows go to the driver as they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Column, ColumnElement, Executable, Table, Text, any_, bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store import upsert, writer


async def add(
    connection: AsyncConnection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    """INSERT rows whose values stand in the order of `columns`, which is that of the table; each value as the driver
    takes it (text, whole number, bytes, None)."""
    if rows:
        words, order = _insert(connection.dialect.name, table, columns)
        if order != columns:
            raise AssertionError(f"the columns of {table.name} come in the order {order}")
        await _run(connection, words, rows)


async def replace(
    connection: AsyncConnection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    keys: tuple[str, ...],
    keep: tuple[str, ...] = (),
) -> None:
    """INSERT rows that all have the same columns; a row with the same `keys` is overwritten, except its `keep`."""
    if rows:
        words, order = _replace(connection.dialect.name, table, tuple(rows[0]), keys, keep)
        await _run(connection, words, list(map(itemgetter(*order), rows)))


async def change(connection: AsyncConnection, statement: Executable, values: Mapping[str, Any]) -> None:
    """An UPDATE or DELETE with bound values, once."""
    words, order = _plain(connection.dialect.name, statement)
    await _run(connection, words, [tuple(values[name] for name in order)])


async def rows(connection: AsyncConnection, statement: Executable, values: Mapping[str, Any]) -> Sequence[Any]:
    """The rows of a query with bound values, by the place of their columns."""
    quick = writer.of(connection)
    if quick is None:
        return (await connection.execute(statement, dict(values))).all()
    words, order = _plain(connection.dialect.name, statement)
    return quick.rows(words, tuple(values[name] for name in order))


def among(dialect: str, column: Column[str], name: str) -> ColumnElement[bool]:
    """The column's text is one of those bound as `name` (see `texts`): one statement, however many there are."""
    if dialect == "postgresql":
        return column == any_(bindparam(name, type_=ARRAY(Text)))
    return column.in_(select(func.json_each(bindparam(name, type_=Text)).table_valued("value").c.value))


def texts(connection: AsyncConnection, values: Iterable[str]) -> Any:
    """Texts as `among` wants them bound."""
    listed = list(values)
    return listed if connection.dialect.name == "postgresql" else json.dumps(listed, ensure_ascii=False)


async def _run(connection: AsyncConnection, words: str, rows: Sequence[tuple[Any, ...]]) -> None:
    quick = writer.of(connection)
    if quick is not None:
        quick.many(words, rows)
    else:
        await connection.exec_driver_sql(words, list(rows))


def _dialect(name: str) -> Dialect:
    made: Any
    if name == "postgresql":
        from sqlalchemy.dialects.postgresql.asyncpg import dialect as made
    else:
        from sqlalchemy.dialects.sqlite.aiosqlite import dialect as made
    dialect: Dialect = made()
    return dialect


@cache
def _insert(name: str, table: Table, columns: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    return _words(insert(table), name, columns)


@cache
def _replace(
    name: str, table: Table, columns: tuple[str, ...], keys: tuple[str, ...], keep: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    return _words(upsert.statement(name, table, keys, keep, columns), name, columns)


@cache
def _plain(name: str, statement: Executable) -> tuple[str, tuple[str, ...]]:
    compiled: Any = statement.compile(dialect=_dialect(name))  # type: ignore[attr-defined]
    return str(compiled), tuple(compiled.positiontup)


def _words(statement: Any, name: str, columns: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The statement as the driver reads it, and the order in which it wants its values."""
    compiled = statement.compile(dialect=_dialect(name), column_keys=list(columns))
    return str(compiled), tuple(compiled.positiontup)
