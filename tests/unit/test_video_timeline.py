"""The camera's timeline only grows, keeps exact spacing, and knows what boot time a place belongs to."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.video.access_unit import AccessUnit
from agent.video.errors import StorageError
from agent.video.timeline import RESERVED, Reservation, Timeline

SECOND = 1_000_000
FRAME = 40_000


def unit(dts: int, arrival: int) -> AccessUnit:
    return AccessUnit(data=b"x", pts=dts, dts=dts, key=True, arrival=arrival)


def test_spacing_is_the_cameras_and_not_the_networks() -> None:
    timeline = Timeline(base=0)
    delays = [0, 30_000, 5_000, 90_000]
    placed = [timeline.place(unit(n * FRAME, 7 * SECOND + n * FRAME + delay))[0] for n, delay in enumerate(delays)]
    assert [each.dts - placed[0].dts for each in placed] == [0, FRAME, 2 * FRAME, 3 * FRAME]
    assert placed[0].dts == 7 * SECOND


def test_the_fastest_picture_tells_the_delay_of_all() -> None:
    timeline = Timeline(base=0)
    for n, delay in enumerate([500_000, 20_000, 300_000]):
        timeline.place(unit(n * FRAME, 10 * SECOND + n * FRAME + delay))
    # The first was placed at its arrival, 0.48 s later than the second proves it was.
    assert timeline.at(10 * SECOND) == 10 * SECOND + 480_000
    assert timeline.boot_of(timeline.at(12 * SECOND)) == 12 * SECOND


def test_a_reconnect_is_a_jump_forward_by_the_time_that_passed() -> None:
    timeline = Timeline(base=0)
    before, _ = timeline.place(unit(90 * SECOND, 10 * SECOND))
    timeline.interrupted()
    after, fresh = timeline.place(unit(0, 13 * SECOND))
    assert fresh
    assert after.dts - before.dts == 3 * SECOND


def test_a_burst_after_a_stall_is_not_a_jump() -> None:
    timeline = Timeline(base=0)
    timeline.place(unit(0, 10 * SECOND))
    late, fresh = timeline.place(unit(FRAME, 40 * SECOND))
    assert not fresh
    assert late.dts == 10 * SECOND + FRAME


@pytest.mark.parametrize("set_to", [0, 900 * SECOND])
def test_a_camera_that_sets_its_clock_begins_a_new_stretch(set_to: int) -> None:
    timeline = Timeline(base=0)
    before, _ = timeline.place(unit(100 * SECOND, 10 * SECOND))
    after, fresh = timeline.place(unit(set_to, 10 * SECOND + FRAME))
    assert fresh
    assert after.dts - before.dts == FRAME


def test_drift_is_followed_within_two_minutes() -> None:
    timeline = Timeline(base=0)
    for second in range(600):
        # A camera whose clock runs 0.1 % slow: its pictures come later and later by its own count.
        timeline.place(unit(second * 999_000, second * SECOND))
    assert abs(timeline.boot_of(599 * 999_000) - 599 * SECOND) < 130_000


@given(
    st.lists(
        st.tuples(
            st.integers(-20 * SECOND, 60 * SECOND),
            st.integers(0, 30 * SECOND),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_it_never_goes_backwards(steps: list[tuple[int, int, bool]]) -> None:
    timeline = Timeline(base=5)
    dts = arrival = 100 * SECOND
    last = -1
    for step, passed, cut in steps:
        dts, arrival = dts + step, arrival + passed
        if cut:
            timeline.interrupted()
        placed, fresh = timeline.place(unit(dts, arrival))
        assert placed.dts > last or (not fresh and step > 0)
        assert placed.dts > last
        last = placed.dts


def test_a_restarted_worker_continues_later(tmp_path: Path) -> None:
    path = tmp_path / "timeline.json"
    first = Reservation(path)
    first.load(now=1_000 * SECOND)
    assert first.base == 0
    first.extend(now=1_000 * SECOND)
    last_place = 1_000 * SECOND + RESERVED - 1

    rebooted = Reservation(path)
    rebooted.load(now=3 * SECOND)
    assert 3 * SECOND + rebooted.base > last_place


def test_a_reservation_is_extended_only_when_half_is_used(tmp_path: Path) -> None:
    path = tmp_path / "timeline.json"
    reservation = Reservation(path)
    reservation.load(now=0)
    reservation.extend(now=0)
    written = path.read_bytes()
    reservation.extend(now=RESERVED // 2 - 1)
    assert path.read_bytes() == written
    reservation.extend(now=RESERVED // 2 + 1)
    assert path.read_bytes() != written


@pytest.mark.parametrize("content", [b"", b"[]", b'{"reserved":"x"}', b"\xff\x00"])
def test_a_damaged_reservation_counts_as_a_first_start(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "timeline.json"
    path.write_bytes(content)
    reservation = Reservation(path)
    reservation.load(now=5)
    assert reservation.base == 0


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("agent.video.files.os.fsync", full)
    reservation = Reservation(tmp_path / "timeline.json")
    reservation.load(now=0)
    with pytest.raises(StorageError) as caught:
        reservation.extend(now=0)
    assert caught.value.full
    assert list(tmp_path.iterdir()) == []
