"""HTTP digest authentication (RFC 2617 and RFC 7616, MD5) from the side that asks for it."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping

REALM = "camera"
_FIELD = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


class Digest:
    """One challenge, good for one connection; a nonce count is accepted once."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = users
        self._nonce = secrets.token_hex(16)
        self._count = 0

    @property
    def challenge(self) -> str:
        return f'Digest realm="{REALM}", nonce="{self._nonce}", algorithm=MD5, qop="auth"'

    def accepts(self, *, method: str, url: str, header: str | None) -> bool:
        """Whether an Authorization header answers our challenge for this request."""
        scheme, _, rest = (header or "").partition(" ")
        if scheme.lower() != "digest":
            return False
        said = {key.lower(): quoted or plain for key, quoted, plain in _FIELD.findall(rest)}
        password = self._users.get(said.get("username", ""))
        if password is None or said.get("nonce") != self._nonce or said.get("uri") != url:
            return False
        first = _md5(f"{said['username']}:{REALM}:{password}")
        second = _md5(f"{method}:{url}")
        if "qop" in said:
            if said["qop"] != "auth" or not self._fresh(said.get("nc", "")):
                return False
            wanted = _md5(f"{first}:{self._nonce}:{said['nc']}:{said.get('cnonce', '')}:auth:{second}")
        else:
            wanted = _md5(f"{first}:{self._nonce}:{second}")
        return hmac.compare_digest(wanted.encode(), said.get("response", "").encode())

    def _fresh(self, count: str) -> bool:
        if not re.fullmatch(r"[0-9a-fA-F]{8}", count) or int(count, 16) <= self._count:
            return False
        self._count = int(count, 16)
        return True


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
