"""What the engine remembers: plain data that goes into a snapshot and comes back equal."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from rules.errors import SnapshotError

ENGINE_VERSION = 1


@dataclass(slots=True)
class Level:
    """An output the engine holds: which decision, what value, until when (gateway time), and for how long in all."""

    action: str
    rule: str
    value: str
    until: int | None
    duration: int | None


@dataclass(slots=True)
class Known:
    """An incident as far as the engine must know it: to count on its entries and to group by rule. `resolved` and
    `reopened` are the lamports of the last such entries (0: none): entries of two relays come in any order."""

    lamport: int
    rule: str | None
    last: int
    resolved: int = 0
    reopened: int = 0

    @property
    def closed(self) -> bool:
        """Whether a further trigger must open a new incident: joining a resolved one would tell nobody."""
        return self.resolved > 0 and self.resolved >= self.reopened


@dataclass(slots=True)
class State:
    """The whole memory. `last_seen` is keyed by `kind device`, times are gateway time in µs."""

    gt: int = 0
    devices: dict[str, str] = field(default_factory=dict)
    last_seen: dict[str, int] = field(default_factory=dict)
    levels: dict[str, Level] = field(default_factory=dict)
    incidents: dict[str, Known] = field(default_factory=dict)


def dump(state: State, *, site_sha256: str) -> bytes:
    """A snapshot: the same history gives the same bytes, and what was first stays first."""
    whole = {"engine": ENGINE_VERSION, "site": site_sha256, "state": asdict(state)}
    return json.dumps(whole, separators=(",", ":")).encode()


def parse(data: bytes) -> tuple[State, str]:
    """A state and the SHA-256 of the site document it was made under. SnapshotError when it cannot be used."""
    try:
        whole: dict[str, Any] = json.loads(data)
        if whole["engine"] != ENGINE_VERSION:
            raise SnapshotError(f"the snapshot is of engine {whole['engine']}, this is engine {ENGINE_VERSION}")
        raw = whole["state"]
        return (
            State(
                gt=raw["gt"],
                devices=dict(raw["devices"]),
                last_seen=dict(raw["last_seen"]),
                levels={name: Level(**level) for name, level in raw["levels"].items()},
                incidents={name: Known(**known) for name, known in raw["incidents"].items()},
            ),
            whole["site"],
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SnapshotError(f"the snapshot cannot be read: {type(error).__name__}") from None
