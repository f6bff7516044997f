"""A bundle as it is opened: decrypted and read member by member, nothing of it written under a name that it chose.

Theory of operation: one thread decrypts into a pipe, another reads the archive out of it. The manifest and its seal
come first and fix every byte that follows: a lane by its chain hash, a recording by its name. A cut or changed file
fails where it was changed; what came before is good and is kept.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from certs import envelope, seal
from certs.errors import CertsError
from certs.identity import Identity
from relay.bundles.errors import BundleError
from rules import wire
from rules.errors import WireError
from rules.wire.bundle import BUNDLE, BundleManifest

_MOST_MANIFEST = 33_554_432  # some 250,000 recordings
_PIECE = 1_048_576
_BATCH = re.compile(r"(P[0-9])/[0-9]{8}\.ndjson", re.ASCII)
_BLOB = re.compile(r"blobs/([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchMember:
    """Records of a lane."""

    lane: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobMember:
    """A recording, its SHA-256 checked, in a file of the caller's folder which the caller moves or removes."""

    sha256: str
    path: Path


Member = BatchMember | BlobMember


class Opened:
    """A bundle that is being read. Everything here blocks: run it in a thread. BundleError says what is wrong."""

    def __init__(self, *, path: Path, keys: Path, roots: bytes) -> None:
        self._path = path
        self._keys = keys
        self._roots = roots
        self._failed: str | None = None
        self._archive: tarfile.TarFile | None = None
        self._pipe: IO[bytes] | None = None
        self._thread: threading.Thread | None = None

    def begin(self) -> tuple[BundleManifest, Identity]:
        """What is in it and whose it is, once that is believed."""
        reading, writing = os.pipe()
        self._pipe = os.fdopen(reading, "rb", buffering=_PIECE)
        self._thread = threading.Thread(target=self._decrypt, args=(writing,), name="bundle.decrypt", daemon=True)
        self._thread.start()
        try:
            self._archive = tarfile.open(fileobj=self._pipe, mode="r|")  # noqa: SIM115 - read on by `members`
            text = self._small("manifest.json", most=_MOST_MANIFEST)
            signed = self._small("seal.json", most=_PIECE)
        except tarfile.TarError:
            raise self._why("it is not a bundle") from None
        try:
            manifest = BundleManifest.parse(text)
        except WireError as error:
            raise BundleError(f"{self._path.name}: its manifest cannot be read: {error}") from None
        made = datetime.fromtimestamp(manifest.made / 1e6, UTC)
        try:
            identity = seal.sealed_by_gateway(
                seal.Seal.parse(signed), text, made_for=BUNDLE, roots=self._roots, at=made
            )
        except CertsError as error:
            raise BundleError(f"{self._path.name} is not believed: {error}") from None
        if (identity.tenant, identity.site, identity.gateway) != (manifest.tenant, manifest.site, manifest.gateway):
            raise BundleError(f"{self._path.name} was signed by gateway {identity.gateway} and speaks for another one")
        return manifest, identity

    def members(self, manifest: BundleManifest, *, scratch: Path) -> Iterator[Member]:
        """What follows the manifest, in order; recordings are laid into `scratch`."""
        assert self._archive is not None, "begin comes first"
        sizes = {blob.sha256: blob.bytes for blob in manifest.blobs}
        try:
            while (member := self._archive.next()) is not None:
                self._archive.members.clear()  # type: ignore[attr-defined]  # it keeps a list of all it has seen
                batch, blob = _BATCH.fullmatch(member.name), _BLOB.fullmatch(member.name)
                content = self._archive.extractfile(member)
                if content is None or not member.isreg():
                    raise BundleError(f"{self._path.name}: {member.name[:80]!r} is not a file")
                if batch is not None and member.size <= wire.MAX_BATCH_BYTES:
                    yield BatchMember(lane=batch[1], data=content.read())
                elif blob is not None and sizes.get(blob[1]) == member.size:
                    yield self._blob(blob[1], content, scratch)
                else:
                    raise BundleError(f"{self._path.name}: {member.name[:80]!r} does not belong into it")
        except (tarfile.TarError, OSError):
            raise self._why("it ends too early") from None
        if self._failed is not None:
            raise self._why("it ends too early")

    def close(self) -> None:
        """Let go of it, wherever it stands."""
        if self._pipe is not None:
            self._pipe.close()  # the other thread's next write fails, and it ends
        if self._thread is not None:
            self._thread.join()

    def _decrypt(self, writing: int) -> None:
        with os.fdopen(writing, "wb", buffering=0) as target:
            try:
                with self._path.open("rb") as source:
                    envelope.open_to(source, target, directory=self._keys)
            except CertsError as error:
                self._failed = str(error)
            except OSError as error:  # the file cannot be read, or nobody reads on
                self._failed = error.strerror or str(error)

    def _why(self, otherwise: str) -> BundleError:
        if self._thread is not None and self._pipe is not None:
            self._pipe.close()
            self._thread.join()
        return BundleError(f"{self._path.name}: {self._failed or otherwise}")

    def _small(self, name: str, *, most: int) -> bytes:
        assert self._archive is not None
        member = self._archive.next()
        if member is None or member.name != name or not member.isreg() or member.size > most:
            raise self._why(f"it does not have its {name} where it belongs")
        content = self._archive.extractfile(member)
        assert content is not None  # a regular file has content
        return content.read()

    def _blob(self, sha256: str, content: IO[bytes], scratch: Path) -> BlobMember:
        digest = hashlib.sha256()
        path = scratch / sha256
        try:
            with path.open("wb") as file:
                while piece := content.read(_PIECE):
                    digest.update(piece)
                    file.write(piece)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise BundleError(f"{self._path.name}: a recording cannot be written here: {error.strerror}") from None
        if digest.hexdigest() != sha256:  # it was damaged on the gateway's disk: the others are good
            path.unlink(missing_ok=True)
        return BlobMember(sha256=sha256, path=path)
