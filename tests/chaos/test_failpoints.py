"""Every fail-point in the code has a name in its part's list, and a drill that dies there."""

from __future__ import annotations

import re
from pathlib import Path

import agent.failpoints
import relay.failpoints

ROOT = Path(__file__).parents[2]
_REACHED = re.compile(r'\breach\("([a-z_.]+)"\)')

# Which test dies there. A drill that never gets to its fail-point fails by itself: `died`, `die_at`.
DRILLS = {
    "pipeline.": "test_kill.py",
    "store.": "test_kill.py",
    "migrate.": "test_upgrade.py",
    "rescue.": "test_upgrade.py",
    "backup.": "test_upgrade.py",
    "outlet.": "test_kill_line.py",
    "media.": "test_kill_media.py",
    "clip.": "test_kill_media.py",
    "evict.": "test_media_full.py",
    "ingest.": "test_kill_line.py",
    "notify.": "test_kill_line.py",
    "upload.": "test_kill_media.py",
}


def reached(part: str) -> set[str]:
    return {
        name
        for path in (ROOT / part).rglob("*.py")
        if path.name != "failpoints.py"
        for name in _REACHED.findall(path.read_text("utf-8"))
    }


def test_the_lists_name_what_is_in_the_code() -> None:
    assert reached("agent") == set(agent.failpoints.NAMES)
    assert reached("relay") == set(relay.failpoints.NAMES)


def test_each_has_a_drill_that_names_it() -> None:
    for name in (*agent.failpoints.NAMES, *relay.failpoints.NAMES):
        drill = next((file for start, file in DRILLS.items() if name.startswith(start)), None)
        assert drill is not None, f"no drill dies at {name}"
        path = Path(__file__).with_name(drill)
        assert path.exists(), f"{drill}, which dies at {name}, is not there"
        text = path.read_text("utf-8")
        assert name in text or "failpoints" in text or "PLACES" in text, f"{drill} does not name {name}"
