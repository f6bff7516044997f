"""Watchers are told what changed, together when they are slow, and to start anew when it is too much."""

from __future__ import annotations

from relay.changes import MOST_IDS, Change, Changes


async def test_notices_of_a_slow_watcher_are_merged() -> None:
    changes = Changes()
    with changes.subscribe() as watcher:
        changes.publish(incidents=["a"])
        changes.publish(incidents=["b"], clips=["c"])
        assert await watcher.next() == Change(incidents=frozenset("ab"), clips=frozenset("c"))
        assert await watcher.next(0) == Change()
    assert changes.watchers == 0


async def test_too_much_becomes_a_resync() -> None:
    changes = Changes()
    with changes.subscribe() as watcher:
        changes.publish(incidents=[str(n) for n in range(MOST_IDS)])
        changes.publish(gateways=["gw-1"])
        changes.publish(incidents=["late"])
        assert await watcher.next() == Change(resync=True)
        changes.publish(incidents=["after"])
        assert await watcher.next() == Change(incidents=frozenset(["after"]))


async def test_the_end_ends_every_watcher() -> None:
    changes = Changes()
    with changes.subscribe() as one:
        changes.publish(incidents=["a"])
        changes.close()
        assert await one.next() is None
        with changes.subscribe() as late:
            assert await late.next() is None


async def test_nothing_is_no_notice() -> None:
    changes = Changes()
    with changes.subscribe() as watcher:
        changes.publish()
        assert not await watcher.next(0)
