"""What can go wrong in the relay. `permanent` says that trying the same again cannot help."""

from __future__ import annotations


class RelayError(Exception):
    """Root of the relay's errors; the text is a sentence for a person."""

    permanent = True


class ConfigError(RelayError):
    """The relay cannot start as configured: exit 78."""


class StoreError(RelayError):
    """The database cannot be opened or used."""

    permanent = False


class StoreDamaged(StoreError):
    """The database is not what it should be, or of a later version: exit 78; nothing was changed in it."""

    permanent = True


class BackupError(RelayError):
    """A backup cannot be made or put back; nothing was changed."""


class Refused(RelayError):
    """Somebody asked for what cannot be done now; the text says why."""


class NotFound(RelayError):
    """There is no such thing, or it is not yours to see."""


class NotConnected(RelayError):
    """The gateway is not on its channel at the moment."""

    permanent = False


class NoAnswer(RelayError):
    """The gateway did not answer in time."""

    permanent = False


class SendError(RelayError):
    """A notification did not go out."""

    permanent = False

    def __init__(self, message: str, *, permanent: bool, uncertain: bool = False, after: float | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.uncertain = uncertain  # it may have arrived all the same: the next attempt says so
        self.after = after  # seconds the receiver asked us to wait
