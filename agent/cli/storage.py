"""The media disk as `agent status` tells it: the same figures the running agent has, from its rows and the disk."""

from __future__ import annotations

import sqlite3
from typing import Any

from agent.config.model import AgentConfig
from agent.retention.forecast import MOST, WEEK, figures
from agent.retention.room import measure
from agent.retention.states import spoken
from agent.store.footage import HOUR
from agent.store.footage_rows import CAME, STUCK, TOTALS


def storage(connection: sqlite3.Connection, config: AgentConfig, facts: dict[str, str]) -> dict[str, Any] | None:
    """Days, bytes and state; None while the retention has not run here or the disk does not answer."""
    if "footage_since" not in facts:
        return None
    _, used = connection.execute(TOTALS).fetchone()
    held, waiting, stuck = connection.execute(STUCK).fetchone()
    row = connection.execute("SELECT gt FROM log WHERE gt IS NOT NULL ORDER BY pos DESC LIMIT 1").fetchone()
    now = max(int(row[0]) if row else 0, int(facts["footage_since"]))
    history = now - int(facts["footage_since"])
    (came,) = connection.execute(CAME, ((now - min(history, WEEK)) // HOUR,)).fetchone()
    try:
        room = measure(config.paths.media, footage=used, limit=config.media.limit)
    except OSError:
        return None
    found = figures(
        room,
        high=config.media.high_water,
        used=used,
        stuck=stuck,
        waiting=waiting,
        held=held,
        came=came,
        history=history,
    )
    state = facts.get("storage", "ample")
    return {
        "state": state,
        "days": found.days,
        "free": found.free,
        "used": found.used,
        "waiting": found.waiting,
        "held": found.held,
    }


def sentence(found: dict[str, Any]) -> str:
    """The figures for a person."""
    days = found["days"]
    if days is None:
        room = f"{spoken(found['free'])} of room"
    elif days >= MOST:
        room = "room for more than ten years of video"
    else:
        room = f"room for about {days} {'day' if days == 1 else 'days'} of video"
    parts = [f"{spoken(found['used'])} kept"]
    if found["waiting"]:
        parts.append(f"{spoken(found['waiting'])} wait for a relay")
    if found["held"]:
        parts.append(f"{spoken(found['held'])} on hold")
    full = "; FULL: new clips are refused" if found["state"] == "full" else ""
    return f"media disk: {room}; {', '.join(parts)}{full}"
