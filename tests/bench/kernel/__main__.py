"""The kernel's figures, beside its peers: `python -m tests.bench.kernel [--json FILE]`.

All speed is CPU time: of this process for the engines, which have their turns in one run, of this thread for single
steps. Figures, not verdicts: what is wanted stands beside what was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.kernel import building, matching, replay, stepping
from tests.bench.kernel.matching import OURS, SIZES, Matching

# What the kernel is meant to reach on one core of a small server.
WANTED = {
    "matching_events_per_s": 300_000,
    "matching_growth": 2.5,
    "quiet_step_us": 15,
    "alarm_step_us": 60,
    "replay_million_s": 20,
    "building_s": 1.0,
}


def _matching(found: Matching) -> dict[str, Any]:
    few, many = SIZES
    ours = found.us[OURS]
    return {
        name: {
            "us": {str(size): round(value, 3) for size, value in us.items()},
            "events_per_s": {str(size): round(1e6 / value) for size, value in us.items()},
            "growth": round(us[many] / us[few], 2),
            "times_ours": {str(size): round(value / ours[size], 1) for size, value in us.items()},
        }
        for name, us in found.us.items()
    } | {name: {"skipped": why} for name, why in found.skipped.items()}


def _table(figures: dict[str, Any]) -> list[str]:
    few, many = (str(size) for size in SIZES)
    rows = [
        f"{'rule matching alone, one event':34}{'10 rules':>12}{'10,000':>12}{'growth':>9}{'events/s':>11}{'x ours':>9}"
    ]
    for name, one in figures["matching"].items():
        if "skipped" in one:
            rows.append(f"{name:34}{one['skipped']}")
            continue
        rows.append(
            f"{name:34}{one['us'][few]:9.2f} µs{one['us'][many]:9.2f} µs{one['growth']:8.1f}x"
            f"{one['events_per_s'][many]:11,}{one['times_ours'][many]:9,.0f}"
        )
    quiet, alarm, again, built = (figures[name] for name in ("quiet_step", "alarm_step", "replay", "building"))
    million = again["cpu_s"] / again["events"] * 1e6
    ours = figures["matching"][OURS]
    lines = [
        ("matching, 10,000 rules (events/s)", ours["events_per_s"][many], f">= {WANTED['matching_events_per_s']:,}"),
        ("matching, 10,000 against 10 rules", ours["growth"], f"<= {WANTED['matching_growth']}"),
        ("step of a zone, nothing alarms (µs)", quiet["median_us"], f"<= {WANTED['quiet_step_us']}"),
        ("step that opens an incident (µs)", alarm["median_us"], f"<= {WANTED['alarm_step_us']}"),
        ("the same with a still and a clip (µs)", figures["filmed_step"]["median_us"], ""),
        (
            f"replay of {again['events']:,} events, as a million (s)",
            round(million, 1),
            f"<= {WANTED['replay_million_s']}",
        ),
        ("engine from 10,000 rules (s)", built["engine_s"], f"<= {WANTED['building_s']}"),
        ("before it, checking their document (s)", built["document_s"], ""),
    ]
    rows += ["", f"{'the kernel':46}{'measured':>12}   {'wanted'}"]
    rows += [f"{name:46}{value:>12,}   {wanted}" for name, value, wanted in lines]
    rows += ["", f"99 of 100 steps: {quiet['p99_us']} µs quiet, {alarm['p99_us']} µs with an incident"]
    before, after = figures["load"]
    rows += [f"{figures['python']}, {figures['cores']} cores, load {before:.1f} before and {after:.1f} after"]
    return rows


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.kernel", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--rounds", type=int, default=5, help="how often each engine has its turn (5)")
    parser.add_argument("--events", type=int, default=1_000_000, help="stored events to replay (1000000)")
    words = parser.parse_args()
    before = os.getloadavg()[0]
    figures: dict[str, Any] = {"matching": _matching(matching.measure(words.rounds))}
    again, first = stepping.house()
    figures["quiet_step"] = stepping.quiet_steps(again(), first, 40_000).data()
    figures["filmed_step"] = stepping.alarms(again, first, 20).data()
    again, first = stepping.house(filmed=False)
    figures["alarm_step"] = stepping.alarms(again, first, 20).data()
    with tempfile.TemporaryDirectory() as folder:
        figures["replay"] = replay.measure(Path(folder), count=words.events)
    figures["building"] = building.measure(words.rounds)
    figures |= {
        "wanted": WANTED,
        "python": f"Python {platform.python_version()}, {platform.machine()}",
        "cores": os.cpu_count(),
        "load": [before, os.getloadavg()[0]],
    }
    print("\n".join(_table(figures)))
    if words.json:
        words.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
