"""`agent.yaml`: what belongs to the box and is never changed from afar."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from agent.config.media import MediaConfig
from agent.config.outlets import OutletConfig
from agent.config.store import StoreConfig
from rules.document import Secret, Strict
from rules.document.rule import Name


class GatewayConfig(Strict):
    """Who this gateway is; a certificate must say the same."""

    tenant: Name
    site: Name
    id: Name


class PathsConfig(Strict):
    """Where things are kept. The database and the media belong on separate file systems in production."""

    data: Path
    media: Path
    secrets: Path
    run: Path


class BrokerTls(Strict):
    """Trust for a broker that speaks TLS."""

    ca: Path


class FloodConfig(Strict):
    """What one topic may say: `per_second` messages, and `burst` at once. Beyond it only what is new counts."""

    per_second: Annotated[int, Field(ge=1, le=100_000)] = 50
    burst: Annotated[int, Field(ge=10, le=100_000)] = 500


class BrokerConfig(Strict):
    """The MQTT broker of the building."""

    name: Name = "broker"
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    user: str | None = None
    password: Secret | None = None
    tls: BrokerTls | None = None
    flood: FloodConfig = FloodConfig()


class AgentConfig(Strict):
    """The whole file."""

    gateway: GatewayConfig
    paths: PathsConfig
    broker: BrokerConfig | None = None
    store: StoreConfig = StoreConfig()
    media: MediaConfig = MediaConfig()
    outlets: list[OutletConfig] = []

    @model_validator(mode="after")
    def _names(self) -> AgentConfig:
        names = [outlet.name for outlet in self.outlets]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two outlets are called {twice[0]}")
        return self
