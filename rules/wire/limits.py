"""The figures of wire v1: what may travel, and how much of it at once."""

from __future__ import annotations

from typing import Literal

VERSION = 1
MAX_RECORD_BYTES = 65_536
MAX_BATCH_RECORDS = 500
MAX_BATCH_BYTES = 4_194_304
# Objects and lists inside each other; what we send has three levels.
MAX_DEPTH = 32
# Whole numbers fit a database's signed 64-bit column; moments, counters and cursors also a double, so that every
# reader in every language sees the same number.
MAX_INTEGER = 2**63 - 1
MAX_EXACT = 2**53

LANES = ("P0", "P1", "P2", "P4")
LaneName = Literal["P0", "P1", "P2", "P4"]
