"""Documents: YAML text in, a checked model out, every mistake reported with its place.

`load` serves the site document, `agent.yaml` and `relay.yaml` alike. A mistake reads
`file:line:column: path: what was found, what is allowed, the nearest known word`.
"""

from __future__ import annotations

import re
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from rules.document.explain import explain, nearest
from rules.document.places import Places
from rules.errors import DocumentError
from rules.units import DAY, SECOND

__all__ = ["Duration", "Name", "Places", "Secret", "Strict", "duration", "load", "load_placed", "nearest"]

_Model = TypeVar("_Model", bound=BaseModel)
_DURATION = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?", re.ASCII)
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_YEAR = 366 * DAY


class Strict(BaseModel):
    """A part of a document: an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def duration(value: object) -> int:
    """Microseconds from text such as `10s`, `1m30s`, `2h`, `30d`, `500ms`, at most a year. ValueError says what is
    allowed."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or not value:
        raise ValueError(f"{str(value)[:40]!r} is not a duration; write for example 10s, 1m30s, 2h or 30d")
    days, hours, minutes, seconds, milliseconds = (int(part or 0) for part in match.groups())
    total = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * SECOND + milliseconds * 1000
    if total > _YEAR:
        raise ValueError(f"{value!r} is longer than a year")
    return total


def _name(value: str) -> str:
    if len(value) > 64 or not _NAME.fullmatch(value):
        shown = repr(value[:40])
        raise ValueError(f"{shown} is not a name; use small letters, digits and single hyphens, as in server-room-door")
    return value


Duration = Annotated[int, BeforeValidator(duration)]
# What things are called in a document and wherever it is spoken of: safe in topics, file names and addresses.
Name = Annotated[str, AfterValidator(_name)]


class Secret(Strict):
    """The name of a secret; its value is set with `nightporter agent secret set NAME` and is in no document."""

    secret: Name

    @model_validator(mode="before")
    @classmethod
    def _only_named(cls, value: object) -> object:
        if not isinstance(value, dict | Secret):  # without repeating it: it may well be the secret
            raise ValueError("a secret is only named here, {secret: NAME}; its value is set on the machine itself")
        return value


def load(text: str, file: str, model: type[_Model]) -> _Model:
    """The document in `text`; `file` is only its name in messages. Raises DocumentError with every mistake."""
    return load_placed(text, file, model)[0]


def load_placed(text: str, file: str, model: type[_Model]) -> tuple[_Model, Places]:
    """As `load`, with the place of everything in it for checks that a model cannot make."""
    places = Places(text=text, file=file)
    try:
        return model.model_validate(places.data), places
    except ValidationError as error:
        raise DocumentError(explain(error, places, model)) from None
