"""The order in which footage goes, against a model that knows only the sentences of the README: whatever is recorded,
synced, held, shared and filled, in whatever order, nothing goes that must stay, and what goes is the oldest of those
that may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from agent.retention import plan as planning
from agent.retention.forecast import figures
from agent.retention.plan import Class, Holding, Need, classify, plan
from agent.retention.room import Level, Room
from agent.store.footage_rows import Piece
from rules.units import DAY

KEEP = 90 * DAY


def holding(incident: str = "a", newest: int = 0, **more: object) -> Holding:
    usual = {"held": False, "unsynced": False, "growing": False, "pieces": (Piece(incident * 8, 10, frozenset()),)}
    return Holding(incident=incident, newest=newest, **(usual | more))  # type: ignore[arg-type]


ROOM = Need(bytes=1, files=0, older_than=-1)


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ({"held": True, "unsynced": True, "growing": True}, Class.HELD),
        ({"held": True}, Class.HELD),
        ({"unsynced": True, "growing": True}, Class.UNSYNCED),
        ({"growing": True}, Class.GROWING),
        ({}, Class.SYNCED),
    ],
)
def test_the_class_decides_before_the_age(marks: dict[str, bool], expected: Class) -> None:
    one = holding(**marks)  # type: ignore[arg-type]
    assert classify(one) is expected
    ancient = Need(bytes=10**9, files=10**6, older_than=10**18)
    assert bool(plan([one], ancient)) == (expected is Class.SYNCED)


def test_age_comes_first_then_room_from_the_oldest_on() -> None:
    every = [holding(name, newest) for newest, name in enumerate("abcdef")]
    gone = plan(reversed(every), Need(bytes=25, files=0, older_than=1))
    assert [(one.incident, one.reason) for one in gone] == [("a", "age"), ("b", "age"), ("c", "space")]
    assert plan(every, Need(bytes=0, files=0, older_than=-1)) == []
    assert len(plan(every, Need(bytes=0, files=2, older_than=-1))) == 2, "a disk may run out of files, too"


def test_what_another_incident_needs_stays_and_counts_as_no_room() -> None:
    shared = Piece("s" * 8, 10, frozenset({"b"}))
    a = holding("a", 1, pieces=(shared, Piece("a" * 8, 10, frozenset())))
    b = holding("b", 2, pieces=(replace(shared, others=frozenset({"a"})),))
    gone = plan([a, b], Need(bytes=15, files=0, older_than=-1))
    assert [(one.incident, one.shas, one.bytes) for one in gone] == [
        ("a", ("a" * 8,), 10),
        ("b", ("s" * 8,), 10),
    ]
    held = plan([a, replace(b, held=True)], Need(bytes=15, files=0, older_than=-1))
    assert [one.shas for one in held] == [("a" * 8,)]


def test_levels() -> None:
    disk, files = Level(capacity=1000, used=905), Level(capacity=100, used=10)
    room = Room(disk=disk, files=files, limit=Level(capacity=500, used=400))
    assert room.reaches(90) and not room.reaches(91)
    assert room.bytes_above(85) == 55 and room.files_above(85) == -75
    assert Room(disk=replace(disk, used=0), files=replace(files, used=95)).reaches(90)
    assert Room(disk=replace(disk, used=0), limit=Level(capacity=500, used=450)).reaches(90)
    assert Room(disk=disk, limit=Level(capacity=500, used=500)).bytes_above(85) == 75, "whichever is fuller"


@pytest.mark.parametrize(
    ("came", "history", "stuck", "days"),
    [
        (0, 7 * DAY, 0, None),  # nothing recorded in a week
        (700, DAY - 1, 0, None),  # too little history
        (100, DAY, 0, 9),
        (700, 7 * DAY, 0, 9),
        (700, 70 * DAY, 0, 9),
        (700, 7 * DAY, 300, 6),
        (1, 7 * DAY, 0, 3650),
        (10**9, 7 * DAY, 0, 0),
    ],
)
def test_days_left(came: int, history: int, stuck: int, days: int | None) -> None:
    room = Room(disk=Level(capacity=1100, used=400))
    found = figures(room, high=90, used=310, stuck=stuck, waiting=0, held=0, came=came, history=history)
    assert found.free == 590 + 310 - stuck
    assert found.days == days


# --- the model -------------------------------------------------------------------------------------------------------


@dataclass
class Recorded:
    """What the model knows of an incident."""

    newest: int
    blobs: set[str]
    held: bool = False
    growing: bool = False


@dataclass
class Site:
    """A disk as somebody would keep it in their head. `check` is the sentences of the README, written another way."""

    capacity: int = 1_000
    now: int = 0
    outside: int = 0  # bytes of others on the same disk
    incidents: dict[str, Recorded] = field(default_factory=dict)
    size: dict[str, int] = field(default_factory=dict)
    synced: set[str] = field(default_factory=set)
    keeps: bool = True

    @property
    def used(self) -> int:
        return self.outside + sum(self.size.values())

    def must_stay(self, name: str) -> bool:
        one = self.incidents[name]
        waiting = self.keeps and any(blob not in self.synced for blob in one.blobs)
        return one.held or waiting or one.growing

    def holdings(self) -> list[Holding]:
        return [
            Holding(
                incident=name,
                newest=one.newest,
                held=one.held,
                unsynced=self.keeps and not one.blobs <= self.synced,
                growing=one.growing,
                pieces=tuple(
                    Piece(blob, self.size[blob], frozenset(self.sharing(blob) - {name})) for blob in sorted(one.blobs)
                ),
            )
            for name, one in self.incidents.items()
        ]

    def sharing(self, blob: str) -> set[str]:
        return {name for name, one in self.incidents.items() if blob in one.blobs}

    def evict(self) -> None:
        """What the retention does, and every step of it judged."""
        short = self.used * 100 >= self.capacity * 90
        need = Need(
            bytes=max(0, self.used - self.capacity * 85 // 100) if short else 0,
            files=0,
            older_than=self.now - KEEP,
        )
        for eviction in plan(self.holdings(), need):
            self.judge(eviction, short=short)
            del self.incidents[eviction.incident]
            for blob in eviction.shas:
                assert not self.sharing(blob), "another incident needs this blob"
                del self.size[blob]
                self.synced.discard(blob)
        may_go = [name for name in self.incidents if not self.must_stay(name)]
        assert all(self.incidents[name].newest > self.now - KEEP for name in may_go), "something too old was left"
        assert not short or not may_go or self.used <= self.capacity * 85 // 100, "there is still too little room"

    def judge(self, eviction: planning.Eviction, *, short: bool) -> None:
        name = eviction.incident
        assert not self.must_stay(name), f"{name} must stay"
        one = self.incidents[name]
        if eviction.reason == "age":
            assert one.newest <= self.now - KEEP
        else:
            assert short and self.used > self.capacity * 85 // 100, "nothing had to go"
            older = [other for other in self.incidents if not self.must_stay(other)]
            assert one.newest == min(self.incidents[other].newest for other in older), "not the oldest"


class Retention(RuleBasedStateMachine):
    """Random incidents, syncs, holds, fills and days."""

    def __init__(self) -> None:
        super().__init__()
        self.site = Site()
        self.made = 0

    def _some(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.site.incidents)))

    @rule(sizes=st.lists(st.integers(20, 150), min_size=1, max_size=3), again=st.booleans(), data=st.data())
    def record(self, sizes: list[int], again: bool, data: st.DataObject) -> None:
        blobs = set()
        for size in sizes:
            self.made += 1
            blobs.add(f"blob-{self.made}")
            self.site.size[f"blob-{self.made}"] = size
        if again and self.site.incidents:
            blobs.add(data.draw(st.sampled_from(sorted(self.site.size))))
        self.site.incidents[f"incident-{self.made:04}"] = Recorded(newest=self.site.now, blobs=blobs)

    @precondition(lambda self: self.site.incidents)
    @rule(data=st.data(), whole=st.sampled_from(["all", "one", "everything"]))
    def sync(self, data: st.DataObject, whole: str) -> None:
        blobs = sorted(self.site.incidents[self._some(data)].blobs)
        self.site.synced |= set(self.site.size if whole == "everything" else blobs if whole == "all" else blobs[:1])

    @precondition(lambda self: self.site.incidents)
    @rule(data=st.data(), held=st.booleans())
    def hold(self, data: st.DataObject, held: bool) -> None:
        self.site.incidents[self._some(data)].held = held

    @precondition(lambda self: self.site.incidents)
    @rule(data=st.data(), growing=st.booleans())
    def grow(self, data: st.DataObject, growing: bool) -> None:
        self.site.incidents[self._some(data)].growing = growing

    @rule(bytes=st.sampled_from([0, 300, 900]))
    def fill_from_outside(self, bytes: int) -> None:
        self.site.outside = bytes

    @rule(days=st.sampled_from([0, 1, 45, 95]))
    def wait(self, days: int) -> None:
        self.site.now += days * DAY

    @rule(keeps=st.booleans())
    def outlets(self, keeps: bool) -> None:
        self.site.keeps = keeps

    @rule()
    def look(self) -> None:
        self.site.evict()

    @invariant()
    def every_named_blob_is_there(self) -> None:
        assert {blob for one in self.site.incidents.values() for blob in one.blobs} <= self.site.size.keys()


def search(examples: int, *phases: Phase) -> None:
    wanted = settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        database=None,
        derandomize=bool(phases),
        phases=phases or tuple(Phase),
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Retention, settings=wanted)


def test_nothing_goes_that_must_stay(pick: object) -> None:
    search(pick(quick=60, ci=300, long=5_000))  # type: ignore[operator]


@contextmanager
def broken(monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(planning, name, value)
        with pytest.raises(AssertionError):
            search(3_000, Phase.generate)  # that there is one is enough; the smallest one would take its time
        yield


def test_the_model_notices_a_plan_without_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The safeguard off: whatever its class, it may go."""
    with broken(monkeypatch, "may_go", lambda _: True):
        pass


def test_the_model_notices_a_hold_that_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    real = planning.classify
    with broken(monkeypatch, "classify", lambda one: real(replace(one, held=False))):
        pass


def test_the_model_notices_shared_blobs_that_go_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    with broken(monkeypatch, "_unneeded", lambda pieces, gone: list(pieces)):
        pass
