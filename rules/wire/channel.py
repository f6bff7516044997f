"""The channel: one WebSocket a relay, JSON text messages told apart by `type`."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from rules.errors import WireError
from rules.wire.message import Count, Message, Moment, complaint
from rules.wire.plain import parse


class AgentHello(Message):
    """The agent's first word on the channel."""

    type: Literal["hello"] = "hello"
    v: Literal[1] = 1
    gateway: str
    epoch: str
    software: str
    supports: list[str] = []


class OutletState(Message):
    """How the agent sees one of its outlets; `behind` counts records not yet acknowledged."""

    reachable: bool
    keeps_copy: bool
    behind: Count


class Storage(Message):
    """How the gateway's media disk is, in bytes: `free` may still be used, `used` is footage, `waiting` of it no relay
    that keeps a copy has yet. `days` of video left at the rate of the last week; None while nobody can say."""

    days: Count | None = None
    free: Count
    used: Count
    waiting: Count


class Heartbeat(Message):
    """Proof of life, every 20 s: silence for 90 s is an incident at the relay."""

    type: Literal["heartbeat"] = "heartbeat"
    wall: Moment
    outlets: dict[str, OutletState] = {}
    storage: Storage | None = None


class Pull(Message):
    """Give me the entries after this cursor of yours; what I had before is stored."""

    type: Literal["pull"] = "pull"
    after: Count


class Outcome(Message):
    """What became of a command."""

    type: Literal["outcome"] = "outcome"
    command: str
    state: Literal["done", "refused", "failed"]
    reason: str


class Answer(Message):
    """The answer to a question."""

    type: Literal["answer"] = "answer"
    ask: str
    ok: bool
    result: dict[str, Any] = {}
    reason: str = ""


class Unlogged(Message):
    """Records decided upon while the log could not be written: their exact text, told at once, durable nowhere yet.
    They come again in their lanes when the log works, with the same ids."""

    type: Literal["unlogged"] = "unlogged"
    items: list[str]


class RelayHello(Message):
    """The relay's first word on the channel. `restored` is when it was last put back from a backup: what it
    acknowledged before, media above all, it may have lost."""

    type: Literal["hello"] = "hello"
    v: Literal[1] = 1
    relay: str
    wall: Moment
    restored: Moment | None = None


class Command(Message):
    """A person wants something done before `expires` (wall µs). `proof` never reaches the log."""

    type: Literal["command"] = "command"
    id: str
    actor: str
    name: str
    args: dict[str, str] = {}
    expires: Moment
    proof: dict[str, str] | None = Field(default=None, repr=False)


class Entries(Message):
    """Entries made elsewhere, as their makers' exact text, up to the relay's cursor `next`."""

    type: Literal["entries"] = "entries"
    after: Count
    next: Count
    items: list[str]


class Ask(Message):
    """A read-only, bounded question."""

    type: Literal["ask"] = "ask"
    id: str
    question: str
    args: dict[str, str] = {}


FromAgent = Annotated[AgentHello | Heartbeat | Pull | Outcome | Answer | Unlogged, Field(discriminator="type")]
FromRelay = Annotated[RelayHello | Command | Entries | Ask, Field(discriminator="type")]


@cache
def _channel(side: str) -> TypeAdapter[Any]:
    return TypeAdapter(FromAgent if side == "agent" else FromRelay)


def read_from_agent(text: str) -> AgentHello | Heartbeat | Pull | Outcome | Answer | Unlogged | None:
    """A channel message of the agent's; None for a type this version does not know. WireError when malformed."""
    return _read_channel("agent", text)  # type: ignore[no-any-return]


def read_from_relay(text: str) -> RelayHello | Command | Entries | Ask | None:
    """A channel message of the relay's; None for a type this version does not know. WireError when malformed."""
    return _read_channel("relay", text)  # type: ignore[no-any-return]


def _read_channel(side: str, text: str) -> Any:
    try:
        return _channel(side).validate_python(parse(text))
    except ValidationError as error:
        if error.errors(include_input=False, include_context=False)[0]["type"] == "union_tag_invalid":
            return None
        raise WireError(f"channel: {complaint(error)}") from None
