"""Sunrise and sunset, by the equations NOAA publishes for its Solar Calculator ("General Solar Position Calculations"
and the calculator's own notes), which follow Jean Meeus, Astronomical Algorithms, 2nd edition, chapters 25 and 28.

The sun rises and sets when its upper limb touches a level horizon at sea level in an average atmosphere: its centre
then stands 90.833 degrees from the zenith. Between the polar circles the result is within a minute of an almanac (in
the years 1900 to 2100), beyond them within two, and within ten on the few days on which the sun only grazes the
horizon; hills, height and weather move what one sees by more. Results are whole minutes, as almanacs print them, and
so they are the same on every machine.
"""

from __future__ import annotations

from math import acos, asin, cos, degrees, floor, radians, sin, tan

from rules.units import DAY, MINUTE

_J2000 = 10_957.5  # days from 1970-01-01 00:00 to 2000-01-01 12:00
_ZENITH = cos(radians(90.833))
_REMEMBERED = 1000


class Sun:
    """The sun over one place, in degrees (north and east positive). `rise` and `set` are for the day whose noon on the
    wall clock is `noon` (µs since the epoch). Where the sun does not set, that day reaches from midnight to midnight of
    the sun's own time; where it does not rise, both are at the sun's own noon: what is between them is empty."""

    def __init__(self, *, latitude: float, longitude: float) -> None:
        self._latitude = radians(latitude)
        self._longitude = longitude
        self._known: dict[int, tuple[int, int]] = {}

    def rise(self, noon: int) -> int:
        """When the sun rises, wall µs."""
        return self._of(noon)[0]

    def set(self, noon: int) -> int:
        """When the sun sets, wall µs."""
        return self._of(noon)[1]

    def _of(self, noon: int) -> tuple[int, int]:
        number = floor(noon / DAY + self._longitude / 360)  # of the solar day whose noon is nearest
        known = self._known.get(number)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[number] = self._day(number)
        return known

    def _day(self, number: int) -> tuple[int, int]:
        before, noon, after = self._noon(number - 1), self._noon(number), self._noon(number + 1)
        morning, evening = (before + noon) / 2, (noon + after) / 2
        angle = self._hour_angle(noon)
        if angle is None:  # at noon the sun is either below the horizon, or it does not set at all
            up = self._never_sets(noon)
            return (_minute(morning), _minute(evening)) if up else (_minute(noon), _minute(noon))
        rise, down = noon - angle / 360, noon + angle / 360
        for _ in range(3):  # the sun moves on between noon and the moment that is sought
            rise = self._moment(number, rise, -1)
            down = self._moment(number, down, 1)
        return _minute(max(rise, morning)), _minute(min(down, evening))

    def _noon(self, number: int) -> float:
        """When the sun of that day stands highest, in days since the epoch."""
        mean = number + 0.5 - self._longitude / 360
        return mean - _position(mean)[1] / 1440

    def _moment(self, number: int, near: float, side: int) -> float:
        mean = number + 0.5 - self._longitude / 360
        angle = self._hour_angle(near)
        if angle is None:
            angle = 180.0 if self._never_sets(near) else 0.0
        return mean - _position(near)[1] / 1440 + side * angle / 360

    def _hour_angle(self, day: float) -> float | None:
        """Degrees the earth turns between the horizon and noon, by the sun's declination at that moment; None when the
        horizon is not reached."""
        cosine = self._cosine(day)
        return degrees(acos(cosine)) if -1 <= cosine <= 1 else None

    def _never_sets(self, day: float) -> bool:
        return self._cosine(day) < -1

    def _cosine(self, day: float) -> float:
        declination = _position(day)[0]
        return _ZENITH / (cos(self._latitude) * cos(declination)) - tan(self._latitude) * tan(declination)


def _minute(day: float) -> int:
    return round(day * 1440) * MINUTE


def _position(day: float) -> tuple[float, float]:
    """The sun's declination (radians) and the equation of time (minutes), `day` days since the epoch."""
    century = (day - _J2000) / 36_525
    longitude = radians((280.46646 + century * (36_000.76983 + century * 0.0003032)) % 360)
    anomaly = radians(357.52911 + century * (35_999.05029 - century * 0.0001537))
    eccentricity = 0.016708634 - century * (0.000042037 + century * 0.0000001267)
    centre = (
        sin(anomaly) * (1.914602 - century * (0.004817 + century * 0.000014))
        + sin(2 * anomaly) * (0.019993 - century * 0.000101)
        + sin(3 * anomaly) * 0.000289
    )
    node = radians(125.04 - 1934.136 * century)
    apparent = longitude + radians(centre - 0.00569 - 0.00478 * sin(node))
    arc_seconds = 21.448 - century * (46.815 + century * (0.00059 - century * 0.001813))
    obliquity = radians(23 + (26 + arc_seconds / 60) / 60 + 0.00256 * cos(node))
    declination = asin(sin(obliquity) * sin(apparent))
    y = tan(obliquity / 2) ** 2
    equation = (
        y * sin(2 * longitude)
        - 2 * eccentricity * sin(anomaly)
        + 4 * eccentricity * y * sin(anomaly) * cos(2 * longitude)
        - y * y * sin(4 * longitude) / 2
        - 5 * eccentricity * eccentricity * sin(2 * anomaly) / 4
    )
    return declination, 4 * degrees(equation)
