"""What can go wrong with keys and certificates. `permanent` says that trying the same thing again cannot help."""

from __future__ import annotations


class CertsError(Exception):
    """Root of this package's errors. The text says what happened, where, and what to do next; never a secret."""

    permanent = True


class AuthorityError(CertsError):
    """The CA directory is missing, damaged, occupied, or asked for something it may not sign."""


class PassphraseError(CertsError):
    """A passphrase that is missing, too short or wrong."""


class IdentityError(CertsError):
    """A certificate or URI that names no gateway, or not exactly one."""


class KeystoreError(CertsError):
    """An identity directory without a usable key, certificate, chain or trust."""


class KeystoreBusy(CertsError):
    """Another process is installing into the same directory or writing the same index; try again."""

    permanent = False


class CertificateExpired(CertsError):
    """Our own certificate is past its end. A renewed one helps, so trying again later can help."""

    permanent = False


class CertificateNotYetValid(CertsError):
    """Our own certificate starts in the future: most often the clock of this machine is wrong."""

    permanent = False


class WrongChain(CertsError):
    """Our own key, certificate, chain and trusted root do not belong together."""


class WrongPurpose(CertsError):
    """A server's certificate where a client's is needed, or the reverse."""


class UntrustedSeal(CertsError):
    """A file that was carried here and whose signature is not believed; the text says why."""


class EnvelopeError(CertsError):
    """A file or key of an encrypted stream that cannot be used; the text says why."""
