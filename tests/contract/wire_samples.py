"""One fact of every kind and one message of every type, with fixed values: what the golden files in `wire/v1/` say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rules import ids, wire
from rules.events import EVENTS, Event
from rules.incidents import Entry
from rules.wire.bundle import BundleBlob, BundleLane, BundleManifest, BundleReceipt

GOLDEN = Path(__file__).parent / "wire" / "v1"
WALL = 1_768_427_402_123_456
CLIP, STILL, INCIDENT, ACTION, COMMAND, EPOCH = (
    ids.derived("golden", name) for name in ("clip", "still", "incident", "action", "command", "epoch")
)
CAUSE = ids.time_ordered(wall=WALL - 5000, random=b"0123456789")
BLOB, INIT = "b" * 64, "1f" * 32
DEVICE = {"device": "server-room-door", "delivery": "live", "n": 7}

# (kind, body): some kinds twice, with and without what may be left out.
EVENT_BODIES: list[tuple[str, dict[str, Any]]] = [
    ("contact.opened", DEVICE),
    ("contact.opened", {"device": "server-room-door", "delivery": "redelivered"}),
    ("contact.closed", DEVICE),
    ("motion.started", {"device": "hall", "delivery": "retained"}),
    ("motion.ended", {"device": "hall", "delivery": "late"}),
    ("tamper.opened", DEVICE),
    ("tamper.closed", DEVICE),
    ("output.reported", {"device": "siren-1", "on": True}),
    ("reading.temperature", {"device": "server-room-temp", "value": 21.4}),
    ("reading.humidity", {"device": "server-room-temp", "value": 48}),
    ("reading.battery", {"device": "server-room-door", "value": 97.0}),
    (
        "readings.packed",
        {
            "kinds": ["reading.temperature", "reading.battery"],
            "devices": ["server-room-temp", "server-room-door"],
            "values": [21.4, 97.0],
            "after": [0, 1_250_000],
        },
    ),
    ("device.lost", {"device": "hall", "reason": "not heard for 10 minutes"}),
    ("device.restored", {"device": "hall"}),
    ("payload.rejected", {"source": "building/hall", "reason": "this is not JSON", "count": 3}),
    ("camera.lost", {"device": "server-room", "reason": "the camera answered 401: user or password is wrong"}),
    ("camera.restored", {"device": "server-room"}),
    (
        "command.received",
        {"command": COMMAND, "name": "silence", "args": {"device": "siren-1"}, "actor": "ada", "outlet": "cloud"},
    ),
    ("command.decided", {"command": COMMAND, "state": "refused", "reason": "name a siren of this site as `device`"}),
    (
        "effect.commanded",
        {"action": ACTION, "device": "siren-1", "value": "on", "rule": "after-hours", "until": 1_060_000_000},
    ),
    ("effect.commanded", {"action": ACTION, "device": "siren-1", "value": "off", "rule": "after-hours"}),
    ("effect.done", {"action": ACTION, "device": "siren-1"}),
    ("effect.failed", {"action": ACTION, "device": "siren-1", "reason": "the broker cannot be reached"}),
    ("effect.expired", {"action": ACTION, "device": "siren-1", "reason": "too_late"}),
    (
        "clip.opened",
        {
            "clip": CLIP,
            "incident": INCIDENT,
            "camera": "server-room",
            "trigger": WALL,
            "pre": 10_000_000,
            "post": 30_000_000,
            "start": 90_000_000,
            "mark": 100_000_000,
            "width": 1920,
            "height": 1080,
        },
    ),
    (
        "segment.added",
        {
            "clip": CLIP,
            "camera": "server-room",
            "n": 0,
            "part": 0,
            "init": INIT,
            "init_bytes": 812,
            "sha256": BLOB,
            "bytes": 524_288,
            "start": 90_000_000,
            "duration": 2_000_000,
            "wall_start": WALL - 10_000_000,
            "codec": "avc1.64001f",
        },
    ),
    (
        "clip.sealed",
        {"clip": CLIP, "camera": "server-room", "end": 130_000_000, "segments": 20, "reason": "complete"},
    ),
    (
        "still.taken",
        {
            "still": STILL,
            "incident": INCIDENT,
            "camera": "server-room",
            "sha256": BLOB,
            "bytes": 90_112,
            "taken": WALL + 40_000,
            "width": 1920,
            "height": 1080,
        },
    ),
    (
        "footage.gap",
        {"camera": "server-room", "since": WALL, "until": WALL + 9_000_000, "reason": "the media worker was not there"},
    ),
    ("media.refused", {"what": "clip", "subject": CLIP, "camera": "server-room", "reason": "the disk is full"}),
    ("media.lost", {"reason": "the media worker left"}),
    ("media.restored", {}),
    ("broker.lost", {"broker": "broker", "reason": "connection refused"}),
    ("broker.restored", {"broker": "broker", "session_kept": True}),
    ("store.failed", {"reason": "fsync: input/output error"}),
    ("store.restored", {"journalled": 12, "acked_before_durable": 0}),
    ("log.gap", {"count": 3, "reason": "acknowledged before they were written"}),
    ("log.gap", {"reason": "the agent ended while the store had failed"}),
    ("outlet.lost", {"outlet": "cloud", "reason": "name not found"}),
    ("outlet.restored", {"outlet": "cloud"}),
    ("outlet.refused", {"outlet": "cloud", "reason": "its records are not ours"}),
    ("disk.full", {"path": "/var/lib/nightporter/media", "free": 1_048_576}),
    ("disk.restored", {"path": "/var/lib/nightporter/media", "free": 9_663_676_416}),
    ("boot", {"software": "0.1.0", "epoch": EPOCH, "off_time": 61_000_000, "clean": True}),
    ("boot", {"software": "0.1.0", "epoch": EPOCH, "clean": False}),
    ("clock.stepped", {"step": -3_600_000_000}),
    ("time.passed", {}),
    ("site.applied", {"version": 4, "sha256": BLOB, "who": "Ada Lüthi", "why": "new “hall” detector"}),
    ("blob.lost", {"sha256": BLOB, "reason": "the file is shorter than its segment"}),
    ("input.reported", {"device": "server-room-door", "state": "short"}),
    ("smoke.detected", {"device": "server-room-door"}),
    ("smoke.cleared", {"device": "server-room-door"}),
    ("heat.detected", {"device": "server-room-door"}),
    ("heat.cleared", {"device": "server-room-door"}),
    ("co.detected", {"device": "server-room-door"}),
    ("co.cleared", {"device": "server-room-door"}),
    ("water.detected", {"device": "server-room-door"}),
    ("water.cleared", {"device": "server-room-door"}),
    ("glass.broken", {"device": "server-room-door"}),
    ("glass.cleared", {"device": "server-room-door"}),
    ("button.pressed", {"device": "server-room-door"}),
    ("button.released", {"device": "server-room-door"}),
    ("battery.low", {"device": "server-room-door"}),
    ("battery.restored", {"device": "server-room-door"}),
    ("mains.lost", {"device": "server-room-door"}),
    ("mains.restored", {"device": "server-room-door"}),
    (
        "code.entered",
        {
            "device": "server-room-door",
            "digest": "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
            "wish": "disarm",
        },
    ),
    ("key.pressed", {"device": "server-room-door", "key": "panic"}),
    (
        "card.read",
        {"device": "server-room-door", "digest": "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"},
    ),
    ("partition.exiting", {"partition": "office", "mode": "away", "until": 1060000000, "by": "Ada Lüthi"}),
    ("partition.armed", {"partition": "office", "mode": "away", "by": "Ada Lüthi", "bypassed": ["hall"]}),
    (
        "partition.refused",
        {"partition": "office", "mode": "away", "by": "Ada Lüthi", "reasons": ["Front door is open"]},
    ),
    ("partition.entering", {"partition": "office", "zone": "front-door", "until": 1060000000}),
    ("partition.disarmed", {"partition": "office", "by": "Ada Lüthi"}),
    (
        "zone.alarmed",
        {"zone": "front-door", "partition": "office", "type": "entry_exit", "found": "after_restart", "silent": True},
    ),
    ("zone.restored", {"zone": "front-door", "partition": "office"}),
    ("zone.tampered", {"zone": "front-door", "partition": "office", "reason": "line short"}),
    ("zone.untampered", {"zone": "front-door", "partition": "office"}),
    ("zone.troubled", {"zone": "front-door", "partition": "office", "trouble": "battery", "reason": "line short"}),
    ("zone.untroubled", {"zone": "front-door", "partition": "office", "trouble": "battery"}),
    ("zone.bypassed", {"zone": "front-door", "partition": "office", "by": "Ada Lüthi", "reason": "line short"}),
    ("zone.unbypassed", {"zone": "front-door", "partition": "office", "by": "Ada Lüthi"}),
    (
        "zone.isolated",
        {"zone": "front-door", "partition": "office", "by": "Ada Lüthi", "reason": "line short", "until": 1060000000},
    ),
    ("zone.unisolated", {"zone": "front-door", "partition": "office", "by": "Ada Lüthi"}),
    ("zone.shut_down", {"zone": "front-door", "partition": "office", "alarms": 2}),
    ("zone.ignored", {"zone": "front-door", "partition": "office", "reason": "line short"}),
    ("zone.tested", {"zone": "front-door", "partition": "office"}),
    ("zone.on_test", {"zone": "front-door", "partition": "office", "by": "Ada Lüthi", "until": 1060000000}),
    ("zone.off_test", {"zone": "front-door", "partition": "office", "by": "Ada Lüthi"}),
    ("alarm.confirmed", {"partition": "office", "zone": "front-door"}),
    ("alarm.aborted", {"partition": "office", "zone": "front-door", "by": "Ada Lüthi"}),
    ("alarm.cancelled", {"partition": "office", "zone": "front-door", "by": "Ada Lüthi"}),
    ("alarm.silenced", {"partition": "office", "by": "Ada Lüthi"}),
    ("alarm.cleared", {"partition": "office", "by": "Ada Lüthi"}),
    ("exit.failed", {"partition": "office", "zone": "front-door"}),
    ("arming.due", {"partition": "office", "mode": "away", "until": 1060000000}),
    ("arming.late", {"partition": "office", "what": "late_to_open"}),
    ("arming.postponed", {"partition": "office", "mode": "away", "reason": "clock"}),
    ("schedule.started", {"schedule": "office-hours", "since": 3, "late": True}),
    ("schedule.ended", {"schedule": "office-hours", "since": 3, "late": True}),
    ("code.refused", {"device": "server-room-door", "reason": "line short", "tries": 3}),
    ("code.pending", {"device": "server-room-door", "what": "panic", "person": "ada"}),
    ("keypad.locked", {"device": "server-room-door", "until": 1060000000}),
    ("keypad.unlocked", {"device": "server-room-door"}),
    ("duress.raised", {"device": "server-room-door", "person": "ada"}),
    ("panic.raised", {"device": "server-room-door", "what": "panic"}),
    (
        "access.granted",
        {
            "door": "server-room",
            "person": "ada",
            "reader": "reader-1",
            "area": "server-room",
            "violation": "some violation",
        },
    ),
    ("access.denied", {"door": "server-room", "reader": "reader-1", "reason": "line short", "person": "ada"}),
    ("access.pending", {"door": "server-room", "reader": "reader-1", "what": "panic", "person": "ada"}),
    ("access.not_taken", {"door": "server-room", "person": "ada"}),
    ("exit.requested", {"door": "server-room"}),
    ("door.unlocked", {"door": "server-room", "reason": "line short", "until": 1060000000}),
    ("door.locked", {"door": "server-room", "reason": "line short"}),
    ("door.forced", {"door": "server-room"}),
    ("door.held_soon", {"door": "server-room", "until": 1060000000}),
    ("door.held", {"door": "server-room"}),
    ("door.secured", {"door": "server-room"}),
    ("area.entered", {"area": "server-room", "person": "ada", "left": "corridor", "occupancy": 3}),
    ("lockdown.started", {"by": "Ada Lüthi", "reason": "line short"}),
    ("lockdown.ended", {"by": "Ada Lüthi"}),
    ("threat.changed", {"level": 2, "by": "Ada Lüthi"}),
    ("muster.taken", {"areas": {"server-room": ["ada"]}, "by": "Ada Lüthi"}),
    ("rule.muted", {"rule": "after-hours", "until": 1060000000}),
    ("rule.unmuted", {"rule": "after-hours", "count": 7}),
    ("rule.woke", {"rule": "after-hours", "what": "holds", "name": "front-door", "of": "some of"}),
    (
        "engine.failed",
        {"reason": "line short", "fact": "some fact", "told": "some told", "of": "some of", "timer": "some timer"},
    ),
    ("zone.reinstated", {"zone": "front-door", "partition": "office", "by": "Ada Lüthi"}),
    ("store.suspect", {"reason": "line short"}),
    ("store.sound", {}),
    (
        "store.recovered",
        {"reason": "database disk image is malformed", "rows": 3, "missing": 3, "kept": "log.db.damaged-1"},
    ),
    ("store.refilled", {"outlet": "cloud", "rows": 3, "missing": 3}),
    ("ballast.released", {"bytes": 67108864}),
    ("ballast.restored", {"bytes": 67108864}),
    ("log.pruned", {"of": "P4", "since": 3, "until": 9, "count": 7, "unsent": 0, "reason": "older than 30 days"}),
    ("epoch.began", {"epoch": "e-2", "supersedes": "e-1", "reason": "line short"}),
    ("outlet.silent", {"outlet": "cloud", "days": 3}),
    ("outlet.retired", {"outlet": "cloud", "who": "ada", "records": 3, "blobs": 3}),
    ("budget.low", {"outlet": "cloud", "used": 1_900_000_000, "budget": 2_000_000_000, "runs_out": 1_060_000_000}),
    ("budget.spent", {"outlet": "cloud", "used": 1_900_000_000, "budget": 2_000_000_000}),
    ("budget.ample", {"outlet": "cloud", "used": 1_900_000_000, "budget": 2_000_000_000}),
    ("bundle.written", {"outlet": "cloud", "name": "gw-1-0007.npb", "sha256": "ab" * 32, "records": 3, "blobs": 3}),
    ("bundle.received", {"outlet": "cloud", "name": "gw-1-0007.npb", "records": 3, "blobs": 3}),
    ("clock.doubted", {"floor": 1_000_000_000}),
    ("clock.trusted", {}),
    ("clock.drifted", {"outlet": "cloud", "offset": -2_500_000}),
    ("clock.agreed", {"outlet": "cloud", "offset": -2_500_000}),
    ("device.flooding", {"device": "server-room-door", "per_second": 3}),
    ("device.calm", {"device": "server-room-door", "dropped": 3}),
    (
        "key.pictures",
        {
            "clip": "clip-1",
            "incident": "incident-1",
            "camera": "server-room",
            "sha256": "ab" * 32,
            "bytes": 48211,
            "taken": [999_000_000, 1_000_000_000],
            "width": 960,
            "height": 180,
        },
    ),
    (
        "media.evicted",
        {"incident": "incident-1", "blobs": 3, "bytes": 67108864, "reason": "space", "held_by": ["cloud"]},
    ),
    ("media.held", {"incident": "incident-1", "by": "Ada Lüthi", "reason": "line short"}),
    ("media.released", {"incident": "incident-1", "by": "Ada Lüthi"}),
    ("storage.low", {"days": 3, "free": 67108864}),
    ("storage.full", {"waiting": 67108864, "held": 0}),
    ("storage.ample", {"days": 3, "free": 67108864}),
    ("evidence.outside", {"outlet": "cloud", "incident": "iiiiiiii-0001", "what": "still", "after": 1400000}),
]

ENTRY_BODIES: list[tuple[str, dict[str, Any]]] = [
    (
        "incident.opened",
        {
            "title": "Server room door opened after hours",
            "severity": "high",
            "rule": "after-hours",
            "device": "server-room-door",
            "device_name": "Server room door",
            "site": "house",
            "site_name": "The House",
            "trigger": CAUSE,
            "policy": "guards",
        },
    ),
    ("incident.opened", {"title": "Gateway lost", "severity": "critical"}),
    ("incident.evidence", {"evidence": {"still": STILL, "camera": "server-room"}}),
    ("incident.evidence", {"evidence": {"clip": CLIP, "camera": "server-room"}}),
    ("incident.evidence", {"evidence": {"event": CAUSE, "text": "contact.opened again: Server room door"}}),
    ("incident.acknowledged", {"note": "on my way", "until": WALL + 900_000_000}),
    ("incident.acknowledged", {}),
    ("incident.noted", {"note": "Fenêtre cassée 🪟"}),
    (
        "incident.notified",
        {"channel": "webhook", "recipient": "guards", "state": "sent", "attempt": 1, "possibly_repeated": False},
    ),
    ("incident.resolved", {"note": "the cleaner"}),
    ("incident.reopened", {}),
    ("incident.merged", {"into": ids.derived("golden", "other incident")}),
    ("incident.started", {"note": "looking at the cellar"}),
    ("incident.assigned", {"to": "Bo Dahl", "person": "bo"}),
    ("incident.unassigned", {}),
    ("incident.cancelled", {"note": "disarmed by Ada Lüthi"}),
    ("incident.resolved", {"note": "the cleaner", "reason": "user_error"}),
    ("incident.closed", {"reason": "false_alarm"}),
    ("incident.joined", {"source": ids.derived("golden", "other incident"), "title": "Cellar window"}),
    (
        "incident.split",
        {
            "into": ids.derived("golden", "third incident"),
            "evidence": [{"clip": CLIP, "camera": "server-room"}],
            "title": "Another door",
        },
    ),
    ("incident.evidence", {"evidence": {"still": STILL, "camera": "server-room"}, "moved_from": INCIDENT}),
    ("incident.opened", {"title": "Duress", "severity": "critical", "covert": True}),
]


def events() -> list[Event]:
    """The events, in the order of `events.ndjson`."""
    made: list[Event] = []
    for n, (kind, body) in enumerate(EVENT_BODIES):
        header: dict[str, Any] = {"id": ids.time_ordered(wall=WALL + n, random=b"golden-%03d" % n), "wall": WALL + n}
        header |= {"gt": 1_000_000_000 + n, "clock": "unsynced" if n % 5 == 4 else "synced"}
        header |= {"cause": CAUSE} if n % 3 == 0 else {}
        optional = {"count": None} if kind == "log.gap" else {"off_time": None} if kind == "boot" else {}
        made.append(EVENTS[kind](**header, **(optional | body)))
    return made


def entries() -> list[Entry]:
    """The entries, in the order of `entries.ndjson`: the gateway's own, then a relay's."""
    return [
        Entry(
            id=ids.derived("golden", "entry", n),
            kind=kind,
            incident=INCIDENT,
            lamport=n + 1,
            origin="gw-1" if n < 5 else "relay-cloud",
            wall=WALL + n,
            by="Door opened at night" if n < 5 else "Ada Lüthi",
            gt=1_000_000_000 + n if n < 5 else None,
            cause=CAUSE if n < 5 else None,
            body=body,
        )
        for n, (kind, body) in enumerate(ENTRY_BODIES)
    ]


def from_agent() -> list[wire.Message]:
    """Every channel message of the agent's, in the order of `channel-from-agent.ndjson`."""
    outlet = wire.OutletState(reachable=True, keeps_copy=True, behind=0)
    return [
        wire.AgentHello(gateway="gw-1", epoch=EPOCH, software="0.1.0", supports=["silence"]),
        wire.Heartbeat(wall=WALL, outlets={"cloud": outlet}),
        wire.Pull(after=0),
        wire.Outcome(command=COMMAND, state="done", reason="siren-1 told to be silent"),
        wire.Answer(ask="a-1", ok=True, result={"ready": True, "open": ["hall"]}),
        wire.Answer(ask="a-2", ok=False, reason="this agent cannot answer that"),
        wire.Unlogged(items=[wire.encode(entries()[0]).decode()]),
        wire.Heartbeat(
            wall=WALL,
            outlets={"cloud": outlet},
            storage=wire.Storage(days=41, free=812_000_000_000, used=96_400_000_000, waiting=1_200_000),
        ),
    ]


