"""Fragments of MP4: the few boxes of ISO/IEC 14496-12 that a recording grows by, written exactly.

Times are in µs because the init segment's timescale is 1,000,000. `tfdt` carries the camera's timeline as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TRACK = 1
# 8.8.3.1: what depends on what. A key picture depends on no other; the rest depend on some and are not sync samples.
KEY_SAMPLE = 0x02000000
OTHER_SAMPLE = 0x01010000
# 8.8.7.1 and 8.8.8.1
DEFAULT_BASE_IS_MOOF = 0x020000
DATA_OFFSET, DURATION, SIZE, FLAGS, COMPOSITION = 0x001, 0x100, 0x200, 0x400, 0x800


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One picture as MP4 stores it: `data` length-prefixed, `duration` and `composition` (pts - dts) in µs."""

    data: bytes
    duration: int
    composition: int
    key: bool


def _box(kind: bytes, *parts: bytes) -> bytes:
    """4.2: size, type, content."""
    size = 8 + sum(map(len, parts))
    return b"".join((size.to_bytes(4), kind, *parts))


def _full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """4.2: a box with version and flags."""
    return _box(kind, bytes((version,)) + flags.to_bytes(3), *parts)


def fragment(samples: Sequence[Sample], *, sequence: int, decode_time: int) -> bytes:
    """moof + mdat (8.8.4, 8.1.1) of these samples, the first of which is decoded at `decode_time` (µs)."""
    shifted = any(sample.composition for sample in samples)
    flags = DATA_OFFSET | DURATION | SIZE | FLAGS | (COMPOSITION if shifted else 0)
    rows = bytearray()
    for sample in samples:
        rows += sample.duration.to_bytes(4) + len(sample.data).to_bytes(4)
        rows += (KEY_SAMPLE if sample.key else OTHER_SAMPLE).to_bytes(4)
        if shifted:
            rows += sample.composition.to_bytes(4, signed=True)

    def moof(data_offset: int) -> bytes:
        header = _full_box(b"mfhd", 0, 0, (sequence & 0xFFFFFFFF).to_bytes(4))  # 8.8.5
        track = _full_box(b"tfhd", 0, DEFAULT_BASE_IS_MOOF, TRACK.to_bytes(4))  # 8.8.7
        decoded = _full_box(b"tfdt", 1, 0, decode_time.to_bytes(8))  # 8.8.12, version 1: 64 bits
        # 8.8.8, version 1: composition offsets may be negative
        run = _full_box(b"trun", 1, flags, len(samples).to_bytes(4), data_offset.to_bytes(4), bytes(rows))
        return _box(b"moof", header, _box(b"traf", track, decoded, run))

    # The offset counts from the moof's first byte to the mdat's content; its own width never changes the size.
    head = moof(len(moof(0)) + 8)
    return head + _box(b"mdat", *(sample.data for sample in samples))
