"""`outlets:` in `agent.yaml`: who follows the log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from agent.config.quantities import Rate, Size
from rules.document import Strict
from rules.document.rule import Name
from rules.document.schedule import Day
from rules.timetable import Span, days, minutes


class BundleConfig(Strict):
    """An outlet without a network: the relay's name, as in its certificate, and the key its bundles are encrypted for
    (`nightporter relay bundle key` prints it)."""

    relay: str
    recipient: Annotated[str, Field(pattern=r"^age1[a-z0-9]{20,}$")]


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _clock(value: object) -> int:
    return minutes(str(value))


Clock = Annotated[int, BeforeValidator(_clock)]


class PacedHours(Strict):
    """At most this rate (bytes a second; 0: none) for recordings, on these days from one time of the site's clock until
    before another; without days every day, without times all day."""

    days: Annotated[list[Day], Field(min_length=1), BeforeValidator(_listed)] = ["mon-sun"]
    since: Annotated[Clock, Field(alias="from")] = 0
    until: Annotated[Clock, Field(alias="to")] = 1440
    rate: Rate

    def span(self) -> Span:
        """As a timetable reads it; `to` at or before `from` is the next morning."""
        return Span(days(self.days), self.since, self.until)


class BudgetConfig(Strict):
    """Bytes that may be used in a month that begins on this day, 00:00 of the site's clock."""

    monthly: Annotated[Size, Field(ge=10_000_000)]
    resets_on: Annotated[int, Field(ge=1, le=28)] = 1


class OutletConfig(Strict):
    """A relay that follows the log: by `url` with the identity in `identity`, on this box by `socket`, or by files that
    are carried (`bundle`)."""

    name: Name
    url: Annotated[str | None, Field(pattern=r"^https://[^/@\s]+$")] = None
    identity: Path | None = None
    socket: Path | None = None
    bundle: BundleConfig | None = None
    keeps_copy: bool = True
    schedule: list[PacedHours] = []
    budget: BudgetConfig | None = None

    @model_validator(mode="after")
    def _one_way(self) -> OutletConfig:
        if sum(way is not None for way in (self.url, self.socket, self.bundle)) != 1:
            raise ValueError(f"outlet {self.name}: give one of url (with identity), socket, or bundle (with identity)")
        if (self.socket is None) != (self.identity is not None):
            raise ValueError(f"outlet {self.name}: identity goes with url or bundle, and only with them")
        if self.bundle is not None and not self.keeps_copy:
            raise ValueError(f"outlet {self.name}: what is carried as a bundle is carried to be kept")
        if (self.schedule or self.budget) and (self.url is None or not self.keeps_copy):
            raise ValueError(f"outlet {self.name}: schedule and budget are for an outlet with a url that keeps a copy")
        return self