def from_relay() -> list[wire.Message]:
    """Every channel message of the relay's, in the order of `channel-from-relay.ndjson`."""
    item = wire.encode(entries()[10]).decode()
    return [
        wire.RelayHello(relay="relay-cloud", wall=WALL),
        wire.Command(id=COMMAND, actor="ada", name="silence", args={"device": "siren-1"}, expires=WALL + 60_000_000),
        wire.Command(id=COMMAND, actor="ada", name="disarm", expires=WALL + 60_000_000, proof={"pin": "0000"}),
        wire.Entries(after=0, next=42, items=[item]),
        wire.Entries(after=42, next=42, items=[]),
        wire.Ask(id="a-1", question="ready-to-arm", args={"partition": "house"}),
        wire.RelayHello(relay="relay-cloud", wall=WALL, restored=WALL - 3_600_000_000),
    ]


def batch() -> tuple[wire.Header, list[bytes], list[bytes]]:
    """A batch of lane P1 that begins at seq 5, where 7 to 9 are gone: header, lines, and the chain hash after each."""
    first, second, third = (wire.encode(event) for event in events()[:3])
    before = wire.chain_next(wire.chain_start("gw-1", EPOCH, "P1"), b"seq 1 to 4 are with the relay")
    five, six = wire.chain_next(before, first), wire.chain_next(wire.chain_next(before, first), second)
    nine = wire.chain_next(six, b"the records 7 to 9 as they once were")
    gap = wire.GapRange.model_validate({"from": 7, "to": 9, "count": 3, "reason": "pruned", "chain": nine.hex()})
    header = wire.Header(gateway="gw-1", epoch=EPOCH, lane="P1", first=5, prev=before.hex())
    lines = [first, second, wire.GapLine(gap=gap).text().encode(), third]
    return header, lines, [five, six, nine, wire.chain_next(nine, third)]


