"""That a relay was restored from a backup, and what follows from it: a small file beside the database.

What came after the backup was made is unknown to the restored relay until its gateways send it again, and people may
have been told of it by the relay that is gone.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from relay.errors import StoreError

# µs after a restore in which gateways may come back and say what people were told: twice their longest wait.
RETURN = 120_000_000
# µs after news of the unknown time has come in which the same gateway may still say that people were told of it.
HEARSAY = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """Wall µs: when the backup was made, and when it was put back."""

    since: int
    until: int

    def unknown(self, moment: int) -> bool:
        """Whether people may have been told of what happened then, by this relay as it was: also of what is older than
        the backup and arrived after it."""
        return moment <= self.until

    @property
    def sentence(self) -> str:
        """For a person."""
        return f"restored on {shown(self.until)} from a backup of {shown(self.since)}"


def beside(database: Path) -> Path:
    """Where it is written."""
    return database.with_name(f"{database.name}.restored")


def read(database: Path | None) -> Restored | None:
    """The last restore; None when there was none. StoreError when it cannot be read."""
    if database is None:
        return None
    path = beside(database)
    try:
        fields = json.loads(path.read_text("utf-8"))
        return Restored(since=int(fields["since"]), until=int(fields["until"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{path} cannot be read ({error}); it says when this relay was restored") from None


def write(database: Path, restored: Restored) -> None:
    """Durably."""
    path = beside(database)
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump({"since": restored.since, "until": restored.until}, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def shown(moment: int) -> str:
    """Wall µs as a person writes it."""
    return datetime.fromtimestamp(moment / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M UTC")
