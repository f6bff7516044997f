"""Request bodies in zstd (RFC 8878): read only if they say how long they are, and are not out of all proportion."""

from __future__ import annotations

import zstandard

from relay.errors import RelayError

ACCEPTED = "zstd"
# A record has an id of 122 random bits, so no honest batch shrinks like this; and a batch that does may come plain.
MOST_TIMES = 200
_SMALL = 65_536  # bytes that may come out of however few


class TooLong(RelayError):
    """More would come out than is taken."""


class Unreadable(RelayError):
    """It is not zstd as we take it; the same may be sent plain."""


def inflate(body: bytes, *, most: int) -> bytes:
    """The bytes in one zstd frame, at most `most` of them. Nothing is unpacked before its length is known to be in
    bounds. TooLong or Unreadable otherwise."""
    try:
        size = zstandard.get_frame_parameters(body).content_size
    except zstandard.ZstdError:
        raise Unreadable("the body is not a zstd frame") from None
    if size in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR):
        raise Unreadable("the zstd frame does not say how long its content is")
    if size > most:
        raise TooLong(f"{size} bytes would come out of the body, {most} are taken")
    if size > _SMALL and size > MOST_TIMES * len(body):
        raise Unreadable(f"{size} bytes would come out of {len(body)}, which no batch of records does")
    try:
        return zstandard.ZstdDecompressor().decompress(body, max_output_size=max(1, size), allow_extra_data=False)
    except zstandard.ZstdError:
        raise Unreadable("the zstd frame is damaged or not all there is") from None
