"""What the tables share: how constraints are called, and the column types that both databases mean alike."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Integer, MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite's STRICT tables know INTEGER, TEXT and BLOB; its autoincrement wants the word INTEGER.
Whole = BigInteger().with_variant(Integer(), "sqlite")
Moment = Whole
STRICT: dict[str, Any] = {"sqlite_strict": True}


def one_of(column: str, *words: str) -> CheckConstraint:
    """The column holds one of these words."""
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in words)})", name=column)
