"""What the console refuses, in words for the person in front of it."""

from __future__ import annotations


class AccessError(Exception):
    """Root of this package's errors; each is an answer to a person, and none is worth an automatic retry."""

    permanent = True


class NotSignedIn(AccessError):
    """Nobody is signed in, or the session has ended."""


class Forbidden(AccessError):
    """The person is known and may not do this; the text names the action."""


class TooMany(AccessError):
    """Too many tries; `wait` is in whole seconds."""

    permanent = False

    def __init__(self, wait: int) -> None:
        self.wait = wait
        super().__init__(f"Too many tries. Wait {wait} s, then try again.")


class Invalid(AccessError):
    """What was typed cannot be used; `field` names the form field, the text says what would do."""

    def __init__(self, field: str, text: str) -> None:
        self.field = field
        super().__init__(text)
