"""What the pages and the endpoints of this relay are built on, handed to them once."""

from __future__ import annotations

from dataclasses import dataclass

from relay.blobs.directory import BlobDirectory
from relay.changes import Changes
from relay.clock import Clock
from relay.config import Config
from relay.hub import Hub
from relay.incidents import Incidents
from relay.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayContext:
    """Everything is made by `relay.app`; nothing here starts or stops anything.

    `db` reads and writes; `changes` wakes open pages after a commit; `incidents.act` is how a person acts;
    `hub` reaches gateways that are connected (commands, questions); `blobs.find(tenant, sha256)` is a path or None.
    """

    config: Config
    db: Database
    blobs: BlobDirectory
    changes: Changes
    incidents: Incidents
    clock: Clock
    hub: Hub
