"""Reading `agent.yaml` and the secrets it names. Every mistake becomes a ConfigError with its place."""

from __future__ import annotations

from pathlib import Path

from agent.config.model import AgentConfig, PathsConfig
from agent.config.secrets import Secrets as Secrets  # most who read the configuration know them from here
from agent.config.text import read_text
from agent.errors import ConfigError
from rules.document import load
from rules.document.site import Site, load_site
from rules.errors import DocumentError


def load_config(path: Path) -> AgentConfig:
    """The configuration; relative paths in it are relative to the file."""
    if not path.exists():
        raise ConfigError(f"configuration {path} does not exist; name the gateway's with --config")
    try:
        config = load(read_text(path, "configuration"), str(path), AgentConfig)
    except DocumentError as error:
        raise ConfigError(str(error)) from None
    base = path.resolve().parent
    paths = PathsConfig(**{name: base / getattr(config.paths, name) for name in PathsConfig.model_fields})
    outlets = [
        outlet.model_copy(
            update={
                "identity": base / outlet.identity if outlet.identity else None,
                "socket": base / outlet.socket if outlet.socket else None,
            }
        )
        for outlet in config.outlets
    ]
    broker = config.broker
    if broker is not None and broker.tls is not None:
        broker = broker.model_copy(update={"tls": broker.tls.model_copy(update={"ca": base / broker.tls.ca})})
    return config.model_copy(update={"paths": paths, "outlets": outlets, "broker": broker})


def load_site_file(path: Path) -> tuple[str, Site]:
    """A site document as text and as what it means."""
    text = read_text(path, "site document")
    return text, parse_site(text, str(path))


def parse_site(text: str, name: str) -> Site:
    """A site document from its text."""
    try:
        return load_site(text, name)
    except DocumentError as error:
        raise ConfigError(str(error)) from None
