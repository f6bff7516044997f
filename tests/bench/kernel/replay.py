"""A stored log through the engine again: records read from a file, understood, and decided anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from rules import wire
from rules.engine import Engine
from rules.events import CodeEntered, ContactClosed, ContactOpened, Event, KeyPressed
from rules.wire.stored import fact as read_back
from tests.bench.kernel import worlds
from tests.bench.kernel.measure import cpu
from tests.bench.kernel.worlds import CODE, PARTITIONS, SECOND, STRIDE, ZONES, header

# An event every half second; of each block the last part is night, when half of the partitions are armed.
BLOCK, NIGHT = 100_000, 70_000


def stored() -> Iterator[Event]:
    """Days and nights without end: doors open and close where nobody armed; what is armed stays quiet."""
    gt = SECOND
    n = 0

    def next_header() -> dict[str, Any]:
        nonlocal n, gt
        n += 1
        gt += SECOND // 2
        return header(n, gt)

    open_now = [False] * ZONES
    free = list(range(ZONES))
    awake = [zone for zone in free if worlds.partition_of(zone) % 2]
    while True:
        for k in range(BLOCK):
            if k == NIGHT:
                for zone in free:
                    if open_now[zone]:
                        open_now[zone] = False
                        yield ContactClosed(**next_header(), device=f"door-{zone}")
                for part in range(0, PARTITIONS, 2):
                    yield KeyPressed(**next_header(), device=f"pad-{part}", key="arm_away")
            those = awake if k > NIGHT else free
            zone = those[k * STRIDE % len(those)]
            open_now[zone] = not open_now[zone]
            kind = ContactOpened if open_now[zone] else ContactClosed
            yield kind(**next_header(), device=f"door-{zone}")
        for part in range(0, PARTITIONS, 2):
            yield CodeEntered(**next_header(), device=f"pad-{part}", digest=CODE, wish="disarm")


def measure(folder: Path, *, count: int) -> dict[str, float]:
    """CPU seconds for `count` stored events, reading included, and how many actions they led to."""
    path = folder / "log.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE log (pos INTEGER PRIMARY KEY, data BLOB NOT NULL)")
    with database:
        rows = ((wire.encode(fact),) for fact in islice(stored(), count))
        database.executemany("INSERT INTO log (data) VALUES (?)", rows)
    engine = Engine(site=worlds.site(worlds.house_document()), site_sha256="0" * 64, origin="bench")
    actions = 0
    replayed = 0

    def run() -> None:
        nonlocal actions, replayed
        step = engine.step
        for (data,) in database.execute("SELECT data FROM log ORDER BY pos"):
            fact = read_back(data)  # as `rules replay` does
            assert isinstance(fact, Event)
            actions += len(step(fact))
            replayed += 1

    took = cpu(run)
    database.close()
    assert replayed == count
    return {"events": count, "cpu_s": round(took, 2), "us_per_event": round(took / count * 1e6, 2), "actions": actions}
