"""The picture: its clock can be read back, and what the scene is told shows where it should."""

from __future__ import annotations

import numpy as np
import pytest

from hwlab.camera.reading import read_clock
from hwlab.camera.scene import Scene, clock_text
from hwlab.camera.yuv import Picture

WALL = 1_795_431_307_123_456  # 2026-11-23 10:55:07.123456 UTC
DOOR = np.s_[230:550, 600:750]
LEFT = np.s_[260:590, 250:350]


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(height=720, title="Test")


def shot(scene: Scene, wall: int = WALL) -> Picture:
    rows, columns = scene.height, scene.width
    picture = Picture(
        np.zeros((rows, columns), np.uint8),
        np.zeros((rows // 2, columns // 2), np.uint8),
        np.zeros((rows // 2, columns // 2), np.uint8),
    )
    scene.draw(picture, wall)
    return picture


def test_clock_text_is_cut_to_tenths() -> None:
    assert clock_text(WALL) == "2026-11-23 10:55:07.1 UTC"
    assert clock_text(999_999) == "1970-01-01 00:00:00.9 UTC"


@pytest.mark.parametrize("wall", [WALL, 0, 1_234_567_890_987_654, 2_000_000_000_000_000, 1_666_666_666_600_000])
def test_the_burnt_in_time_is_read_back(scene: Scene, wall: int) -> None:
    assert read_clock(shot(scene, wall).y) == wall // 100_000 * 100_000


def test_noise_leaves_the_clock_readable_and_a_blank_picture_has_none(scene: Scene) -> None:
    luma = shot(scene).y.astype(np.int16) + np.random.default_rng(1).integers(-20, 20, (720, 1280), dtype=np.int16)
    assert read_clock(np.clip(luma, 0, 255).astype(np.uint8)) == WALL // 100_000 * 100_000
    assert read_clock(np.full((720, 1280), 90, np.uint8)) is None


def test_the_door_opens_in_the_picture(scene: Scene) -> None:
    scene.door, scene.figure = "closed", "away"
    scene.settle()
    before = shot(scene)
    scene.door = "open"
    scene.advance(0.3)
    half = shot(scene)
    scene.advance(0.5)
    after = shot(scene)
    assert np.mean(before.y[DOOR] != half.y[DOOR]) > 0.3
    assert np.mean(half.y[DOOR] != after.y[DOOR]) > 0.3
    assert np.array_equal(before.y[100:700, :350], after.y[100:700, :350]), (
        "the far side of the corridor stays as it was"
    )


def test_the_figure_walks_in_stands_and_goes_inside(scene: Scene) -> None:
    scene.door, scene.figure = "open", "away"
    scene.settle()
    empty = shot(scene)
    scene.figure = "corridor"
    scene.advance(0.1)
    scene.advance(2.3)
    assert np.mean(empty.y[LEFT] != shot(scene).y[LEFT]) > 0.3
    scene.figure = "inside"
    scene.settle()
    gone = shot(scene)
    assert np.array_equal(empty.y, gone.y)


def test_the_second_hand_moves(scene: Scene) -> None:
    face = np.s_[230:300, 385:460]
    assert not np.array_equal(shot(scene, WALL).y[face], shot(scene, WALL + 1_000_000).y[face])
