"""The stages between "there is something to tell" and a message that leaves: pure functions, each with its reason.

    notice ─► route ─► digest ─► secret ─► told before ─► settled ─► told elsewhere ─► stand back ─► send ─► record
              (which   (old news  (never    (by us, before  (somebody  (another relay    (the box,      (a channel's
               channels) together) on site)  a restore)      acted)     told them)        while it can)   sender)

A stage looks at a `View` of one delivery and returns a `Verdict`. Adding one is adding a function here and its name to
`STAGES`, in the order in which they are asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from relay.config import Notify
from relay.restored import HEARSAY, Restored
from rules.incidents import Incident

AGAIN = 10_000_000  # µs until a delivery that is held for now is looked at again
COLLECT = 5_000_000  # µs in which old news of a site is collected into one message
RANKS = {"critical": 0, "high": 1, "medium": 2, "low": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A delivery to be: to whom, and when to look at it first. `state` failed: there is nobody to tell, see reason."""

    policy: str
    channel: str
    recipient: str
    digest: str | None
    next_at: int
    state: Literal["queued", "failed"] = "queued"
    reason: str = ""
    possibly_repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the stages know of one delivery at wall time `now` (µs). `reachable` are outlets of the incident's gateway
    that keep a copy and could be reached at its last heartbeat; `keeps` is whether this relay keeps one, `on_site`
    whether it stands in the building."""

    incident: Incident
    relay: str
    transition: str
    channel: str
    recipient: str
    digest: str | None
    keeps: bool
    reachable: tuple[str, ...]
    now: int
    on_site: bool = False
    told_as: str = ""  # the id of the entry this relay makes when it has told this


@dataclass(frozen=True, slots=True)
class Verdict:
    """Go on; or wait until `until` (wall µs) for `reason`; or, without `until`, never send, for `reason`."""

    reason: str = ""
    until: int | None = None

    @property
    def go(self) -> bool:
        return not self.reason


GO = Verdict()


def route(
    *, config: Notify, policy: str | None, site: str, opened: int, now: int, restored: Restored | None = None
) -> list[Draft]:
    """Which channels a notice goes to. An incident that names no policy tells nobody: that is the rule's choice. What
    happened before this relay was restored waits for word that people were told, then goes out as a possible repeat."""
    if policy is None:
        return []
    channels = config.policies.get(policy)
    if channels is None:
        reason = f"this relay's configuration has no policy {policy}; nobody was told"
        return [
            Draft(policy=policy, channel="none", recipient="", digest=None, next_at=now, state="failed", reason=reason)
        ]
    repeated = restored is not None and restored.unknown(opened)
    old = repeated or now - opened > config.old_after
    return [
        Draft(
            policy=policy,
            channel=channel.channel,
            recipient=channel.name,
            digest=site if old else None,
            next_at=now + (HEARSAY if repeated else COLLECT if old else 0),
            possibly_repeated=repeated,
        )
        for channel in channels
    ]


def secret(view: View) -> Verdict:
    """What nobody in the building may learn of is told from outside only: a telephone that rings there tells it."""
    if view.on_site and view.incident.covert:
        return Verdict("told from outside the building only")
    return GO


_SETTLED = {
    "acknowledged": ("acknowledged by", "acknowledged_by"),
    "in_progress": ("already being worked on by", "started_by"),
    "resolved": ("resolved by", "resolved_by"),
    "closed": ("closed by", "closed_by"),
}


def settled(view: View) -> Verdict:
    """Fresh news that somebody already acted upon needs no ringing; old news is told all the same, as a digest. That an
    alarm was cancelled is told whoever has it in hand, and instead of the alarm if that was not told yet."""
    incident = view.incident
    if view.digest is not None:
        return GO
    if incident.state == "merged":
        return Verdict("merged into another incident before it was sent")
    if view.transition == "cancelled":
        return GO
    if incident.cancelled is not None:
        return Verdict(f"cancelled by {incident.cancelled_by or 'somebody'} before it was sent")
    if incident.state in _SETTLED:
        words, who = _SETTLED[incident.state]
        return Verdict(f"{words} {getattr(incident, who) or 'somebody'} before it was sent")
    return GO


def told_elsewhere(view: View) -> Verdict:
    """Another relay has told the same recipient about this incident since it was (re)opened."""
    begins = max(
        (entry.order for entry in view.incident.entries if entry.kind == f"incident.{view.transition}"), default=None
    )
    for entry in view.incident.entries:
        if (
            entry.kind == "incident.notified"
            and entry.origin != view.relay
            and entry.body.get("state") == "sent"
            and entry.body.get("channel") == view.channel
            and entry.body.get("recipient") == view.recipient
            and (begins is None or entry.order > begins)
        ):
            return Verdict(f"{view.recipient} was told by {entry.origin}")
    return GO


def told_before(view: View) -> Verdict:
    """This relay has told it, and was then restored from an older copy: its own entry came back with the log."""
    for entry in view.incident.entries:
        if entry.id == view.told_as and entry.body.get("state") == "sent":
            return Verdict(f"{view.recipient} was told before this relay was restored")
    return GO


def stand_back(view: View) -> Verdict:
    """The relay on the box leaves it to one that keeps a copy, for as long as the gateway reaches that one."""
    if view.keeps or not view.reachable:
        return GO
    return Verdict(f"left to {', '.join(view.reachable)}, which the gateway reaches", view.now + AGAIN)


STAGES: tuple[Callable[[View], Verdict], ...] = (secret, told_before, settled, told_elsewhere, stand_back)


def judge(view: View) -> Verdict:
    """The first stage that holds the delivery back, or GO."""
    for stage in STAGES:
        verdict = stage(view)
        if not verdict.go:
            return verdict
    return GO