def answers() -> dict[str, wire.Message]:
    """What the relay answers to batches and asks for, by file name."""
    mark = wire.Mark(seq=10, chain=batch()[2][-1].hex())
    return {
        "ack.json": wire.Ack(lane="P1", epoch=EPOCH, seq=mark.seq, chain=mark.chain),
        "ack-quarantined.json": wire.Ack(
            lane="P1",
            epoch=EPOCH,
            seq=mark.seq,
            chain=mark.chain,
            quarantined=[wire.Quarantined(seq=6, reason="the record cannot be read")],
            retry_after=2.5,
        ),
        "ack-wall.json": wire.Ack(lane="P1", epoch=EPOCH, seq=mark.seq, chain=mark.chain, wall=1_760_000_000_123_456),
        "watermarks.json": wire.Watermarks(epoch=EPOCH, lanes={"P1": mark}),
        "watermarks-wall.json": wire.Watermarks(epoch=EPOCH, lanes={"P1": mark}, wall=1_760_000_000_123_456),
        "watermarks-new.json": wire.Watermarks(epoch=EPOCH, lanes={}),
        "bundle-manifest.json": BundleManifest(
            name="gw-1-vault-20260114-213002-123.npbundle",
            gateway="gw-1",
            tenant="acme",
            site="hq",
            epoch=EPOCH,
            made=1_768_427_402_123_456,
            lanes={"P1": BundleLane(first=5, prev=batch()[0].prev, last=10, chain=mark.chain)},
            blobs=[BundleBlob(sha256="ab" * 32, bytes=48_211)],
            entries_after=7,
        ),
        "bundle-receipt.json": BundleReceipt(
            relay="cloud-1",
            name="gw-1-vault-20260114-213002-123.npbundle",
            gateway="gw-1",
            epoch=EPOCH,
            made=1_768_513_802_123_456,
            lanes={"P1": mark},
            blobs=["ab" * 32],
            entries=[wire.encode(entries()[0]).decode()],
            next=8,
        ),
        "header-supersedes.json": wire.Header(
            gateway="gw-1",
            epoch=EPOCH,
            lane="P0",
            first=1,
            prev=wire.chain_start("gw-1", EPOCH, "P0").hex(),
            supersedes=ids.derived("golden", "old epoch"),
        ),
    }
