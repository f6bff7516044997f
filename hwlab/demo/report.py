"""The measured nights as JSON and as a table."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hwlab.demo.night import STEPS, Night
from hwlab.demo.proof import Proof


def resident(pid: int | None) -> float | None:
    """Resident memory of a process in MiB (proc(5), VmRSS)."""
    if pid is None:
        return None
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    return None


def report(
    nights: Sequence[Night],
    proofs: Sequence[Proof],
    *,
    broker: str,
    ready: dict[str, float],
    memory: dict[str, Any],
    violations: Sequence[str],
) -> dict[str, Any]:
    """All there is to say; `good` is the verdict."""
    medians: dict[str, float | None] = {}
    for name, _ in STEPS:
        values = [night.moments[name] for night in nights if name in night.moments]
        medians[name] = round(statistics.median(values), 2) if values else None
    return {
        "good": bool(nights)
        and all(night.complete for night in nights)
        and not any(proof.problems for proof in proofs)
        and not violations,
        "violations": list(violations),
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "broker": broker,
        "ready_s": ready,
        "resident_mib": memory,
        "medians_ms": medians,
        "nights": [
            {"moments_ms": night.moments, "missing": [name for name, _ in STEPS if name not in night.moments]}
            | {"proof": proof.as_json()}
            for night, proof in zip(nights, proofs, strict=True)
        ],
    }


def write(path: Path, whole: dict[str, Any]) -> None:
    """Write it whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(json.dumps(whole, indent=2) + "\n", "utf-8")
    temporary.replace(path)


def table(whole: dict[str, Any]) -> list[str]:
    """The medians, for a terminal."""
    labels = dict(STEPS)
    return [
        f"{labels[name]:42} {value:10.1f} ms" if value is not None else f"{labels[name]:42}    not seen"
        for name, value in whole["medians_ms"].items()
    ]
