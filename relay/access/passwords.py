"""Passphrases: argon2id, computed in a thread, two at once, equally long for people who do not exist."""

from __future__ import annotations

import asyncio
import base64
import secrets
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from relay.access.errors import Invalid

MIN_LENGTH = 12
MAX_LENGTH = 1000


def check(text: str, field: str = "passphrase") -> str:
    """The passphrase in the form that is hashed. Invalid when it is too short or far too long; no other rule."""
    plain = unicodedata.normalize("NFKC", text)
    if len(plain) < MIN_LENGTH:
        raise Invalid(field, f"A passphrase has at least {MIN_LENGTH} characters; this one has {len(plain)}.")
    if len(plain) > MAX_LENGTH:
        raise Invalid(field, f"A passphrase has at most {MAX_LENGTH} characters.")
    return plain


class Passwords:
    """Hashes and verifies. One lane per hash (`parallelism`), so that a sign-in never takes every core from the alarms;
    `memory` in KiB. More than two at once wait for their turn."""

    def __init__(self, *, rounds: int = 3, memory: int = 65_536) -> None:
        self._hasher = PasswordHasher(time_cost=rounds, memory_cost=memory, parallelism=1)
        self._turns = asyncio.Semaphore(2)
        # Costs what a real one costs, and nothing matches it: the answer for an unknown name takes as long.
        salt, digest = (base64.b64encode(secrets.token_bytes(n)).decode().rstrip("=") for n in (16, 32))
        self._nobody = f"$argon2id$v=19$m={memory},t={rounds},p=1${salt}${digest}"

    async def hash(self, text: str) -> str:
        """The encoded hash of a checked passphrase."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, text)

    async def verify(self, stored: str | None, text: str) -> bool:
        """Whether `text` is the passphrase behind `stored`; None (no such person) takes the same time and is False."""
        plain = unicodedata.normalize("NFKC", text[: MAX_LENGTH + 1])
        async with self._turns:
            return await asyncio.to_thread(self._matches, stored or self._nobody, plain)

    def _matches(self, stored: str, plain: str) -> bool:
        try:
            return self._hasher.verify(stored, plain)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False
