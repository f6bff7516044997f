"""A herd of gateways that lost their relay together and come back within a short time."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.fleet import Figures, Member, quantile, tls
from tests.chaos.ledger import Ledger
from tests.chaos.line_rig import RelayProcess, memory
from tests.integration.relay_rig import Place

ALARMS, RECORDS = 5, 100  # the backlog of each
MEMORY = 1_000_000_000


@pytest.mark.timeout(900)
async def test_a_fleet_comes_back(tmp_path: Path, ledger: Ledger, pick: Callable[..., int]) -> None:
    size, within = pick(quick=40, ci=200, long=1000), pick(quick=2, ci=12, long=60)
    place = Place.found(tmp_path)
    relay = RelayProcess(place=place)
    figures = Figures()
    busy = os.getloadavg()[0]
    ledger.note(load_before=round(busy, 1))
    members = [
        Member(
            name=f"gw-{number}", port=relay.port, context=tls(place, tmp_path, f"gw-{number}"), figures=figures,
            chance=random.Random(ledger.chance.random()),
        )
        for number in range(size)
    ]  # fmt: skip
    await relay.start()
    peak = 0

    async def watch() -> None:
        nonlocal peak
        while True:
            if relay.pid is not None:
                peak = max(peak, memory(relay.pid))
            await asyncio.sleep(0.25)

    async def begin(member: Member, after: float) -> None:
        await asyncio.sleep(after)
        await member.live()

    for member in members:
        member.happens(alarms=1, records=1)
    tasks = [
        asyncio.create_task(begin(member, ledger.chance.uniform(0, within)), name=member.name) for member in members
    ]
    watching = asyncio.create_task(watch(), name="memory")
    try:
        await _all(members, tasks, seconds=within + 240)
        await relay.kill()
        await asyncio.sleep(1)
        for member in members:
            member.happens(alarms=ALARMS, records=RECORDS)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for values in (figures.requests, figures.alarms, figures.records):
            values.clear()
        tasks = [
            asyncio.create_task(begin(member, ledger.chance.uniform(0, within)), name=member.name) for member in members
        ]
        began = time.monotonic()
        await relay.start()
        await _all(members, tasks, seconds=within + 240)
        took = time.monotonic() - began
        ledger.count("gateways", size)
        ledger.note(
            back_within_seconds=within, all_accepted_seconds=round(took, 1),
            request_p50=quantile(figures.requests, 0.5),
            request_p99=quantile(figures.requests, 0.99), request_longest=max(figures.requests),
            alarms_p99=quantile(figures.alarms, 0.99), records_p99=quantile(figures.records, 0.99),
            relay_peak_bytes=peak, attempts_refused=figures.failures, put_off=figures.put_off,
        )  # fmt: skip
        print(ledger.facts)
        assert took < 300
        if busy < (os.cpu_count() or 1):  # how long one waits says nothing where others have the processors
            assert max(figures.requests) < 10
        assert peak < MEMORY
        _stored(relay, members, ledger)
    finally:
        watching.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.wait([*tasks, watching])
        await relay.kill()


async def _all(members: list[Member], tasks: list[asyncio.Task[None]], *, seconds: float) -> None:
    """Wait until everybody has delivered everything; a member's own mistake is raised."""
    end = time.monotonic() + seconds
    while any(member.behind for member in members):
        for task in tasks:
            if task.done():
                task.result()
        assert time.monotonic() < end, f"{sum(member.behind > 0 for member in members)} are behind"
        await asyncio.sleep(0.05)


def _stored(relay: RelayProcess, members: list[Member], ledger: Ledger) -> None:
    """All of it, once, in order, and of each gateway the alarms first."""
    kept = dict(relay.query("SELECT gateway || ' ' || lane, seq FROM lane"))
    for member in members:
        for lane in (member.p0, member.p1):
            ledger.harm("lost", len(lane.records) - kept[f"{member.name} {lane.lane}"])
    counted = dict(relay.query("SELECT l.gateway || ' ' || l.lane, count(*) FROM record r JOIN lane l ON l.id = r.lane"
                               " GROUP BY 1"))  # fmt: skip
    ledger.harm("doubled", sum(counted.values()) - sum(kept.values()))
    late = relay.query(
        "SELECT p0.gateway FROM lane p0 JOIN lane p1 ON p1.gateway = p0.gateway AND p1.lane = 'P1'"
        " WHERE p0.lane = 'P0' AND (SELECT received FROM record WHERE lane = p0.id AND seq = 2) >"
        " (SELECT received FROM record WHERE lane = p1.id AND seq = 2)"
    )
    assert late == [], "their alarms came after their records"
    ledger.count("records", sum(kept.values()))
    assert ledger.harms["lost"] == ledger.harms["doubled"] == 0
