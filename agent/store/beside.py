"""The store read beside the running agent: what a command line looks at. It never writes, migrates or checkpoints."""

from __future__ import annotations

import sqlite3

import aiosqlite

from agent.errors import StoreError
from agent.store.database import Database


class Beside(Database):
    """Only `read` works, page by page: no read lasts, so the agent's checkpoints wait for none."""

    async def open(self) -> None:
        """StoreError when there is no store, or it cannot be read by this user."""
        if not self.path.exists():
            raise StoreError(f"there is no log at {self.path} yet: the agent has not run here")
        try:
            self._reader = await aiosqlite.connect(
                f"file:{self.path}?mode=ro", uri=True, isolation_level=None, timeout=5.0
            )
            await self._reader.execute_fetchall("PRAGMA query_only=ON")
        except sqlite3.Error as error:
            raise StoreError(f"{self.path} cannot be read: {error}; run this as the agent's user") from None
