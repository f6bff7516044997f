"""A handshake with ourselves, in memory: does our certificate get past a listener that trusts our root?"""

from __future__ import annotations

import ssl

from certs.keystore import Material

_ROUNDS = 8  # a TLS 1.3 handshake needs two


def accepted(material: Material) -> bool:
    """Whether a TLS 1.3 listener with this trust takes our certificate as a client's, now: key, chain, time, purpose.
    Why not is for `certs.judgement` to say."""
    listener, caller = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        for context in (listener, caller):
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.load_cert_chain(certfile=material.chain, keyfile=material.key)
        listener.load_verify_locations(cafile=material.trust)
        listener.verify_mode = ssl.CERT_REQUIRED
        listener.verify_flags |= ssl.VERIFY_X509_STRICT
        caller.check_hostname = False  # here it is the listener that looks closely
        caller.verify_mode = ssl.CERT_NONE
        return _shake(listener, caller)
    except (ssl.SSLError, OSError):
        return False


def _shake(listener: ssl.SSLContext, caller: ssl.SSLContext) -> bool:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        caller.wrap_bio(back, there, server_side=False),
        listener.wrap_bio(there, back, server_side=True),
    ]
    for _ in range(_ROUNDS):
        for end in tuple(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)
        if not ends:
            return True
    return False
