"""A month's data budget: what was used, until when it lasts, and when the month begins anew.

Theory of operation. A month begins at 00:00 of its day on the site's clock. While the wall clock cannot be trusted,
time goes on by the gateway's own clock from where the month began: a clock that jumps neither ends a month early nor
lets one last for ever. Counted are the bytes of requests and answers; what TLS, TCP and IP add is about a twentieth
more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from rules.units import DAY, HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
Told = Literal["ample", "low", "spent"]
_SURE_AFTER = DAY  # a forecast from less than a day is a guess
_NEARLY = 0.9  # of the budget: low, whatever the forecast
_WORTH = 0.1  # of the budget: less than this used is no cause for a warning
_EASE = 2 * DAY  # the forecast must be this much better before a warning ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """What is counted. `since` (wall µs) and `since_gt` (gateway time) are the same moment, the month's beginning;
    `counting` is the wall time from which bytes were counted; `told` is what was told last."""

    since: int
    since_gt: int
    counting: int
    used: int
    told: Told = "ample"


class Budget:
    """The rules of one budget: `monthly` bytes from `resets_on` (day of the month) in `zone`."""

    def __init__(self, *, monthly: int, resets_on: int, zone: ZoneInfo) -> None:
        self.monthly = monthly
        self._resets_on = resets_on
        self._zone = zone

    def begin(self, wall: int, gt: int) -> Month:
        """The month at this moment, with nothing used."""
        since = self._month(wall)[0]
        return Month(since=since, since_gt=gt - (wall - since), counting=wall, used=0)

    def now(self, month: Month, *, wall: int, gt: int, sure: bool) -> int:
        """The wall time to go by."""
        return wall if sure else month.since + gt - month.since_gt

    def roll(self, month: Month, *, wall: int, gt: int, sure: bool) -> Month:
        """The month it is now: a new one begins with nothing used. One that a wrong clock put into the future is set
        right and keeps what it used."""
        moment = self.now(month, wall=wall, gt=gt, sure=sure)
        since = self._month(moment)[0]
        if since == month.since:
            return month
        counting, used = (since, 0) if since > month.since else (min(month.counting, moment), month.used)
        return replace(month, since=since, since_gt=gt - (moment - since), counting=counting, used=used)

    def ends(self, month: Month) -> int:
        """When the next month begins, wall µs."""
        return self._month(month.since)[1]

    def runs_out(self, month: Month, now: int) -> int | None:
        """When the budget will be used up at the rate of this month so far, wall µs; None when nothing was used."""
        if not month.used:
            return None
        elapsed = max(now - month.counting, HOUR)
        return now + max(0, self.monthly - month.used) * elapsed // month.used

    def judge(self, month: Month, now: int) -> Told:
        """Whether it lasts."""
        if month.used >= self.monthly:
            return "spent"
        if month.used >= self.monthly * _NEARLY:
            return "low"
        runs_out = self.runs_out(month, now)
        if runs_out is None or month.used < self.monthly * _WORTH or now - month.counting < _SURE_AFTER:
            return "ample"
        return "low" if runs_out < self.ends(month) + (_EASE if month.told == "low" else 0) else "ample"

    def _month(self, wall: int) -> tuple[int, int]:
        """Beginning and end of the month around a wall time."""
        local = (_EPOCH + timedelta(microseconds=wall)).astimezone(self._zone)
        year, month = local.year, local.month
        if local.day < self._resets_on:
            year, month = (year, month - 1) if month > 1 else (year - 1, 12)
        after = (year, month + 1) if month < 12 else (year + 1, 1)
        return self._midnight(year, month), self._midnight(*after)

    def _midnight(self, year: int, month: int) -> int:
        moment = datetime(year, month, self._resets_on, tzinfo=self._zone)
        return (moment - _EPOCH) // _MICROSECOND
