"""People who may sign in. A name is unique whatever its case; the display name is what others read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.access.errors import Invalid
from relay.store.schema import person as table

Role = Literal["viewer", "guard", "admin"]
ROLES: tuple[str, ...] = get_args(Role)
_NAME = re.compile(r"[\w.@+-]{2,60}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One account. `created` and `disabled` are wall µs."""

    id: str
    name: str
    display: str
    role: str
    created: int
    disabled: int | None

    @property
    def initials(self) -> str:
        """One or two letters that stand for the person."""
        words = [word for word in re.split(r"[\W_]+", self.display) if word]
        return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)).upper() or "?"


def from_row(row: Row[tuple[object, ...]]) -> Person:
    """The person in a row of the table."""
    found = row._mapping
    return Person(**{name: found[name] for name in ("id", "name", "display", "role", "created", "disabled")})


def check_name(text: str) -> str:
    """The sign-in name as it is kept. Invalid says what is allowed."""
    name = text.strip().casefold()
    if not _NAME.fullmatch(name):
        raise Invalid("name", "A sign-in name has 2 to 60 letters, digits or . _ - @ + and no spaces.")
    return name


def check_display(text: str) -> str:
    """The display name as it is kept: one line, 1 to 80 characters that can be seen."""
    display = " ".join(text.split())
    if not 1 <= len(display) <= 80 or not display.isprintable():
        raise Invalid("display", "A display name has 1 to 80 characters on one line.")
    return display


def check_role(text: str) -> str:
    """One of the roles. Invalid names them."""
    if text not in ROLES:
        raise Invalid("role", f"Choose a role: {', '.join(ROLES)}.")
    return text


async def any_exist(connection: AsyncConnection) -> bool:
    """Whether any account exists."""
    return bool(await connection.scalar(select(func.count()).select_from(table)))


async def add(
    connection: AsyncConnection, *, id: str, name: str, display: str, role: str, password_hash: str, now: int
) -> Person:
    """Make an account from checked values. Invalid when the name is taken."""
    values = {"id": id, "name": name, "display": display, "role": role, "created": now}
    try:
        await connection.execute(insert(table).values(**values, password_hash=password_hash))
    except IntegrityError:
        raise Invalid("name", f"Somebody is called {name} already. Choose another sign-in name.") from None
    return Person(id=id, name=name, display=display, role=role, created=now, disabled=None)


async def everybody(connection: AsyncConnection) -> list[Person]:
    """All accounts, by display name."""
    rows = await connection.execute(select(table).order_by(func.lower(table.c.display), table.c.id))
    return [from_row(row) for row in rows]


async def load(connection: AsyncConnection, id: str) -> Person | None:
    """The account with this id."""
    row = (await connection.execute(select(table).where(table.c.id == id))).one_or_none()
    return from_row(row) if row else None


async def credentials(connection: AsyncConnection, name: str) -> tuple[Person, str] | None:
    """The account that may sign in under this name, with its passphrase hash; None for nobody and for the disabled."""
    query = select(table).where(table.c.name == name.strip().casefold(), table.c.disabled.is_(None))
    row = (await connection.execute(query)).one_or_none()
    return (from_row(row), row.password_hash) if row else None


async def set_passphrase(connection: AsyncConnection, id: str, password_hash: str) -> None:
    """Replace the passphrase hash of an account."""
    await connection.execute(update(table).where(table.c.id == id).values(password_hash=password_hash))


async def set_disabled(connection: AsyncConnection, id: str, at: int | None) -> None:
    """Close an account at a moment (wall µs), or open it again (None). Its entries and its name stay."""
    await connection.execute(update(table).where(table.c.id == id).values(disabled=at))
