"""The agent without what makes it send again: `forgetting_agent.py WHICH ARGUMENTS...`.

`proud`: it trusts its own cursor, not the relay's watermark.
`restless`: it does not wait between two attempts.
"""

from __future__ import annotations

import sys
from typing import Any

from agent.cli import main
from agent.outlets.backoff import Backoff
from agent.outlets.lane import LaneFollower
from rules import wire


def proud() -> None:
    agreed: Any = LaneFollower.reconcile

    async def reconcile(self: LaneFollower, *where: Any, **more: Any) -> None:
        mark: wire.Mark | None = where[-1]
        if (mark.seq if mark else 0) >= self.seq:
            await agreed(self, *where, **more)

    LaneFollower.reconcile = reconcile  # type: ignore[method-assign]


def restless() -> None:
    def delay(self: Backoff) -> float:
        return 0.0

    Backoff.delay = delay  # type: ignore[method-assign]


if __name__ == "__main__":
    {"proud": proud, "restless": restless}[sys.argv[1]]()
    sys.exit(main(sys.argv[2:]))
