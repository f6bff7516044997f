"""The gallery of the calendar's scenarios as a site, for tests that play it themselves."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from rules.document.places import Places
from rules.document.site import Site
from rules.scenario.merge import with_digests

_FILE = Path(__file__).parents[1] / "scenarios" / "sites" / "gallery.yaml"


@cache
def _data() -> Any:
    return with_digests(Places(text=_FILE.read_text("utf-8"), file="gallery.yaml").data)


def gallery(*, arming: dict[str, Any] | None = None, **parts: Any) -> Site:
    """The gallery with other words of `arming`, and with other or more parts."""
    data = {**_data(), **parts}
    (hall,) = data["partitions"]
    data["partitions"] = [{**hall, "arming": {**hall["arming"], **(arming or {})}}]
    return Site.model_validate(data)
