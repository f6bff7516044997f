"""`agent outlet list | retire`: how each outlet stands, and taking one out of service."""

from __future__ import annotations

import argparse
import difflib
import fcntl
import getpass
import json
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

from agent.cli import EX_FOUND, EX_OK, EX_TEMPFAIL, EX_USAGE
from agent.cli.status import with_store
from agent.clock import wall_now
from agent.config.load import load_config
from agent.config.model import AgentConfig
from agent.config.outlets import OutletConfig
from agent.errors import ConfigError
from agent.outlets.budget import Budget, Month
from agent.retirement import Request, folder
from agent.store.retirements import KNOWN
from rules.timetable import zone

_PATIENCE = 20.0  # seconds to wait for a running agent
_STANDS = {"up": "reachable", "lost": "not reachable", "refused": "refuses us", "unknown": "not tried yet"}


def outlet(arguments: argparse.Namespace) -> int:
    """List them, or retire one."""
    config = load_config(Path(arguments.config))
    if arguments.action == "retire":
        if not arguments.name:
            print("say which outlet: nightporter agent outlet retire NAME --who WHO", file=sys.stderr)
            return EX_USAGE
        return _retire(config, arguments.name, arguments.who or getpass.getuser(), Path(arguments.config))
    found = with_store(config, lambda connection: _read(connection, config))
    if arguments.json:
        print(json.dumps({"outlets": found}, indent=2))
    else:
        for each in found:
            print(_line(each))
        if not found:
            print("no outlet follows this log: agent.yaml names none")
    return EX_FOUND if any(not each["reachable"] or each["behind"] or each["media_bytes"] for each in found) else EX_OK


# --- list --------------------------------------------------------------------------------------------------


def _read(connection: sqlite3.Connection, config: AgentConfig) -> list[dict[str, Any]]:
    facts = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    row = connection.execute("SELECT text FROM site_document ORDER BY version DESC LIMIT 1").fetchone()
    configured = {each.name: each for each in config.outlets}
    names = [*configured, *sorted(_known(connection) - set(configured))]
    return [_one(connection, name, configured.get(name), facts, row[0] if row else None) for name in names]


def _known(connection: sqlite3.Connection) -> set[str]:
    return {str(row[0]) for row in connection.execute(KNOWN)}


def _one(
    connection: sqlite3.Connection, name: str, config: OutletConfig | None, facts: dict[str, str], site: str | None
) -> dict[str, Any]:
    epoch = facts.get("epoch", "")
    (behind,) = connection.execute(
        "SELECT coalesce(sum(max(0, l.seq - coalesce(c.seq, 0))), 0) FROM lane AS l LEFT JOIN outlet_cursor AS c"
        " ON c.outlet = ? AND c.epoch = l.epoch AND c.lane = l.lane WHERE l.epoch = ?",
        (name, epoch),
    ).fetchone()
    blobs, waiting = connection.execute(
        "SELECT count(*), coalesce(sum(bytes), 0) FROM blob_waiting WHERE outlet = ?", (name,)
    ).fetchone()
    keeps = connection.execute("SELECT 1 FROM media_outlet WHERE name = ?", (name,)).fetchone() is not None
    told = facts.get(f"outlet_told.{name}")
    seen = facts.get(f"outlet_seen.{name}")
    return {
        "name": name,
        "configured": config is not None,
        "keeps_copy": keeps,
        "reachable": told in (None, "up") and config is not None,
        "stands": told or "up",
        "behind": int(behind),
        "media_blobs": int(blobs),
        "media_bytes": int(waiting),
        "last_acknowledged": int(seen) if seen is not None else None,
        "budget": _budget(connection, name, config, site),
    }


