"""Proof at the far end: every segment fetched back with its own SHA-256, the clip decodable, the pre-roll as asked."""

from __future__ import annotations

import asyncio
import hashlib
import io
from dataclasses import dataclass
from typing import Any

from hwlab.demo.estate import POST_ROLL, PRE_ROLL
from hwlab.demo.visitor import Visitor
from hwlab.demo.witness import Seen
from hwlab.errors import LabError

_SLACK = 0.5  # seconds a clip may miss at its ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was found; `problems` empty means proven."""

    segments: int
    frames: int
    pre_roll: float  # seconds before the cause
    post_roll: float
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {
            "segments": self.segments,
            "frames": self.frames,
            "pre_roll_s": round(self.pre_roll, 3),
            "post_roll_s": round(self.post_roll, 3),
            "problems": list(self.problems),
        }


async def prove(seen: Seen, visitor: Visitor) -> Proof:
    """Fetch the clip of an incident as its player would, and check all of it."""
    problems: list[str] = []
    if seen.clip is None or not seen.segments:
        return Proof(segments=0, frames=0, pre_roll=0, post_roll=0, problems=("there is no clip at the cloud relay",))
    parts: dict[str, list[bytes]] = {}
    inits: list[str] = []
    for n, (sha256, init, _, _) in enumerate(seen.segments):
        if init not in parts:
            part = len(inits)
            inits.append(init)
            parts[init] = [await _fetch(visitor, f"/clips/{seen.clip}/init/{part}", init, problems)]
        parts[init].append(await _fetch(visitor, f"/clips/{seen.clip}/segments/{n}", sha256, problems))
    frames = 0
    for pieces in parts.values():
        try:
            frames += await asyncio.to_thread(_decode, b"".join(pieces))
        except LabError as error:
            problems.append(str(error))
    first, last = seen.segments[0], seen.segments[-1]
    pre, post = (seen.mark - first[2]) / 1e6, (last[2] + last[3] - seen.mark) / 1e6
    if pre < PRE_ROLL - _SLACK or (seen.mark - seen.start) / 1e6 < PRE_ROLL - _SLACK:
        problems.append(f"the clip begins {pre:.2f} s before its cause, {PRE_ROLL} s were asked for")
    if post < POST_ROLL - _SLACK:
        problems.append(f"the clip ends {post:.2f} s after its cause, {POST_ROLL} s were asked for")
    if seen.reason != "complete":
        problems.append(f"the clip was sealed as {seen.reason}")
    for before, after in zip(seen.segments, seen.segments[1:], strict=False):
        if abs(before[2] + before[3] - after[2]) > 200_000:
            problems.append(f"a hole of {(after[2] - before[2] - before[3]) / 1e6:.2f} s between two segments")
    return Proof(segments=len(seen.segments), frames=frames, pre_roll=pre, post_roll=post, problems=tuple(problems))


async def _fetch(visitor: Visitor, path: str, sha256: str, problems: list[str]) -> bytes:
    try:
        data = await visitor.fetch(path)
    except LabError as error:
        problems.append(str(error))
        return b""
    if hashlib.sha256(data).hexdigest() != sha256:
        problems.append(f"{path} has other bytes than its name says")
    return data


def _decode(data: bytes) -> int:
    """The number of frames that can be decoded."""
    import av

    try:
        with av.open(io.BytesIO(data), "r", format="mp4") as container:
            frames = len([frame.pts for frame in container.decode(video=0)])
    except (av.FFmpegError, IndexError) as error:
        raise LabError(f"the concatenated clip cannot be decoded: {error}") from None
    if not frames:
        raise LabError("the concatenated clip has no frame")
    return frames
