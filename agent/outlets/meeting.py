"""Where a relay and this log meet: the epoch they both speak of, and what the relay holds of it.

Theory of operation: a relay is in one epoch of ours at a time. Normally it is the one our log is in. If it is an older
one of ours, the first batch names it as superseded. If it is one we never had, somebody went on from a copy of this log
(it was restored, or copied to another machine) before the relay heard of us again: that we share a past shows by the
relay knowing one of our epochs, whose names cannot be guessed, and then ours supersedes that one. A relay that knows
none of them has another gateway's log under our name, or we have a new one: a person has to say which is right.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.errors import OutletRefusal
from agent.outlets.answers import Differs
from rules import wire

if TYPE_CHECKING:
    from agent.outlets.client import RelayClient

_MOST_ASKED = 16  # former epochs that are asked about


@dataclass(frozen=True, slots=True)
class Meeting:
    """`lanes` is what the relay holds of `epoch`; `supersedes` is the epoch it is in now, when that is another."""

    epoch: str
    lanes: Mapping[str, wire.Mark]
    supersedes: str | None = None


async def meet(client: RelayClient, *, epoch: str, former: Callable[[], Awaitable[list[str]]]) -> Meeting:
    """Ask the relay. `epoch` is the one our log is in, `former` those before it, the newest first. Differs when the
    relay has left `epoch` behind; OutletRefusal when it knows nothing of us but our name."""
    current = await client.watermarks(None)
    if current.epoch == epoch:
        return Meeting(epoch, current.lanes)
    ours = await client.watermarks(epoch)
    if not current.epoch:
        return Meeting(epoch, ours.lanes)
    before = await former()
    if current.epoch in before:
        return Meeting(epoch, ours.lanes, supersedes=current.epoch)
    if ours.lanes:
        raise Differs(
            f"{client.relay} has gone on from a copy of this log (epoch {current.epoch}). This gateway's store was "
            "restored from an older copy, or another machine uses its identity; nothing was overwritten",
            epoch=epoch,
        )
    for each in before[:_MOST_ASKED]:
        if (await client.watermarks(each)).lanes:
            return Meeting(epoch, {}, supersedes=current.epoch)
    raise OutletRefusal(
        f"{client.relay} knows this gateway by another log (epoch {current.epoch}), of which nothing is here: this "
        "gateway's store is a new one, or another machine uses its identity. Restore a backup of the store, or give "
        "this gateway an identity with another id."
    )
