"""What the pages share beside the relay's context."""

from __future__ import annotations

from dataclasses import dataclass, field

from relay.access.passwords import Passwords
from relay.context import RelayContext
from relay.web.assets import Assets
from relay.web.templates import Templates


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """Made once by `routes.build`; starts nothing. `streams` counts open streams by person."""

    context: RelayContext
    templates: Templates
    assets: Assets
    passwords: Passwords
    zone: str
    streams: dict[str, int] = field(default_factory=dict)

    @property
    def cookie_base(self) -> str:
        """Cookies know no port: two relays on one machine need two names."""
        return f"nightporter-{self.context.config.relay.id}"

    def cookie(self, scheme: str) -> str:
        """The session cookie's name: bound to the host by the browser wherever the connection is encrypted."""
        return f"__Host-{self.cookie_base}" if scheme == "https" else self.cookie_base
