"""What a relay's HTTP answer means for us: go on, wait, change something, or give up until a person helps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from agent.errors import OutletError, OutletRefusal

WRONG_DIGEST = 460
_LONGEST_SENTENCE = 300
# Answers that say "later", whoever gives them.
_LATER = frozenset({408, 423, 425, 429})


class Later(OutletError):
    """The relay cannot just now; `retry_after` is what it asks for, in seconds."""

    def __init__(self, message: str, *, retry_after: float | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooLarge(OutletError):
    """The relay takes no request of this size: send less at once."""


class Disagreement(OutletError):
    """The relay's records and ours do not join here; `expected` is the offset it names, for an upload, `kind` what it
    calls the problem."""

    def __init__(self, message: str, *, expected: int | None, kind: str = "") -> None:
        super().__init__(message)
        self.expected = expected
        self.kind = kind


class Differs(OutletError):
    """Under the name `epoch` the relay has another history than our log."""

    def __init__(self, message: str, *, epoch: str) -> None:
        super().__init__(message)
        self.epoch = epoch


class EpochChanged(OutletError):
    """Our log goes on under a new epoch: what was agreed about the old one is void, ask again."""


class ConnectionEnded(OutletError):
    """The connection on which something was agreed is closed: a relay restored from a backup may be behind the next
    one, ask again."""


class DigestDiffers(OutletError):
    """What arrived does not have the SHA-256 it was announced with."""


class Unknown(OutletError):
    """The relay does not know the thing asked about."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer: header names in lower case, body of at most 1 MiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def demand(reply: Reply, *, relay: str, now: datetime | None = None) -> Reply:
    """The reply itself when it says yes; otherwise the error that says what to do."""
    status = reply.status
    if 200 <= status < 300:
        return reply
    if 300 <= status < 400:
        raise OutletError(
            f"{relay} answered with a redirect ({status}): something in between answers for the relay, such as the "
            "sign-in page of a network. Open that network's page once, or take the gateway off it."
        )
    sentence = _sentence(reply)
    if status == 409:
        raise Disagreement(
            f"{relay}: {sentence or 'the relay has something else in this place'}",
            expected=_offset(reply),
            kind=str(_problem(reply).get("type", "")),
        )
    if status == 413:
        raise TooLarge(f"{relay}: {sentence or 'too much at once'}")
    if status == WRONG_DIGEST:
        raise DigestDiffers(f"{relay}: {sentence or 'the bytes that arrived have another SHA-256'}")
    if status >= 500 or status in _LATER:
        raise Later(
            f"{relay} cannot take anything just now ({status}{': ' + sentence if sentence else ''})",
            retry_after=retry_after(reply.headers.get("retry-after"), now=now),
        )
    if status in (404, 410):
        raise Unknown(f"{relay} does not know what it was asked for ({status}{': ' + sentence if sentence else ''})")
    if sentence is None:  # not a relay's way to say no: a proxy or a portal, which may go away
        raise OutletError(f"{relay} answered {status} and nothing a relay would say; is the address that of a relay?")
    raise OutletRefusal(f"{relay} refuses: {sentence}")


def retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds from a Retry-After header, which is a number or a date; None when absent or unreadable."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def _problem(reply: Reply) -> dict[str, object]:
    if "json" not in reply.headers.get("content-type", ""):
        return {}
    try:
        value = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _sentence(reply: Reply) -> str | None:
    """What the relay says, fit to be shown: one line, no control characters, not endless."""
    problem = _problem(reply)
    for key in ("detail", "title"):
        text = problem.get(key)
        if isinstance(text, str) and text.strip():
            line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
            return line if len(line) <= _LONGEST_SENTENCE else f"{line[:_LONGEST_SENTENCE]}…"
    return None


def _offset(reply: Reply) -> int | None:
    value = _problem(reply).get("expected-offset", reply.headers.get("upload-offset"))
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return value if type(value) is int and value >= 0 else None
