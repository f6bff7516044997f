"""The scenario format, as data. What `do` may say is one model a form; see `rules/README.md` for the whole format."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

from rules.document import Strict, nearest
from rules.events import EVENTS, MadeEvent
from rules.incidents import ENTRY_KINDS
from rules.scenario.times import Moment, moment, signed
from rules.wire.message import complaint
from rules.wire.record import body_model

_OWN = ("boot", "clock.stepped", "command.received", "time.passed")  # each has a form of its own, or none


def happening_kinds() -> list[str]:
    """The kinds that can happen to an engine from outside."""
    return sorted(kind for kind, event in EVENTS.items() if not issubclass(event, MadeEvent) and kind not in _OWN)


def _local(value: str) -> str:
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value[:40]!r} is not a local time; write 2026-01-14 22:30 or 2026-01-14 22:30:00") from None
    if not 2000 <= parsed.year < 2200:
        raise ValueError("a scenario begins between the years 2000 and 2200")
    if parsed.tzinfo is not None:
        raise ValueError("this is the site's own local time: leave the offset out")
    return value


def _ended(value: object) -> object:
    return value if value is None or value == "unknown" else signed(value)


At = Annotated[Moment, BeforeValidator(moment)]
Signed = Annotated[int, BeforeValidator(signed)]


class Happens(Strict):
    """`event: KIND`, `device`, and whatever else its kind has."""

    model_config = ConfigDict(extra="allow", frozen=True)
    event: str

    @model_validator(mode="after")
    def _fields(self) -> Happens:
        kinds = happening_kinds()
        if self.event not in kinds:
            raise ValueError(f"{self.event!r} is not an event that can happen{nearest(self.event, kinds)}")
        fields: dict[str, FieldInfo] = dict(body_model(self.event).model_fields)
        given = self.model_extra or {}
        for name in given:
            if name not in fields:
                known = ", ".join(fields)
                raise ValueError(f"{self.event} has no {name} (it has {known}){nearest(name, list(fields))}")
        missing = [name for name, field in fields.items() if field.is_required() and name not in given]
        if missing:
            raise ValueError(f"{self.event} needs {', '.join(missing)}")
        try:
            body_model(self.event).model_validate(given)
        except ValidationError as error:
            raise ValueError(f"{self.event}: {complaint(error, fields)}") from None
        return self


class Code(Strict):
    """A person types code number `n` at a keypad or reader."""

    code: str
    on: str
    n: Annotated[int, Field(ge=0)] = 0
    wish: Literal["", "arm_away", "arm_stay", "arm_night", "arm_custom", "disarm"] = ""


class Pin(Strict):
    """A person types their PIN at a reader."""

    pin: str
    on: str


class Digits(Strict):
    """Somebody types these digits; their digest is that of `{of: DIGITS}` in the site."""

    digits: str
    on: str
    wish: Literal["", "arm_away", "arm_stay", "arm_night", "arm_custom", "disarm"] = ""


class Card(Strict):
    """A person shows card number `n` to a reader."""

    card: str
    on: str
    n: Annotated[int, Field(ge=0)] = 0


class Bits(Strict):
    """Somebody shows a card with these bits; their digest is that of `{of: BITS}` in the site."""

    bits: str
    on: str


class Key(Strict):
    """A key of a keypad that needs no code."""

    key: Literal["arm_away", "arm_stay", "arm_night", "arm_custom", "panic", "fire", "help"]
    on: str


class Asked(Strict):
    """A person asks for something through a relay, perhaps with the code of a person of the site (`with_code`); all
    other words are the command's arguments."""

    model_config = ConfigDict(extra="allow", frozen=True)
    command: str
    by: str = "guard-1"
    with_code: str | None = None
    outlet: Annotated[str, Field(alias="from")] = "cloud"


