"""What an incident turned out to be, in words for people."""

from __future__ import annotations

from rules.incidents import REASONS

_WORDS = {
    "real": ("Real", "It did happen"),
    "false_alarm": ("False alarm", "Nothing had happened"),
    "user_error": ("Mistake", "Somebody who may be there did it"),
    "test": ("Test", "Somebody tried it out"),
    "technical": ("Technical", "A fault of a device or a line"),
    "duress": ("Duress", "Somebody was forced"),
    "unknown": ("Not found out", "Nobody knows"),
}
CHOICES = tuple((reason, *_WORDS[reason]) for reason in REASONS)


def spoken(reason: str | None) -> str:
    """The word for a reason; one of a later version is shown as it is."""
    if reason is None:
        return ""
    return _WORDS[reason][0] if reason in _WORDS else reason.replace("_", " ").capitalize()
