"""Text of files that a person wrote."""

from __future__ import annotations

from pathlib import Path

from agent.errors import ConfigError


def read_text(path: Path, what: str) -> str:
    """The whole file. ConfigError says what it is and why it cannot be read."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{what} {path} does not exist") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{what} {path} is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{what} {path} cannot be read: {error.strerror}") from None
