"""Which gateway is speaking. Known from the connection itself, never from what is said over it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A gateway at the other end of a connection. `until` is when its certificate ends (wall µs); None: no
    certificate, it is a process on this machine."""

    tenant: str
    site: str
    gateway: str
    until: int | None = None
