"""When our own certificate was issued: a time that has certainly passed, whatever the clock on the wall shows."""

from __future__ import annotations

import ssl
from pathlib import Path

from certs import keystore
from certs.errors import CertsError
from certs.rehearsal import shown


def issued(directory: Path) -> int | None:
    """Wall time (µs) from which the certificate in this identity directory is valid; None: there is none to read."""
    try:
        certificate = shown(keystore.current(directory))
    except (CertsError, OSError):
        return None
    begins = None if certificate is None else certificate.get("notBefore")
    return round(ssl.cert_time_to_seconds(begins) * 1_000_000) if isinstance(begins, str) else None
