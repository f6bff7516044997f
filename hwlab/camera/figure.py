"""A person who walks: one sprite for each moment of a step, and one standing still."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hwlab.camera.paint import Array, Canvas, Colour, Point
from hwlab.camera.yuv import Picture, halve

PHASES = 16
STRIDE = 132.0  # drawing units from one sprite cycle to the next
_WIDTH, _HEIGHT = 220.0, 348.0
_HIP, _SOLE = (104.0, 188.0), 331.0
_JACKET: Colour = (0.175, 0.195, 0.225)
_SLEEVE: Colour = (0.145, 0.160, 0.185)
_TROUSERS: Colour = (0.100, 0.108, 0.125)
_FAR: Colour = (0.070, 0.076, 0.088)
_SKIN: Colour = (0.520, 0.420, 0.350)
_BAG: Colour = (0.330, 0.205, 0.130)


@dataclass(frozen=True, slots=True)
class Sprite:
    """Premultiplied planes and their coverage, sides even."""

    y: Array
    u: Array
    v: Array
    cover: Array
    half: Array

    def mirrored(self) -> Sprite:
        return Sprite(*(plane[:, ::-1] for plane in (self.y, self.u, self.v, self.cover, self.half)))

    def lay(self, picture: Picture, left: int, top: int, strength: float = 1.0) -> None:
        """Draw it with its corner at (`left`, `top`), cut at the border of the picture; `strength` 0..1 fades it."""
        left, top = left & ~1, top & ~1
        rows, columns = picture.y.shape
        y0, y1 = max(0, -top), min(self.y.shape[0], rows - top)
        x0, x1 = max(0, -left), min(self.y.shape[1], columns - left)
        if y0 >= y1 or x0 >= x1 or strength <= 0.0:
            return
        for plane, ours, cover, step in (
            (picture.y, self.y, self.cover, 1),
            (picture.u, self.u, self.half, 2),
            (picture.v, self.v, self.half, 2),
        ):
            from_ours = np.s_[y0 // step : y1 // step, x0 // step : x1 // step]
            into = plane[(top + y0) // step : (top + y1) // step, (left + x0) // step : (left + x1) // step]
            into[:] = into * (1.0 - cover[from_ours] * strength) + ours[from_ours] * strength


@dataclass(frozen=True, slots=True)
class Figure:
    """All sprites of a person at one scale; `foot` is the place in a sprite that touches the floor, in pixels."""

    walking: tuple[Sprite, ...]
    standing: Sprite
    shadow: Sprite
    foot: tuple[int, int]

    def sprite(self, travelled: float, *, moving: bool, leftwards: bool) -> Sprite:
        """The sprite after a distance (drawing units)."""
        chosen = self.walking[int(travelled / STRIDE * PHASES) % PHASES] if moving else self.standing
        return chosen.mirrored() if leftwards else chosen


def paint(*, scale: float) -> Figure:
    walking = tuple(_person(scale, math.tau * phase / PHASES, 1.0) for phase in range(PHASES))
    shadow = Canvas(width=_even(_WIDTH * scale), height=_even(36 * scale), scale=scale)
    shadow.fill(shadow.ellipse((_HIP[0], 17), 62, 9, soft=14), (0.03, 0.035, 0.04), 0.5)
    return Figure(walking, _person(scale, 0.0, 0.0), _sprite(shadow), (round(_HIP[0] * scale), round(340 * scale)))


def _even(value: float) -> int:
    return (int(value) + 1) & ~1


def _sprite(canvas: Canvas) -> Sprite:
    red, green, blue = (canvas.pixels[..., index] for index in range(3))
    luma, cover = 0.2126 * red + 0.7152 * green + 0.0722 * blue, canvas.alpha
    half = halve(cover)
    u = 128.0 * half + 224.0 * halve((blue - luma) / 1.8556)
    v = 128.0 * half + 224.0 * halve((red - luma) / 1.5748)
    return Sprite(16.0 * cover + 219.0 * luma, u, v, cover, half)


def _limb(start: Point, length: float, angle: float) -> Point:
    """Where a limb ends; `angle` 0 hangs down, positive is forwards (to the right)."""
    return (start[0] + length * math.sin(angle), start[1] + length * math.cos(angle))


def _person(scale: float, phase: float, stride: float) -> Sprite:
    canvas = Canvas(width=_even(_WIDTH * scale), height=_even(_HEIGHT * scale), scale=scale)
    swing, lift = math.sin(phase) * stride, math.cos(phase) * stride
    far, near = _knee_and_ankle(-swing, -lift), _knee_and_ankle(swing, lift)
    hip = (_HIP[0], _SOLE - max(far[1][1], near[1][1]))  # the lower foot stands on the floor
    neck = (hip[0] + 5, hip[1] - 124)
    shoulder = (hip[0] + 3, hip[1] - 102)
    _leg(canvas, hip, far, _FAR)
    _arm(canvas, shoulder, swing, _FAR)
    canvas.fill(canvas.box(hip[0] - 47, hip[1] - 112, hip[0] - 14, hip[1] - 32, 13), _BAG)
    canvas.fill(canvas.box(hip[0] - 47, hip[1] - 72, hip[0] - 14, hip[1] - 67), (0.23, 0.14, 0.09))
    canvas.fill(canvas.line((shoulder[0], shoulder[1] + 2), (hip[0], hip[1] - 6), 53, 45), _JACKET)
    canvas.fill(canvas.line((neck[0] + 1, neck[1] + 10), (neck[0] + 3, neck[1] - 4), 21), _SKIN)
    canvas.fill(canvas.ellipse((neck[0] + 6, neck[1] - 25), 19, 25), _SKIN)
    canvas.fill(canvas.ellipse((neck[0] - 2, neck[1] - 32), 21, 23), (0.120, 0.130, 0.150))  # the hood
    canvas.fill(canvas.line((neck[0] - 8, neck[1] - 18), (neck[0] - 4, neck[1] + 8), 22, 26), (0.120, 0.130, 0.150))
    _leg(canvas, hip, near, _TROUSERS)
    canvas.fill(canvas.line((hip[0] - 1, hip[1] - 16), (hip[0] - 1, hip[1] - 2), 46, 44), _JACKET)
    _arm(canvas, shoulder, -swing, _SLEEVE)
    return _sprite(canvas)


def _knee_and_ankle(swing: float, lift: float) -> tuple[Point, Point]:
    """Where they are, seen from the hip; `swing` -1..1 is back to front, `lift` > 0 bends the knee."""
    thigh = 0.44 * swing
    knee = _limb((0.0, 0.0), 74, thigh)
    return knee, _limb(knee, 70, thigh - 0.14 * abs(swing) - 0.60 * max(0.0, lift) - 0.02)


def _leg(canvas: Canvas, hip: Point, joints: tuple[Point, Point], colour: Colour) -> None:
    knee, ankle = ((hip[0] + x, hip[1] + y) for x, y in joints)
    canvas.fill(canvas.line(hip, knee, 38, 28), colour)
    canvas.fill(canvas.line(knee, ankle, 27, 19), colour)
    canvas.fill(canvas.line((ankle[0] - 3, ankle[1] + 2), (ankle[0] + 19, ankle[1] + 3), 15, 11), (0.055, 0.060, 0.068))


def _arm(canvas: Canvas, shoulder: Point, swing: float, colour: Colour) -> None:
    elbow = _limb(shoulder, 58, 0.50 * swing)
    hand = _limb(elbow, 52, 0.50 * swing + 0.28)
    canvas.fill(canvas.line(shoulder, elbow, 25, 20), colour)
    canvas.fill(canvas.line(elbow, hand, 20, 16), colour)
    canvas.fill(canvas.ellipse((hand[0], hand[1] + 3), 8, 9), (0.47, 0.38, 0.32))
