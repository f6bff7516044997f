"""Figures as people write them in `agent.yaml`: `64MB`, `2GB`, `512kbit`, `90%`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(B|kB|MB|GB|TB)")
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_RATE = re.compile(r"(\d+(?:\.\d+)?) ?(kbit|Mbit|Gbit)(?:/s)?")
_BITS = {"kbit": 10**3, "Mbit": 10**6, "Gbit": 10**9}
_SHARE = re.compile(r"(\d{1,3}) ?%")


def size(value: object) -> int:
    """Bytes of `64MB`; decimal units, as disks and data plans are sold."""
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{str(value)[:40]!r} is not a size; write for example 512kB, 64MB or 2GB")
    return int(float(match[1]) * _BYTES[match[2]])


def rate(value: object) -> int:
    """Bytes a second of `512kbit`."""
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{str(value)[:40]!r} is not a rate; write for example 512kbit or 10Mbit")
    return int(float(match[1]) * _BITS[match[2]]) // 8


def share(value: object) -> int:
    """Percent of `90%`."""
    match = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) > 100:
        raise ValueError(f"{str(value)[:40]!r} is not a share; write for example 90%")
    return int(match[1])


Size = Annotated[int, BeforeValidator(size)]
Rate = Annotated[int, BeforeValidator(rate)]
Share = Annotated[int, BeforeValidator(share)]
