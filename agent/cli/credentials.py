"""Digits and card numbers from a person, without showing or keeping them."""

from __future__ import annotations

import getpass
import re
import sys

_CODE = re.compile(r"[0-9]{4,12}")


def ask(*, card: bool) -> str | None:
    """What was typed twice and unseen, or came as one line from standard input. None, once the reason was said."""
    what = "card" if card else "code"
    if sys.stdin.isatty():
        given = getpass.getpass(f"The {what}: ")
        if given != getpass.getpass("Once more: "):
            _say("the two are not the same; nothing was made")
            return None
    else:
        given = sys.stdin.readline().strip()
    if not given:
        _say(f"no {what} was given")
        return None
    if not card and not _CODE.fullmatch(given):
        _say("a code has 4 to 12 digits and nothing else")
        return None
    return given


def _say(reason: str) -> None:
    print(reason, file=sys.stderr)
