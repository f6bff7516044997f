"""A relay that was restored is asked again for everything it had acknowledged, once for each restore."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.store import doubts
from agent.store.doubts import doubt_all
from agent.store.opening import Store, open_store


async def acknowledged(store: Store, outlet: str) -> int:
    rows = await store.database.read("SELECT count(*) FROM outlet_blob WHERE outlet = ?", (outlet,))
    return int(rows[0][0])


async def test_everything_is_doubted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubts, "SLICE", 2)
    store = await open_store(tmp_path / "log.db", gateway="gw-1")
    try:
        for number in range(5):
            for outlet in ("cloud", "second"):
                await store.blobs.acknowledge(outlet, f"{number:064x}", wall=1)
        assert await doubt_all(store.database, "cloud", restored=7)
        assert (await acknowledged(store, "cloud"), await acknowledged(store, "second")) == (0, 5)
        await store.blobs.acknowledge("cloud", "0" * 64, wall=2)
        assert not await doubt_all(store.database, "cloud", restored=7), "at every hello the relay says it again"
        assert await acknowledged(store, "cloud") == 1
        assert await doubt_all(store.database, "cloud", restored=8)
        assert await acknowledged(store, "cloud") == 0
    finally:
        await store.database.close()
