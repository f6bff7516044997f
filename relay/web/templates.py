"""The templates: everything a value brings is escaped, and a name that is not given is a mistake, not a blank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from relay.web.assets import Assets

FOLDER = Path(__file__).parent / "templates"


class Templates:
    """Renders pages; templates are compiled once."""

    def __init__(self, *, assets: Assets, relay_name: str) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals |= {"asset": assets.address, "relay_name": relay_name}

    def render(self, name: str, values: dict[str, Any]) -> str:
        """The page `name` with these values."""
        return self._environment.get_template(name).render(values)
