"""A receipt that came back: who signed it, and what it says the relay holds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from agent.config.outlets import OutletConfig
from agent.errors import OutletRefusal
from certs import keystore, seal
from certs.errors import CertsError
from rules.errors import WireError
from rules.wire.bundle import RECEIPT, BundleReceipt

MOST_BYTES = 16_777_216


def read(content: bytes, *, outlet: OutletConfig, gateway: str) -> BundleReceipt:
    """The receipt in a file of two lines, itself and its seal. OutletRefusal when it is not one of this outlet's relay
    for this gateway."""
    where = f"outlet {outlet.name}: the receipt"
    text, _, signed = content.strip().partition(b"\n")
    try:
        receipt = BundleReceipt.parse(text)
    except WireError as error:
        raise OutletRefusal(f"{where} cannot be read: {error}") from None
    if receipt.gateway != gateway:
        raise OutletRefusal(f"{where} is for gateway {receipt.gateway}, this is {gateway}")
    assert outlet.bundle is not None  # the configuration's own checks
    assert outlet.identity is not None
    try:
        seal.sealed_by_relay(
            seal.Seal.parse(signed),
            text,
            made_for=RECEIPT,
            name=outlet.bundle.relay,
            roots=_roots(outlet.identity),
            at=datetime.fromtimestamp(receipt.made / 1e6, UTC),
        )
    except CertsError as error:
        raise OutletRefusal(f"{where} is not believed: {error}") from None
    return receipt


def _roots(identity: Path) -> bytes:
    return keystore.current(identity).trust.read_bytes()
