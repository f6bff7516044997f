"""Where the command line leaves for the running agent what it did: a folder beside the log, one file a message.

The agent is the only one who writes its store. A message is laid down whole (written aside, fsynced, renamed), and
removed when what it says is durable: the agent may be killed at any time, or not run at all meanwhile.
"""

from __future__ import annotations

import os
from pathlib import Path

from agent.errors import ConfigError


class Mailbox:
    """`<data>/bundles`: notes of bundles that were written, and receipts that came back."""

    def __init__(self, *, data: Path) -> None:
        self._folder = data / "bundles"

    def prepare(self) -> None:
        """Make the folder. ConfigError when this user may not write there."""
        try:
            self._folder.mkdir(mode=0o750, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{self._folder} cannot be made ({error.strerror}): run this as the agent's user"
            ) from None
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise ConfigError(f"{self._folder} cannot be written by this user: run this as the agent's user")

    def lay(self, name: str, content: bytes) -> None:
        """Leave a message. ConfigError when the disk refuses."""
        path = self._folder / name
        aside = path.with_name(f".{name}.new")
        try:
            with aside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}") from None

    def waiting(self, outlet: str) -> list[Path]:
        """The messages for this outlet, in the order of their names: what was written before what came back."""
        try:
            return sorted(self._folder.glob(f"{outlet}.*.json"))
        except OSError:  # nothing can be read there now; it is looked at again
            return []


def written(outlet: str, name: str) -> str:
    """The message that says a bundle was written."""
    return f"{outlet}.1-written-{name}.json"


def returned(outlet: str, name: str) -> str:
    """The message that is a receipt."""
    return f"{outlet}.2-receipt-{name}.json"
