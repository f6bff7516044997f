"""Files that only one holder of a key can read: age streams (age-encryption.org/v1) for an X25519 recipient."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from certs import private
from certs.errors import EnvelopeError

_NAME = "bundle.key"


def recipient_of(directory: Path) -> str:
    """The recipient (`age1…`) whose key is in this directory; made at first need, 0600. EnvelopeError when the key that
    is there cannot be used."""
    import pyrage  # type: ignore[import-untyped]

    path = directory / _NAME
    if not path.exists():
        private.make_directories(directory)
        private.write_new(path, f"{pyrage.x25519.Identity.generate()}\n".encode())
        private.sync_directory(directory)
    return str(_key(path).to_public())


def close(source: IO[bytes], target: Any, *, recipient: str) -> None:
    """Read `source` to its end and write it to `target` for this recipient. Blocking. EnvelopeError when the recipient
    is none, or one of the two files failed: the library gives only the words of their own error."""
    import pyrage

    try:
        whom = pyrage.x25519.Recipient.from_str(recipient)
    except pyrage.RecipientError:
        raise EnvelopeError(
            f"{recipient[:80]!r} is no recipient; the relay prints its own with nightporter relay bundle key"
        ) from None
    try:
        pyrage.encrypt_io(source, target, [whom])
    except pyrage.EncryptError as error:
        raise EnvelopeError(str(error)) from None


def open_to(source: IO[bytes], target: IO[bytes], *, directory: Path) -> None:
    """Read `source` and write what is in it to `target`, piece by piece as it proves to be unchanged. Blocking.
    EnvelopeError when it is for another recipient, cut off, or changed; what was written by then was unchanged."""
    import pyrage

    try:
        pyrage.decrypt_io(source, target, [_key(directory / _NAME)])
    except (pyrage.DecryptError, OSError) as error:
        why = f"it is not for the key in {directory / _NAME}, or was changed or cut off ({error})"
        raise EnvelopeError(why) from None


def _key(path: Path) -> Any:
    import pyrage

    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise EnvelopeError(f"{path} cannot be read: {error}; put the key back from a backup") from None
    if mode & 0o077:
        raise EnvelopeError(f"{path}: others can read this key (mode {mode & 0o777:04o}); run chmod 600 {path}")
    try:
        return pyrage.x25519.Identity.from_str(text)
    except pyrage.IdentityError:
        raise EnvelopeError(f"{path} is not a key; put it back from a backup") from None