def _budget(
    connection: sqlite3.Connection, name: str, config: OutletConfig | None, site: str | None
) -> dict[str, Any] | None:
    if config is None or config.budget is None:
        return None
    row = connection.execute(
        "SELECT since, since_gt, counting, used, told FROM outlet_budget WHERE outlet = ?", (name,)
    ).fetchone()
    budget = Budget(monthly=config.budget.monthly, resets_on=config.budget.resets_on, zone=zone(_timezone(site)))
    if row is None:
        return {"monthly": budget.monthly, "used": 0, "runs_out": None, "resets": None, "state": "ample"}
    month = Month(since=row[0], since_gt=row[1], counting=row[2], used=row[3], told=row[4])
    runs_out = budget.runs_out(month, wall_now())
    ends = budget.ends(month)
    return {
        "monthly": budget.monthly,
        "used": month.used,
        "runs_out": runs_out if runs_out is not None and runs_out < ends else None,
        "resets": ends,
        "state": month.told,
    }


def _timezone(site: str | None) -> str:
    if site is None:
        return "UTC"
    from agent.config.load import parse_site

    return parse_site(site, "the site document in force").site.timezone


def _line(one: dict[str, Any]) -> str:
    parts = [_STANDS.get(one["stands"], one["stands"])]
    if not one["configured"]:
        parts = ["not in agent.yaml any more; what waits for it is kept until it is retired"]
    parts.append(f"{one['behind']:,} records behind" if one["behind"] else "no records behind")
    if one["keeps_copy"]:
        waits = f"{one['media_blobs']:,} recordings wait ({_size(one['media_bytes'])})"
        parts.append(waits if one["media_blobs"] else "no recordings wait")
    else:
        parts.append("keeps no copy")
    budget = one["budget"]
    if budget is not None:
        lasts = f"lasts until {_day(budget['runs_out'])}" if budget["runs_out"] is not None else "lasts the month"
        if budget["used"] >= budget["monthly"]:
            lasts = "spent: recordings wait"
        parts.append(f"{_size(budget['used'])} of {_size(budget['monthly'])} used this month, {lasts}")
    if one["last_acknowledged"] is not None:
        parts.append(f"last acknowledged {_moment(one['last_acknowledged'])} UTC")
    return f"outlet {one['name']}: {'; '.join(parts)}"


def _size(count: int) -> str:
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"


def _moment(wall: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(wall / 1e6))


def _day(wall: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(wall / 1e6))


# --- retire ------------------------------------------------------------------------------------------------


def _retire(config: AgentConfig, name: str, who: str, path: Path) -> int:
    configured = {each.name for each in config.outlets}
    known = with_store(config, _known)
    if name in configured:
        raise ConfigError(
            f"outlet {name} is still in {path}: remove it there first, so that no start brings it back, then retire it"
        )
    if name not in known:
        nearest = difflib.get_close_matches(name, sorted(known | configured), n=1, cutoff=0.0)
        meant = f"; did you mean {nearest[0]}?" if nearest else ": none follows this log"
        print(f"no outlet called {name} is known here{meant}", file=sys.stderr)
        return EX_USAGE
    request = _lay(config, Request(name, who, wall_now()))
    if not _agent_runs(config):
        print(f"outlet {name} is retired at the agent's next start")
        return EX_OK
    end = time.monotonic() + _PATIENCE
    while request.exists():
        if time.monotonic() > end:
            print(f"the agent has not taken it up yet; look again with: nightporter agent outlet list --config {path}")
            return EX_TEMPFAIL
        time.sleep(0.1)
    print(f"outlet {name} is retired: nothing waits for it any more, and its copies count no more")
    return EX_OK


def _lay(config: AgentConfig, request: Request) -> Path:
    where = folder(config.paths.data)
    path = where / f"{request.outlet}.json"
    aside = where / f".{request.outlet}.new"
    try:
        where.mkdir(mode=0o750, exist_ok=True)
        owner = config.paths.data.stat()
        with aside.open("wb") as file:
            file.write(request.write())
            file.flush()
            os.fsync(file.fileno())
        if os.geteuid() == 0:  # asked for by root, it is still the agent that takes it up and removes it
            for made in (where, aside):
                os.chown(made, owner.st_uid, owner.st_gid)
        aside.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{where} cannot be written ({error.strerror}): run this as the agent's user or as root"
        ) from None
    return path


def _agent_runs(config: AgentConfig) -> bool:
    """Whether somebody holds the lock of the store."""
    try:
        descriptor = os.open(config.paths.data / "agent.lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
