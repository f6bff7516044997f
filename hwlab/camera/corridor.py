"""The corridor the camera looks at, at night: painted once, with a few pictures of the door on its way to open."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hwlab.camera import glyphs
from hwlab.camera.paint import Array, Canvas, Colour, Mask, Point
from hwlab.camera.yuv import Picture, from_rgb

WIDTH, HEIGHT = 1280, 720
STAGES = 10  # pictures from closed (0) to open (STAGES - 1)

# The far wall, and the point where the corridor's lines meet.
_WALL = (270.0, 150.0, 1010.0, 560.0)
_VANISH = (640.0, 322.0)
DOOR = (586.0, 216.0, 762.0, 560.0)
CLOCK = (420.0, 262.0, 38.0)
FLOOR_LINE = 578.0
_READER = (792.0, 372.0)
_SWING = math.radians(78.0)
_NIGHT: Colour = (0.105, 0.125, 0.150)


@dataclass(frozen=True, slots=True)
class Corridor:
    """The closed corridor, and for each stage of the door the rectangle (from `corner`) that differs."""

    closed: Picture
    stages: tuple[Picture, ...]
    corner: tuple[int, int]


def paint(*, height: int, title: str) -> Corridor:
    """Paint it for a picture `height` pixels high (16:9); well under a second of work at 720."""
    scale = height / HEIGHT
    width = round(WIDTH * scale)
    noise = np.random.default_rng(7).normal(0.0, 0.3, (height, width)).astype(np.float32)
    room = Canvas(width=width, height=height, scale=scale)
    _room(room)
    x0, y0, x1, y1 = (int(value * scale) & ~1 for value in (400, 46, 1010, HEIGHT))
    stages = []
    for stage in range(STAGES):
        part = Canvas(width=x1 - x0, height=y1 - y0, scale=scale, left=x0 / scale, top=y0 / scale)
        part.copy_from(room)
        _finish(part, stage / (STAGES - 1))
        stages.append(from_rgb(part.pixels, dither=noise[y0:y1, x0:x1]))
    _finish(room, 0.0)
    _caption(room, title)
    closed = from_rgb(room.pixels, dither=noise)
    closed.paste(stages[0], x0, y0)
    return Corridor(closed, tuple(stages), (x0, y0))


def _finish(canvas: Canvas, openness: float) -> None:
    _door(canvas, openness)
    _furniture(canvas)
    _lens(canvas)


def _outward(point: Point, factor: float) -> Point:
    """A point of the far wall moved towards the viewer along the corridor."""
    return (_VANISH[0] + (point[0] - _VANISH[0]) * factor, _VANISH[1] + (point[1] - _VANISH[1]) * factor)


def _room(canvas: Canvas) -> None:
    x0, y0, x1, y1 = _WALL
    near = 3.2
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    far, close = corners, [_outward(corner, near) for corner in corners]
    canvas.pixels[:] = _NIGHT
    canvas.fill(canvas.polygon([close[0], close[1], far[1], far[0]]), (0.150, 0.165, 0.185))  # ceiling
    canvas.fill(canvas.polygon([far[3], far[2], close[2], close[3]]), (0.190, 0.196, 0.205))  # floor
    canvas.fill(canvas.polygon([close[0], far[0], far[3], close[3]]), (0.205, 0.225, 0.245))  # left wall
    canvas.fill(canvas.polygon([far[1], close[1], close[2], far[2]]), (0.190, 0.210, 0.232))  # right wall
    canvas.fill(canvas.box(*_WALL), (0.285, 0.305, 0.322))
    canvas.fill(canvas.box(x0, 440, x1, y1), (0.215, 0.250, 0.275))  # a painted dado, as in every such corridor
    canvas.fill(canvas.box(x0, 437, x1, 441), (0.340, 0.365, 0.385))
    for side in (x0, x1):
        dado = [_outward((side, 440), 1.0), _outward((side, 440), near), _outward((side, y1), near), (side, y1)]
        canvas.fill(canvas.polygon(dado if side == x1 else dado[::-1]), (0.160, 0.190, 0.214))
        canvas.fill(canvas.line((side, 439), _outward((side, 439), near), 3, 9), (0.270, 0.295, 0.315))
    _side_door(canvas, x0, 1.28, 1.72)
    _side_door(canvas, x1, 1.50, 2.05)
    joint: Colour = (0.13, 0.14, 0.15)  # between the slabs of the floor
    for factor in (1.22, 1.60, 2.25):
        canvas.fill(canvas.line(_outward((x0, y1), factor), _outward((x1, y1), factor), 1.6, soft=2), joint)
    for share in (0.25, 0.5, 0.75):
        foot = (x0 + (x1 - x0) * share, y1)
        canvas.fill(canvas.line(foot, _outward(foot, near), 1.0, 3.0, soft=2), joint)
    canvas.fill(canvas.line((x0, y1 - 5), (x1, y1 - 5), 10), (0.120, 0.135, 0.150))
    for side in (x0, x1):
        canvas.fill(canvas.line((side, y1 - 4), _outward((side, y1 - 4), near), 9, 26), (0.105, 0.120, 0.135))
    _lamps(canvas)


def _side_door(canvas: Canvas, side: float, first: float, last: float) -> None:
    """An office door in a side wall, from depth `first` to `last`, seen at an angle."""
    frame = [_outward((side, 226), first), _outward((side, 226), last)]
    frame += [_outward((side, 556), last), _outward((side, 556), first)]
    leaf_first, leaf_last = first + 0.03, last - 0.04
    leaf = [_outward((side, 236), leaf_first), _outward((side, 236), leaf_last)]
    leaf += [_outward((side, 556), leaf_last), _outward((side, 556), leaf_first)]
    turn = 1 if side > _VANISH[0] else -1
    canvas.fill(canvas.polygon(frame[::turn]), (0.125, 0.140, 0.155))
    canvas.fill(canvas.polygon(leaf[::turn]), (0.245, 0.215, 0.180))
    handle = leaf_first + 0.05 if turn == 1 else leaf_last - 0.06
    grip = _outward((side, 396), handle), _outward((side, 396), handle + 0.045)
    canvas.fill(canvas.line(*grip, 7), (0.46, 0.47, 0.48))


def _lamps(canvas: Canvas) -> None:
    x0, y0 = 560.0, _WALL[1]
    for first, last, strength in ((1.10, 1.34, 0.62), (1.75, 2.6, 0.30)):
        panel = [_outward((x0, y0), last), _outward((1280 - x0, y0), last), _outward((1280 - x0, y0), first)]
        panel.append(_outward((x0, y0), first))
        canvas.fill(canvas.polygon(panel, soft=2), (0.80, 0.86, 0.90), strength)
    pool = canvas.glow((640, 200), 470, 300)
    ambient = np.full(canvas.alpha.shape, 0.62, np.float32)
    ambient[pool.window] += 0.75 * pool.values
    canvas.pixels *= ambient[..., None]
    lamp: Colour = (0.85, 0.95, 1.0)
    canvas.light(_times(canvas.glow((640, 120), 300, 120), 0.085), lamp)
    canvas.light(_times(canvas.glow((640, 640), 230, 90, below=_WALL[3]), 0.10), lamp)


def _times(mask: Mask, factor: float) -> Mask:
    return Mask(mask.window, mask.values * factor)


def _door(canvas: Canvas, openness: float) -> None:
    x0, y0, x1, y1 = DOOR
    canvas.fill(canvas.box(x0 - 13, y0 - 13, x1 + 13, y1, 3), (0.150, 0.165, 0.180))
    canvas.fill(canvas.box(x0 - 9, y0 - 9, x1 + 9, y1, 2), (0.330, 0.350, 0.370))
    canvas.fill(canvas.box(x0 - 2, y0 - 2, x1 + 2, y1), (0.060, 0.070, 0.080))
    if openness > 0.0:
        _server_room(canvas, openness)
    angle = openness * _SWING
    free = x0 + (x1 - x0) * math.cos(angle)
    shrink = 1.0 - 0.13 * math.sin(angle)
    top, bottom = (_VANISH[1] + (y - _VANISH[1]) * shrink for y in (y0, y1))
    light = 1.0 - 0.45 * openness
    leaf = canvas.polygon([(x0, y0), (free, top), (free, bottom), (x0, y1)])
    sheen = (0.80 + 0.35 * np.clip((y1 - canvas.y) / (y1 - y0), 0.0, 1.0))[..., None]
    steel: Array = (np.asarray((0.150, 0.285, 0.330), np.float32) * sheen * light).astype(np.float32)
    canvas.fill(leaf, steel)

    def at(u: float, v: float) -> Point:
        """A place on the leaf: `u` from the hinge, `v` from its top, both 0..1."""
        return (x0 + (free - x0) * u, (y0 + (top - y0) * u) * (1 - v) + (y1 + (bottom - y1) * u) * v)

    def panel(u0: float, v0: float, u1: float, v1: float) -> Mask:
        return canvas.polygon([at(u0, v0), at(u1, v0), at(u1, v1), at(u0, v1)])

    canvas.fill(panel(0.05, 0.022, 0.95, 0.978), (0.10 * light, 0.20 * light, 0.24 * light), 0.5)
    canvas.fill(panel(0.07, 0.030, 0.93, 0.970), steel)
    canvas.fill(panel(0.56, 0.10, 0.82, 0.42), (0.075, 0.100, 0.115))
    glass = (0.12 + 0.10 * openness, 0.23 + 0.16 * openness, 0.31 + 0.20 * openness)
    canvas.fill(panel(0.585, 0.112, 0.795, 0.408), glass)
    canvas.fill(panel(0.585, 0.112, 0.70, 0.408), (0.60, 0.75, 0.85), 0.09)
    canvas.fill(panel(0.05, 0.84, 0.95, 0.978), (0.34 * light, 0.37 * light, 0.39 * light), 0.55)
    canvas.fill(canvas.line(at(0.84, 0.545), at(0.84, 0.60), 13), (0.26, 0.28, 0.29))
    canvas.fill(canvas.line(at(0.86, 0.56), at(0.70, 0.56), 7), (0.62 * light, 0.65 * light, 0.67 * light))


def _server_room(canvas: Canvas, openness: float) -> None:
    """What the open door shows: cold light, two rows of racks, and the light that falls into the corridor."""
    x0, y0, x1, y1 = DOOR
    depth = (0.60 + 0.5 * np.exp(-(((canvas.y - 330) / 190) ** 2)))[..., None]
    canvas.fill(canvas.box(x0, y0, x1, y1), (np.asarray((0.27, 0.42, 0.52), np.float32) * depth).astype(np.float32))
    canvas.fill(canvas.box(x0, 520, x1, y1), (0.20, 0.30, 0.36))
    for left, right, upper, lower in ((610, 652, 262, 530), (658, 690, 276, 522), (702, 758, 246, 540)):
        canvas.fill(canvas.box(left, upper, right, lower, 2), (0.055, 0.070, 0.085))
        for row in range(int(upper) + 12, int(lower) - 12, 15):
            canvas.fill(canvas.box(left + 4, row, right - 4, row + 9, 1), (0.115, 0.140, 0.160))
    x_mid, spill = (x0 + x1) / 2, openness**1.4
    fan = canvas.polygon([(x0 + 6, y1), (x1 - 4, y1), (x1 + 150, 760), (x0 - 90, 760)], soft=46)
    y = canvas.y[fan.window[0]]
    fade = np.clip((y - y1) / 6.0, 0.0, 1.0) * np.exp(-np.maximum(y - y1, 0.0) / 120.0)
    cold: Colour = (0.50, 0.80, 1.0)
    canvas.light(Mask(fan.window, fan.values * fade * (0.30 * spill)), cold)
    canvas.light(_times(canvas.glow((x_mid, 400), 150, 190), 0.05 * spill), cold)


def _furniture(canvas: Canvas) -> None:
    x0, y0, x1, _ = DOOR
    canvas.fill(canvas.box(x0 + 14, y0 - 47, x1 - 14, y0 - 21, 4), (0.105, 0.130, 0.150))
    canvas.fill(canvas.box(x0 + 16, y0 - 45, x1 - 16, y0 - 23, 3), (0.150, 0.260, 0.320))
    _write(canvas, "SERVER ROOM", (x0 + x1) / 2, y0 - 34.0, 17, (0.82, 0.88, 0.92))
    rx, ry = _READER
    canvas.fill(canvas.box(rx - 2, ry - 1, rx + 25, ry + 47, 5), (0.13, 0.14, 0.15))
    canvas.fill(canvas.box(rx, ry, rx + 22, ry + 44, 4), (0.085, 0.090, 0.100))
    canvas.fill(canvas.box(rx + 5, ry + 18, rx + 17, ry + 37, 2), (0.130, 0.140, 0.150))
    cx, cy, radius = CLOCK
    canvas.shade(canvas.ellipse((cx + 4, cy + 6), radius + 3, radius + 3, soft=8), 0.75)
    canvas.fill(canvas.ellipse((cx, cy), radius, radius), (0.110, 0.120, 0.130))
    canvas.fill(canvas.ellipse((cx, cy), radius - 4, radius - 4), (0.700, 0.715, 0.715))
    for hour in range(12):
        turn = math.radians(hour * 30)
        start = (cx + math.sin(turn) * (radius - 11), cy - math.cos(turn) * (radius - 11))
        end = (cx + math.sin(turn) * (radius - 7), cy - math.cos(turn) * (radius - 7))
        canvas.fill(canvas.line(start, end, 2.6 if hour % 3 == 0 else 1.5), (0.16, 0.17, 0.18))
    # a fire extinguisher, a notice board and a plant: things that let a person judge size
    canvas.shade(canvas.box(330, 444, 352, 532, 10, soft=8), 0.8)
    canvas.fill(canvas.box(326, 446, 347, 528, 9), (0.440, 0.085, 0.080))
    canvas.fill(canvas.box(329, 452, 333, 520, 2), (0.620, 0.240, 0.220), 0.6)
    canvas.fill(canvas.box(327, 478, 346, 498), (0.560, 0.550, 0.500), 0.8)
    canvas.fill(canvas.box(331, 434, 342, 448, 2), (0.120, 0.125, 0.130))
    canvas.fill(canvas.line((341, 438), (351, 470), 3), (0.090, 0.095, 0.100))
    canvas.fill(canvas.box(850, 250, 962, 336, 2), (0.330, 0.270, 0.200))
    canvas.fill(canvas.box(855, 255, 957, 331), (0.400, 0.350, 0.270))
    for left, upper, right, lower in ((863, 263, 897, 308), (904, 261, 948, 290), (908, 297, 946, 324)):
        canvas.fill(canvas.box(left, upper, right, lower), (0.620, 0.640, 0.620))
    _plant(canvas, (930.0, 566.0))


def _plant(canvas: Canvas, foot: Point) -> None:
    x, y = foot
    canvas.shade(canvas.ellipse((x, y + 6), 52, 11, soft=10), 0.55)
    pot = [(x - 27, y - 58), (x + 27, y - 58), (x + 21, y + 6), (x - 21, y + 6)]
    canvas.fill(canvas.polygon(pot), (0.32, 0.24, 0.20))
    canvas.fill(canvas.box(x - 30, y - 66, x + 30, y - 53, 3), (0.37, 0.28, 0.235))
    leaves = ((-62, 92, 0.9), (58, 86, 0.8), (-34, 132, 1.0), (36, 128, 1.1), (4, 152, 1.05), (-16, 108, 0.8))
    for lean, reach, tone in leaves:
        tip, middle = (x + lean, y - 60 - reach), (x + lean * 0.42, y - 60 - reach * 0.62)
        green = (0.105 * tone, 0.215 * tone, 0.135 * tone)
        canvas.fill(canvas.line((x + lean * 0.05, y - 60), middle, 5, 15), green)
        canvas.fill(canvas.line(middle, tip, 15, 2), green)


def _lens(canvas: Canvas) -> None:
    far = np.hypot((canvas.x - 640) / 640, (canvas.y - 360) / 360)
    canvas.pixels *= (1.0 - 0.30 * np.clip(far - 0.55, 0.0, 1.0) ** 1.5)[..., None]
    canvas.pixels[:] = 1.0 - np.exp(-canvas.pixels * 1.75)


def _caption(canvas: Canvas, title: str) -> None:
    canvas.fill(canvas.box(0, 0, WIDTH, 46), (0.028, 0.033, 0.040), 0.86)
    _write(canvas, title.upper(), 24.0, 23.0, 26, (0.86, 0.88, 0.90), centred=False)


def _write(canvas: Canvas, line: str, x: float, y: float, size: float, colour: Colour, *, centred: bool = True) -> None:
    """Text `size` high whose middle is at `y`, centred on `x` or starting there."""
    cover = glyphs.text(line, round(size * canvas.scale))
    rows, columns = cover.shape
    left = round((x - canvas.left) * canvas.scale) - (columns // 2 if centred else 0)
    top = round((y - canvas.top) * canvas.scale) - rows // 2
    window = (slice(top, top + rows), slice(left, left + columns))
    if top >= 0 and left >= 0 and window[0].stop <= canvas.alpha.shape[0] and window[1].stop <= canvas.alpha.shape[1]:
        canvas.fill(Mask(window, cover), colour)
