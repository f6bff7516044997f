"""Identities. A fact gets a UUIDv7 at first receipt; what the kernel makes of it gets a UUIDv8 derived from its
cause, so a replay or a crash recovery arrives at the same ids (RFC 9562, sections 5.7 and 5.8)."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

# A UUID's variant is two bits, 10, above two bits of the value (RFC 9562, section 4.1).
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def _stamp(value: int, version: int) -> str:
    value &= ~(0xF << 76) & ~(0x3 << 62)
    return str(UUID(int=value | version << 76 | 0b10 << 62))


def time_ordered(*, wall: int, random: bytes) -> str:
    """A UUIDv7 from wall time (µs since the epoch) and 10 random bytes; sub-millisecond time fills `rand_a`."""
    if len(random) != 10:
        raise ValueError(f"a UUIDv7 needs 10 random bytes, not {len(random)}")
    milliseconds, rest = divmod(wall, 1000)
    fraction = rest * 4096 // 1000
    value = (milliseconds & (1 << 48) - 1) << 80 | fraction << 64 | int.from_bytes(random) & (1 << 62) - 1
    return _stamp(value, 7)


def derived(*parts: str | int) -> str:
    """A UUIDv8 from the SHA-256 of its parts: cause id, maker, ordinal. Same parts, same id, for ever."""
    # Every fact has one of these, so it goes by slices of hexadecimal text (through UUID it takes three times as long)
    # and tries first what parts nearly always are.
    try:
        material = "\x1f".join(parts)  # type: ignore[arg-type]
    except TypeError:
        material = "\x1f".join(map(str, parts))
    digest = sha256(material.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-{_VARIANT[digest[16]]}{digest[17:20]}-{digest[20:32]}"
