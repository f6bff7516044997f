"""A bundle: what waits for an outlet without a network, as a file that is carried; and the receipt that comes back.

The file is an age stream (age-encryption.org/v1, X25519) around a tar archive with these members, in this order:

    manifest.json          what is in it: `Manifest`, one line of JSON
    seal.json              the gateway's signature of the manifest's bytes
    P0/00000001.ndjson     the records of lane P0, as batches of the ordinary shape, from the relay's watermark on
    P1/… P2/… P4/…         the other lanes
    blobs/<sha256>         recordings, in the order in which they matter

The manifest fixes every byte: a lane by the chain hash at its end, a blob by its name. A bundle holds all that has no
receipt, so that one that was lost or comes twice changes nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rules.wire.batch import Mark
from rules.wire.limits import LaneName
from rules.wire.message import Count, Message, Moment, Seq, Sha256

# It becomes a file's name at both ends.
BundleName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,200}\.npbundle$")]
BUNDLE, RECEIPT = "bundle", "bundle receipt"  # what their seals are made for


class BundleLane(Message):
    """Records `first` to `last` of a lane, with the chain hashes before and after."""

    first: Seq
    prev: Sha256
    last: Seq
    chain: Sha256


class BundleBlob(Message):
    """A recording by its name, with its size in bytes."""

    sha256: Sha256
    bytes: Count


class BundleManifest(Message):
    """Whose bundle it is, which one, made when, and what is in it. `entries_after` is how far the gateway has the
    relay's own entries."""

    v: Literal[1] = 1
    name: BundleName
    gateway: str
    tenant: str
    site: str
    epoch: str
    supersedes: str | None = None
    made: Moment
    lanes: dict[LaneName, BundleLane]
    blobs: list[BundleBlob] = []
    entries_after: Count = 0


class BundleReceipt(Message):
    """What the relay holds durably after it took in the bundle `name`: its watermarks, which of the bundle's
    recordings, and, as their makers' exact text, the entries that were made elsewhere up to its cursor `next`."""

    v: Literal[1] = 1
    relay: str
    name: BundleName
    gateway: str
    epoch: str
    made: Moment
    lanes: dict[str, Mark]
    blobs: list[Sha256] = []
    entries: list[str] = []
    next: Count = 0
