"""Building the engine: from a checked site document, and the document itself."""

from __future__ import annotations

import statistics

from rules.engine import Engine
from tests.bench.kernel import worlds
from tests.bench.kernel.measure import cpu


def measure(rounds: int, *, count: int = 10_000) -> dict[str, float]:
    """CPU seconds for `count` rules: the engine alone, and before it the checked model of the document."""
    document = worlds.rules_document(count)
    site = worlds.site(document)
    checking = [cpu(lambda: worlds.site(document)) for _ in range(rounds)]
    building = [cpu(lambda: Engine(site=site, site_sha256="0" * 64, origin="bench")) for _ in range(rounds)]
    return {"engine_s": round(statistics.median(building), 4), "document_s": round(statistics.median(checking), 4)}
