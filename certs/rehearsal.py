"""A handshake with ourselves, in memory: does our certificate get past a listener that trusts our root?"""

from __future__ import annotations

import ssl
from typing import Any

from certs.keystore import Material

_ROUNDS = 8  # a TLS 1.3 handshake needs two
# X509_V_FLAG_NO_CHECK_TIME of OpenSSL 1.1 and later, which Python does not name.
NO_CHECK_TIME = ssl.VerifyFlags(0x200000)


def accepted(material: Material) -> bool:
    """Whether a TLS 1.3 listener with this trust takes our certificate as a client's, now: key, chain, time, purpose.
    Why not is for `certs.judgement` to say."""
    return _rehearse(material, flags=ssl.VERIFY_X509_STRICT) is not None


def shown(material: Material) -> dict[str, Any] | None:
    """Our certificate as such a listener sees it, whatever the time is; None when it does not get past."""
    return _rehearse(material, flags=ssl.VERIFY_X509_STRICT | NO_CHECK_TIME)


def _rehearse(material: Material, *, flags: ssl.VerifyFlags) -> dict[str, Any] | None:
    listener, caller = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        for context in (listener, caller):
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.load_cert_chain(certfile=material.chain, keyfile=material.key)
        listener.load_verify_locations(cafile=material.trust)
        listener.verify_mode = ssl.CERT_REQUIRED
        listener.verify_flags |= flags
        caller.check_hostname = False  # here it is the listener that looks closely
        caller.verify_mode = ssl.CERT_NONE
        return _shake(listener, caller)
    except (ssl.SSLError, OSError):
        return None


def _shake(listener: ssl.SSLContext, caller: ssl.SSLContext) -> dict[str, Any] | None:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    judge = listener.wrap_bio(there, back, server_side=True)
    ends = [caller.wrap_bio(back, there, server_side=False), judge]
    for _ in range(_ROUNDS):
        for end in tuple(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)
        if not ends:
            return judge.getpeercert()
    return None
