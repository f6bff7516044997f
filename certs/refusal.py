"""Why a handshake was refused, in words. OpenSSL's codes in, one sentence for a person out."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

# The reasons are our own words: they are stored, counted and shown, so they must not change with OpenSSL.
_BY_VERIFY_CODE: dict[int, tuple[str, str]] = {
    9: ("not_yet_valid", "the certificate is not yet valid; look at the clocks of both machines"),
    10: ("expired", "the certificate has expired; it must be renewed"),
    7: ("bad_signature", "the certificate was changed after it was signed"),
    2: ("unknown_authority", "the certificate was signed by a CA this end does not know"),
    18: ("unknown_authority", "the certificate is signed by itself"),
    19: ("unknown_authority", "the certificate was signed by a CA this end does not trust"),
    20: ("unknown_authority", "the certificate was signed by a CA this end does not know"),
    21: ("unknown_authority", "the certificate came without the CA that signed it"),
    23: ("revoked", "the certificate was revoked"),
    24: ("not_an_authority", "the certificate was signed by one that may not sign others"),
    25: ("not_an_authority", "the certificate was signed through more CAs than allowed"),
    26: ("wrong_purpose", "the certificate was issued for the other end of the connection"),
    47: ("foreign_trust_domain", "the certificate names a trust domain its CA may not sign for"),
    62: ("wrong_name", "the certificate is for another host name"),
    64: ("wrong_name", "the certificate is for another address"),
    79: ("not_an_authority", "the certificate was signed by one that is no CA"),
}
_BY_REASON: dict[str, tuple[str, str]] = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": ("no_certificate", "the peer showed no certificate"),
    "UNSUPPORTED_PROTOCOL": ("old_tls", "the peer speaks no TLS 1.3"),
    "WRONG_VERSION_NUMBER": ("not_tls", "the peer does not speak TLS"),
    "HTTP_REQUEST": ("not_tls", "the peer speaks plain HTTP where TLS is needed"),
    "NO_SHARED_CIPHER": ("no_common_cipher", "the peer offers no cipher this end allows"),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": ("no_certificate", "the other end wants a certificate and was shown none"),
    "TLSV1_ALERT_PROTOCOL_VERSION": ("old_tls", "the other end does not accept this version of TLS"),
    "TLSV1_ALERT_UNKNOWN_CA": ("unknown_authority", "the other end does not know the CA of our certificate"),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": ("expired", "the other end says that our certificate has expired"),
    "SSLV3_ALERT_CERTIFICATE_REVOKED": ("revoked", "the other end says that our certificate was revoked"),
    "SSLV3_ALERT_BAD_CERTIFICATE": ("bad_certificate", "the other end does not accept our certificate"),
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": ("bad_certificate", "the other end does not accept our certificate"),
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": (
        "wrong_purpose",
        "the other end says that our certificate was issued for something else",
    ),
    "TLSV1_ALERT_DECRYPT_ERROR": ("bad_signature", "the other end could not verify our signature"),
    "UNEXPECTED_EOF_WHILE_READING": ("closed", "the other end closed the connection in the middle of the handshake"),
}

_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One refused handshake: a constant `reason`, a `sentence` for a person, and OpenSSL's own word as `detail`."""

    reason: str
    sentence: str
    detail: str


def describe(error: ssl.SSLError) -> Refusal:
    """The refusal behind a TLS error, whichever end found it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason, sentence = _BY_VERIFY_CODE.get(
            error.verify_code, ("bad_certificate", f"the certificate is not acceptable: {error.verify_message}")
        )
        return Refusal(reason=reason, sentence=sentence, detail=error.verify_message)
    detail = error.reason or type(error).__name__
    reason, sentence = _BY_REASON.get(detail, ("other", f"the handshake failed: {detail}"))
    return Refusal(reason=reason, sentence=sentence, detail=detail)


def find(error: BaseException) -> Refusal | None:
    """The refusal anywhere in the causes of an HTTP or WebSocket library's error, or None.

    With TLS 1.3 a client learns that its certificate was refused at its first read, wrapped in whatever its library
    raises there.
    """
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        if isinstance(current, ssl.SSLError):
            return describe(current)
        seen.add(id(current))
        current = current.__cause__ or current.__context__
    return None


def reporting_class(report: Callable[[Refusal], None]) -> type[ssl.SSLObject]:
    """An SSLObject for `context.sslobject_class` which reports each refused handshake, once, before it is raised."""

    class Reporting(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                report(describe(error))
                raise

    return Reporting


def expiry_class(since: float) -> type[ssl.SSLObject]:
    """An SSLObject for `context.sslobject_class` which refuses a peer's certificate that had expired at `since`
    (seconds since the epoch); for a context that looks at no times by itself."""

    class Unexpired(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            ends = (self.getpeercert() or {}).get("notAfter")
            if not isinstance(ends, str) or ssl.cert_time_to_seconds(ends) <= since:
                error = ssl.SSLCertVerificationError("certificate has expired")
                error.verify_code, error.verify_message = _EXPIRED, "certificate has expired"
                raise error

    return Unexpired
