"""`outlets:` in `agent.yaml`: who follows the log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from rules.document import Strict
from rules.document.rule import Name


class OutletConfig(Strict):
    """A relay that follows the log: by `url` with the identity in `identity`, or on this box by `socket`."""

    name: Name
    url: Annotated[str | None, Field(pattern=r"^https://[^/@\s]+$")] = None
    identity: Path | None = None
    socket: Path | None = None
    keeps_copy: bool = True

    @model_validator(mode="after")
    def _one_way(self) -> OutletConfig:
        if (self.url is None) == (self.socket is None):
            raise ValueError(f"outlet {self.name}: give either url (with identity) or socket")
        if (self.url is None) != (self.identity is None):
            raise ValueError(f"outlet {self.name}: url and identity go together")
        return self
