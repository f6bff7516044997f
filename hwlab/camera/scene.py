"""What the camera sees now: the corridor, its door, who walks there, and the time burnt into the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

import numpy as np

from hwlab.camera import corridor, figure, glyphs
from hwlab.camera.paint import Canvas
from hwlab.camera.yuv import Picture

DoorState = Literal["closed", "open"]
Place = Literal["away", "corridor", "door", "inside"]
DOOR_STATES: tuple[DoorState, ...] = get_args(DoorState)
PLACES: tuple[Place, ...] = get_args(Place)

CAPTION_HEIGHT, CAPTION_MIDDLE, CAPTION_RIGHT = 26, 23, 1256
CLOCK_TEXT = "0000-00-00 00:00:00.0 UTC"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SPEED = 190.0  # drawing units a second
_DOOR_SECONDS = 0.7
_FADE_SECONDS = 0.5
_X: dict[Place, float] = {"away": -150.0, "corridor": 300.0, "door": 512.0, "inside": 672.0}
_FLOOR = 592.0
_LEDS = ((632, 300), (640, 330), (630, 390), (667, 318), (681, 362), (664, 452), (713, 276), (742, 306), (728, 381))
_TEXT_LUMA = 214.0


@dataclass(frozen=True, slots=True)
class Caption:
    """Where the clock text lies, in pixels; the reader of the clock uses the same figures."""

    left: int
    top: int
    height: int
    cell: int


def caption(height: int) -> Caption:
    scale = height / corridor.HEIGHT
    size = round(CAPTION_HEIGHT * scale)
    cell = glyphs.cell_width(size)
    return Caption(
        round(CAPTION_RIGHT * scale) - cell * len(CLOCK_TEXT), round(CAPTION_MIDDLE * scale) - size // 2, size, cell
    )


def clock_text(wall: int) -> str:
    """Wall time (µs since the epoch) as it is burnt in: UTC, to the tenth of a second (cut, not rounded)."""
    moment = _EPOCH + timedelta(microseconds=wall)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 100_000} UTC"


class Scene:
    """Moves by `advance`, draws by `draw`; set `door` and `figure` to where things should go."""

    def __init__(self, *, height: int, title: str) -> None:
        self.height = height
        self.width = round(corridor.WIDTH * height / corridor.HEIGHT)
        self.door: DoorState = "closed"
        self.figure: Place = "away"
        self._scale = height / corridor.HEIGHT
        self._corridor = corridor.paint(height=height, title=title)
        self._person = figure.paint(scale=self._scale)
        self._caption = caption(height)
        self._openness = 0.0
        self._x = _X["away"]
        self._presence = 1.0
        self._travelled = 0.0
        self._moving = self._leftwards = False
        left, top, size = self._caption.left, self._caption.top, self._caption.height
        self._strip = self._corridor.closed.y[top : top + size, left:].astype(np.float32)

    def settle(self) -> None:
        """Put everything where it is going, at once."""
        self._openness = 1.0 if self.door == "open" else 0.0
        self._x, self._moving = _X[self.figure], False
        self._presence = 0.0 if self.figure == "inside" else 1.0

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        step = seconds / _DOOR_SECONDS
        self._openness = min(1.0, self._openness + step) if self.door == "open" else max(0.0, self._openness - step)
        distance = _X[self.figure] - self._x
        fade = seconds / _FADE_SECONDS
        if self.figure == "inside" and abs(distance) < 1.0:
            self._presence = max(0.0, self._presence - fade)
        elif self._presence < 1.0:
            self._presence = min(1.0, self._presence + fade)
            return
        self._moving = abs(distance) > 1.0
        if self._moving:
            self._leftwards = distance < 0.0
            move = math.copysign(min(abs(distance), _SPEED * seconds), distance)
            self._x += move
            self._travelled += abs(move)

    def draw(self, into: Picture, wall: int) -> None:
        """Fill a picture of our size with the scene at a wall time (µs since the epoch)."""
        for plane, ours in zip((into.y, into.u, into.v), self._planes, strict=True):
            np.copyto(plane, ours)
        stage = round(self._openness * (corridor.STAGES - 1))
        if stage:
            into.paste(self._corridor.stages[stage], *self._corridor.corner)
        if stage > corridor.STAGES // 2:
            self._draw_leds(into, wall)
        self._draw_reader(into, wall)
        self._draw_hands(into, wall)
        self._draw_person(into)
        self._draw_time(into, wall)

    @property
    def _planes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        closed = self._corridor.closed
        return closed.y, closed.u, closed.v

    def _draw_leds(self, into: Picture, wall: int) -> None:
        for index, (x, y) in enumerate(_LEDS):
            lit = (wall // 170_000 * (index * 7 + 3)) % 11 < 6
            self._spot(into, x, y, 5, (150, 110, 70) if lit else (70, 120, 118))

    def _draw_reader(self, into: Picture, wall: int) -> None:
        """The card reader's light: green while the door is open, else red, breathing slowly."""
        breath = 0.5 + 0.5 * math.sin(math.tau * (wall % 3_000_000) / 3_000_000)
        colour = (150, 95, 85) if self.door == "open" else (60 + int(40 * breath), 112, 150 + int(50 * breath))
        self._spot(into, 799, 381, 8, colour)

    def _spot(self, into: Picture, x: float, y: float, size: float, yuv: tuple[int, int, int]) -> None:
        left, top, side = (int(value * self._scale) & ~1 for value in (x, y, size))
        half = np.s_[top // 2 : (top + side) // 2, left // 2 : (left + side) // 2]
        into.y[top : top + side, left : left + side] = yuv[0]
        into.u[half], into.v[half] = yuv[1], yuv[2]

    def _draw_hands(self, into: Picture, wall: int) -> None:
        cx, cy, radius = corridor.CLOCK
        side = int(2 * radius * self._scale) & ~1
        left, top = (int(value * self._scale) & ~1 for value in (cx - radius, cy - radius))
        face = Canvas(width=side, height=side, scale=self._scale, left=left / self._scale, top=top / self._scale)
        seconds = wall / 1_000_000
        for turn, length, width, luma in (
            (seconds / 43_200 % 1, 17.0, 4.0, 34.0),
            (seconds / 3_600 % 1, 25.0, 3.0, 34.0),
            (seconds / 60 % 1, 28.0, 1.8, 70.0),
        ):
            angle = math.tau * turn
            tip = (cx + math.sin(angle) * length, cy - math.cos(angle) * length)
            mask = face.line((cx, cy), tip, width)
            plane = into.y[top : top + side, left : left + side][mask.window]
            plane[:] = plane + (luma - plane) * mask.values

    def _draw_person(self, into: Picture) -> None:
        left = round(self._x * self._scale) - self._person.foot[0]
        floor = round(_FLOOR * self._scale)
        self._person.shadow.lay(into, left, floor - round(17 * self._scale), self._presence)
        sprite = self._person.sprite(self._travelled, moving=self._moving, leftwards=self._leftwards)
        sprite.lay(into, left, floor - self._person.foot[1], self._presence)

    def _draw_time(self, into: Picture, wall: int) -> None:
        place = self._caption
        cover = glyphs.text(clock_text(wall), place.height)
        strip = self._strip[:, : cover.shape[1]]
        into.y[place.top : place.top + place.height, place.left : place.left + cover.shape[1]] = (
            strip + (_TEXT_LUMA - strip) * cover
        )
