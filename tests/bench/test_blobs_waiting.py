"""What leaves next, out of a thousand blobs and out of a million: one look into an index costs the same. Figures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from agent.store.blobs import Blobs
from agent.store.database import Database

# Nine in ten have left already: what has gone must not cost anything either.
_FILL = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {many} - 1)
INSERT INTO blob (sha256, bytes, kind, added, rank, newest, grave)
SELECT printf('%064x', i * 2654435761 % 4294967296 * 1048576 + i), 400000, 'segment', i, i % 4, i / 50, i % 3 = 0 FROM n
"""
_GONE = "INSERT INTO outlet_blob (outlet, sha256, wall) SELECT 'cloud', sha256, 1 FROM blob WHERE added % 10 <> 0"


async def costs(folder: Path, many: int, looks: int) -> tuple[float, float, float]:
    """Milliseconds for the next blob, for the grave ones only, and for an acknowledgement."""
    database = Database(path=folder / f"{many}.db")
    await database.open()
    blobs = Blobs(database=database)
    await blobs.serve(["cloud"], gt=0)
    async with database.transaction() as transaction:
        await transaction.execute_fetchall(_FILL.format(many=many))
        await transaction.execute_fetchall(_GONE)
    await blobs.fill("cloud")
    assert (await blobs.amount("cloud")).blobs == many // 10
    await blobs.waiting("cloud", limit=1)
    next_, grave, acknowledged = [], [], []
    for _ in range(looks):
        began = time.perf_counter()
        (first,) = await blobs.waiting("cloud", limit=1)
        next_.append(time.perf_counter() - began)
        began = time.perf_counter()
        assert await blobs.waiting("cloud", limit=1, grave=True)
        grave.append(time.perf_counter() - began)
        began = time.perf_counter()
        await blobs.acknowledge("cloud", first.sha256, wall=2)
        acknowledged.append(time.perf_counter() - began)
    await database.close()
    return tuple(statistics.median(each) * 1000 for each in (next_, grave, acknowledged))  # type: ignore[return-value]


async def test_the_next_of_a_million(tmp_path: Path, pick: Callable[..., int]) -> None:
    few, many, looks = 1_000, pick(quick=100_000, ci=1_000_000), 15
    small, large = await costs(tmp_path, few, looks), await costs(tmp_path, many, looks)
    print(f"\nwaiting for one outlet        of {few:>9,}   of {many:>9,}   ratio (wanted: about 1)")
    for name, one, other in zip(("the next blob", "the next grave one", "acknowledge"), small, large, strict=True):
        print(f"{name:<28} {one:>9.3f} ms {other:>11.3f} ms {other / one:>9.2f}")