class Wrote(Strict):
    """Somebody else writes an entry on incident number `incident` (1: the first one opened)."""

    model_config = ConfigDict(extra="allow", frozen=True)
    entry: str
    incident: Annotated[int, Field(ge=1)] = 1
    by: str = "Ada"
    origin: str = "relay-1"
    lamport: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _kind(self) -> Wrote:
        kinds = [kind.removeprefix("incident.") for kind in ENTRY_KINDS]
        if self.entry not in kinds:
            raise ValueError(f"{self.entry!r} is not an entry{nearest(self.entry, kinds) or ': ' + ', '.join(kinds)}")
        given = self.model_extra or {}
        if isinstance(given.get("until"), str):
            signed(given["until"])
        into = given.get("into", 1)
        if isinstance(into, bool) or not isinstance(into, int | str) or (isinstance(into, int) and into < 1):
            raise ValueError("`into` is the number of an incident, in the order of opening")
        return self


class Start(Strict):
    """How long the gateway was off (`unknown`: no clock can say), and whether it had been stopped in order."""

    off: Annotated[int | Literal["unknown"], BeforeValidator(_ended)] = 0
    clean: bool = False


class Boots(Strict):
    """The gateway starts. It was off until now, so nothing woke the engine in that time."""

    boot: Start


class Clock(Strict):
    """The wall clock jumps by this much; gateway time does not."""

    clock_steps: Signed


class Document(Strict):
    """The site document changes: these additions and overrides, as in `with`."""

    document: dict[str, Any]


_FORMS: dict[str, type[Strict]] = {
    "event": Happens, "code": Code, "pin": Pin, "digits": Digits, "card": Card, "bits": Bits, "key": Key,
    "command": Asked, "entry": Wrote, "boot": Boots, "clock_steps": Clock, "document": Document,
}  # fmt: skip


def _form(value: object) -> str | None:
    if isinstance(value, Strict):
        return next(name for name, model in _FORMS.items() if type(value) is model)
    return next((name for name in _FORMS if isinstance(value, dict) and name in value), None)


Do = Annotated[
    Annotated[Happens, Tag("event")]
    | Annotated[Code, Tag("code")]
    | Annotated[Pin, Tag("pin")]
    | Annotated[Digits, Tag("digits")]
    | Annotated[Card, Tag("card")]
    | Annotated[Bits, Tag("bits")]
    | Annotated[Key, Tag("key")]
    | Annotated[Asked, Tag("command")]
    | Annotated[Wrote, Tag("entry")]
    | Annotated[Boots, Tag("boot")]
    | Annotated[Clock, Tag("clock_steps")]
    | Annotated[Document, Tag("document")],
    Discriminator(
        _form,
        custom_error_type="what_happens",
        custom_error_message="what happens is exactly one of " + ", ".join(_FORMS),
    ),
]


class Step(Strict):
    """What happens at a moment and what must have followed since the step before. Without `at`: at the same moment;
    without `do`: time passes."""

    at: At = Moment(True, 0)
    do: Do | None = None
    expect: list[str] | None = None
    expect_not: list[str] = []
    states: dict[str, str] = {}
    says: str = ""


class Scenario(Strict):
    """A whole file."""

    scenario: Annotated[str, Field(min_length=1, max_length=200)]
    says: Annotated[str, Field(min_length=1)]
    uses: str | None = None
    with_: Annotated[dict[str, Any], Field(alias="with")] = {}
    site: dict[str, Any] | None = None
    at: Annotated[str, AfterValidator(_local)] = "2026-01-14 20:00:00"
    normal: bool = False  # whether every input said before the begin that it is normal
    timeline: Annotated[list[Step], Field(min_length=1)]

    @model_validator(mode="after")
    def _sense(self) -> Scenario:
        if (self.uses is None) == (self.site is None):
            raise ValueError("say where it plays: `site` with the document itself, or `uses` with the name of one")
        if not any(step.expect is not None or step.expect_not or step.states for step in self.timeline):
            raise ValueError("nothing is expected anywhere, so nothing could ever fail")
        return self


