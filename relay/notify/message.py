"""What a notification says, the same for every channel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One incident as it is told. Times are wall µs; `still` is None when no picture has come yet."""

    delivery: str
    incident: str
    transition: str
    title: str
    severity: str
    state: str
    site: str
    gateway: str
    opened: int
    still: str | None
    attempt: int
    possibly_repeated: bool
    covert: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message: about one incident, or about several old ones of one site. `id` is stable over retries."""

    id: str
    relay: str
    public_url: str | None
    news: tuple[News, ...]
    digest: str | None = None

    def document(self) -> dict[str, Any]:
        """The message as JSON: type, timestamp (of what happened first) and data."""
        first = min(news.opened for news in self.news)
        if self.digest is None:
            (only,) = self.news
            kind, data = f"incident.{only.transition}", self._one(only)
        else:
            kind = "incidents.digest"
            data = {
                "site": self.digest,
                "count": len(self.news),
                "incidents": [self._one(news) for news in sorted(self.news, key=lambda news: news.opened)],
            }
        return {"type": kind, "timestamp": _iso(first), "data": data | {"relay": self.relay}}

    def _one(self, news: News) -> dict[str, Any]:
        said: dict[str, Any] = {
            "incident": news.incident,
            "title": news.title,
            "severity": news.severity,
            "state": news.state,
            "site": news.site,
            "gateway": news.gateway,
            "opened": _iso(news.opened),
            "attempt": news.attempt,
            "possibly_repeated": news.possibly_repeated,
        }
        if news.covert:
            said["covert"] = True  # whoever reads this must not ring the building
        if self.public_url is not None:
            said["url"] = f"{self.public_url}/incidents/{news.incident}"
            if news.still is not None:
                said["still"] = f"{self.public_url}/stills/{news.still}.jpg"
        return said


def _iso(wall: int) -> str:
    return datetime.fromtimestamp(wall / 1_000_000, UTC).isoformat(timespec="milliseconds")
