"""The pepper: with it the digits of a code become a digest that says nothing to whoever lacks it.

A code has few digits: anybody who holds a plain hash of one finds it in a moment. So a code, the bits of a card, and
the receipt of a message that has one in it are keyed with a secret of this gateway, which is in no document, no log and
no store."""

from __future__ import annotations

import hashlib
import hmac
import os
import re

from agent.errors import AgentError

BYTES = 32
_KEY = re.compile(rf"[0-9a-f]{{{2 * BYTES}}}")
_DIGITS = re.compile(r"[0-9]{1,32}")
_BITS = re.compile(r"[0-9A-Z]{1,128}")


class NotACredential(AgentError):
    """What was given is no code or card; the text never repeats it."""


class Pepper:
    """Makes digests. It shows nothing of its key."""

    def __init__(self, *, key: bytes) -> None:
        self._key = key

    @classmethod
    def fresh(cls) -> tuple[Pepper, str]:
        """A new one, and how it is written down."""
        text = os.urandom(BYTES).hex()
        return cls(key=bytes.fromhex(text)), text

    @classmethod
    def read(cls, text: str) -> Pepper:
        """One that was written down. NotACredential when this is none."""
        if not _KEY.fullmatch(text):
            raise NotACredential(f"it is not {2 * BYTES} hexadecimal digits in small letters")
        return cls(key=bytes.fromhex(text))

    def code(self, digits: object) -> str:
        """The digest (hex) of a code: 1 to 32 digits, as text. NotACredential for anything else."""
        if not isinstance(digits, str) or not _DIGITS.fullmatch(digits):
            raise NotACredential("a code is 1 to 32 digits, as text")
        return self._digest(b"code:", digits).hex()

    def card(self, bits: object) -> str:
        """The digest (hex) of a card's number. Small and large letters and the marks between them (`04:a2`, `04 A2`)
        make no difference. NotACredential for what is no number of a card."""
        plain = re.sub(r"[\s:.\-]", "", bits).upper() if isinstance(bits, str) else ""
        if not _BITS.fullmatch(plain):
            raise NotACredential("a card is 1 to 128 letters and digits, as text")
        return self._digest(b"card:", plain).hex()

    def receipt(self, message: bytes) -> bytes:
        """A digest by which a message is known again, and nothing else is learned of it."""
        return hmac.digest(self._key, b"receipt:" + message, hashlib.sha256)

    def _digest(self, what: bytes, text: str) -> bytes:
        return hmac.digest(self._key, what + text.encode("ascii"), hashlib.sha256)

    def __repr__(self) -> str:
        return "Pepper()"
