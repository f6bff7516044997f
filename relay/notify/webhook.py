"""A signed webhook in the form of Standard Webhooks: the receiver can tell that it is ours, whole, and not a repeat.

`webhook-id` is stable over retries, `webhook-timestamp` is of this attempt, and `webhook-signature` is
`v1,base64(HMAC-SHA256(secret, id.timestamp.body))`. A secret `whsec_…` is base64 as the standard has it; any other is
taken as it is. Only configured addresses are called, redirects are not followed, nothing of the answer is kept.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping

import httpx

from relay.config import Secrets, Webhook
from relay.errors import ConfigError, SendError
from relay.notify.message import Message

SECONDS = 10.0
# What a receiver will say again however often it is asked: it is gone, or is elsewhere, and we follow nobody.
_FINAL = frozenset({410})


def key(secret: bytes, *, name: str) -> bytes:
    """The signing key in a secret. ConfigError when it claims to be base64 and is not."""
    if not secret.startswith(b"whsec_"):
        return secret
    try:
        return base64.b64decode(secret.removeprefix(b"whsec_"), validate=True)
    except binascii.Error:
        raise ConfigError(f"the secret of webhook {name} begins with whsec_ but is not base64 after it") from None


def sign(key: bytes, *, identity: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`; `timestamp` in seconds."""
    signed = f"{identity}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def client() -> httpx.AsyncClient:
    """One client for all webhooks: no redirects, no proxy from the environment, nothing waits for ever."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(SECONDS), follow_redirects=False, trust_env=False, limits=httpx.Limits(max_connections=16)
    )


class WebhookSender:
    """Sends to one configured address."""

    def __init__(self, *, config: Webhook, secrets: Secrets, http: httpx.AsyncClient) -> None:
        self._config = config
        self._key = key(secrets.get(config.secret.secret), name=config.name)
        self._http = http

    async def send(self, message: Message, *, now: int) -> None:
        """Returns when the receiver has accepted it. SendError says why not, whether to try again, and whether it may
        have arrived all the same; it never holds the address's query or the secret."""
        body = json.dumps(message.document(), ensure_ascii=False).encode()
        timestamp = now // 1_000_000
        headers = {
            "content-type": "application/json",
            "user-agent": "nightporter-relay",
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self._key, identity=message.id, timestamp=timestamp, body=body),
        }
        try:
            # Streamed, so that the size of what a receiver answers does not matter: only its status is read.
            async with self._http.stream("POST", self._config.url, content=body, headers=headers) as response:
                status, answered = response.status_code, response.headers
        except httpx.ConnectError as error:
            raise SendError(f"no connection: {_shown(error)}", permanent=False) from None
        except httpx.ConnectTimeout:
            raise SendError(f"no connection within {SECONDS:g} s", permanent=False) from None
        except httpx.TimeoutException:
            raise SendError(f"no answer within {SECONDS:g} s", permanent=False, uncertain=True) from None
        except httpx.HTTPError as error:
            raise SendError(f"the connection broke: {_shown(error)}", permanent=False, uncertain=True) from None
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            raise SendError(f"answered {status}, a redirect; redirects are not followed", permanent=True)
        raise SendError(
            f"answered {status}", permanent=status in _FINAL, uncertain=status >= 500, after=_retry_after(answered)
        )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "")
    return min(float(text), 3600.0) if text.isdigit() else None


def _shown(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
