"""What every message has in common: how it is read, written and complained about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rules.errors import WireError
from rules.wire.limits import MAX_EXACT
from rules.wire.plain import parse

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Uuid = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
# A wall time in µs since the epoch, and a counter or cursor: both exact in every reader.
Moment = Annotated[int, Field(ge=-MAX_EXACT, le=MAX_EXACT)]
Count = Annotated[int, Field(ge=0, le=MAX_EXACT)]
Seq = Annotated[int, Field(ge=1, le=MAX_EXACT)]


# Our own field names: what may stand in a complaint.
# fmt: off
_WORDS = frozenset({
    "id", "kind", "wall", "clock", "gt", "cause", "body", "v", "gateway", "epoch", "lane", "first", "prev",
    "supersedes", "gap", "from", "to", "count", "reason", "chain", "seq", "quarantined", "retry_after", "lanes",
    "type", "software", "supports", "outlets", "reachable", "keeps_copy", "behind", "after", "next", "items",
    "command", "state", "ask", "ok", "result", "relay", "actor", "name", "args", "expires", "proof", "question",
    "title", "severity", "rule", "policy", "device", "device_name", "site", "site_name", "trigger", "evidence",
    "clip", "still", "event", "camera", "text", "note", "until", "channel", "recipient", "attempt",
    "possibly_repeated", "into", "incident", "lamport", "origin", "by", "hello", "heartbeat", "pull", "outcome",
    "answer", "entries", "unlogged", "partition", "covert", "split_from", "moved_from", "person", "source",
})
# fmt: on


class Message(BaseModel):
    """What both ends exchange beside records: unknown fields are ignored by the receiver."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, allow_inf_nan=False)

    def text(self) -> str:
        """One line of JSON, absent fields left out."""
        return self.model_dump_json(exclude_none=True, by_alias=True)

    @classmethod
    def parse(cls, data: bytes | str) -> Self:
        """The message in `data`. WireError when it is not one; its content is not repeated."""
        try:
            return cls.model_validate(parse(data))
        except ValidationError as error:
            raise WireError(complaint(error)) from None


def complaint(error: ValidationError, words: Mapping[str, Any] | None = None) -> str:
    """The first complaint, without the input: what was sent may be private. A key the sender made up (a step that is
    neither a number nor one of our own field names) is content too, and becomes `*`."""
    detail = error.errors(include_input=False, include_url=False, include_context=False)[0]
    steps = [
        str(step) if isinstance(step, int) or step in _WORDS or (words and step in words) else "*"
        for step in detail["loc"]
    ]
    if detail["type"] == "union_tag_not_found":
        return "type is missing"
    return f"{'.'.join(steps) or 'message'}: {detail['msg'].removeprefix('Value error, ')}"
