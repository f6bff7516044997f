"""The rest of the invariant checker: gaps, epochs, watermarks, who was told, media, and what went first. As in
test_hwlab_check.py, each lie is told once and must be heard."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hwlab import check
from hwlab.journal import Journal

GATEWAY = "gw-1"
T0 = 1_700_000_000_000_000  # wall µs


class Scene:
    """An agent's and a relay's store, a journal and two folders of media: all in order, to be spoilt."""

    def __init__(self, folder: Path) -> None:
        self.agent, self.relay = folder / "agent.db", folder / "relay.db"
        self.media, self.blobs = folder / "media", folder / "tenant"
        self.journal = Journal(path=folder / "journal.jsonl")
        self.journal.open()
        self.run(
            self.agent,
            "CREATE TABLE log (pos INTEGER PRIMARY KEY, epoch TEXT, lane TEXT, seq INTEGER, id TEXT, kind TEXT,"
            " gt INTEGER, wall INTEGER, clock TEXT, chain BLOB, bytes BLOB)",
            "CREATE TABLE log_gap (epoch TEXT, lane TEXT, since INTEGER, until INTEGER, count INTEGER, reason TEXT,"
            " chain BLOB)",
            "CREATE TABLE lane (epoch TEXT, lane TEXT, seq INTEGER, chain BLOB)",
            "CREATE TABLE outlet_cursor (outlet TEXT, epoch TEXT, lane TEXT, seq INTEGER)",
            "CREATE TABLE blob (sha256 TEXT, bytes INTEGER)",
            "CREATE TABLE outlet_blob (outlet TEXT, sha256 TEXT, wall INTEGER)",
        )
        self.run(
            self.relay,
            "CREATE TABLE lane (id INTEGER PRIMARY KEY, gateway TEXT, epoch TEXT, lane TEXT, seq INTEGER, chain BLOB)",
            "CREATE TABLE record (lane INTEGER, seq INTEGER, fact TEXT, kind TEXT, wall INTEGER, received INTEGER,"
            " state TEXT, data BLOB)",
            'CREATE TABLE log_gap (lane INTEGER, since INTEGER, "to" INTEGER, count INTEGER, reason TEXT)',
            "CREATE TABLE epoch (gateway TEXT, epoch TEXT, supersedes TEXT)",
            "CREATE TABLE incident (id TEXT, gateway TEXT, policy TEXT, split_from TEXT)",
            "CREATE TABLE entry (id TEXT, incident TEXT, gateway TEXT, kind TEXT)",
            "CREATE TABLE notice (id TEXT, incident TEXT, transition TEXT, routed INTEGER)",
            "CREATE TABLE delivery (id TEXT, notice TEXT, incident TEXT, recipient TEXT, state TEXT, reason TEXT,"
            " digest TEXT)",
            "CREATE TABLE segment (sha256 TEXT, bytes INTEGER, init TEXT, init_bytes INTEGER)",
            "CREATE TABLE still (sha256 TEXT, bytes INTEGER)",
        )
        self.lane("1", 1, 6)

    def run(self, path: Path, *statements: str) -> None:
        with closing(sqlite3.connect(path)) as store:
            for statement in statements:
                store.execute(statement)
            store.commit()

    def spoil(self, path: Path, statement: str, *arguments: Any) -> None:
        with closing(sqlite3.connect(path)) as store:
            store.execute(statement, arguments)
            store.commit()

    def lane(self, epoch: str, number: int, count: int, *, facts: int = 0) -> None:
        """A lane P0 of `count` records at both; their facts are numbered from `facts` + 1."""
        chain = hashlib.sha256(f"nightporter/1|{GATEWAY}|{epoch}|P0".encode()).digest()
        with closing(sqlite3.connect(self.agent)) as agent, closing(sqlite3.connect(self.relay)) as relay:
            for seq in range(1, count + 1):
                name = f"id-{facts + seq}"
                data = json.dumps({"id": name, "kind": "incident.opened", "body": {}}).encode()
                chain = hashlib.sha256(chain + data).digest()
                wall = T0 + seq * 1_000_000
                agent.execute(
                    "INSERT INTO log (epoch, lane, seq, id, kind, wall, chain, bytes) VALUES (?, 'P0', ?, ?,"
                    " 'incident.opened', ?, ?, ?)",
                    (epoch, seq, name, wall, chain, data),
                )
                row = (number, seq, name, "incident.opened", wall, wall + 50_000, "applied", data)
                relay.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            agent.execute("INSERT INTO lane VALUES (?, 'P0', ?, ?)", (epoch, count, chain))
            relay.execute("INSERT INTO lane VALUES (?, ?, ?, 'P0', ?, ?)", (number, GATEWAY, epoch, count, chain))
            agent.commit()
            relay.commit()

    def blob(self, data: bytes, *, at: int = T0 + 60_000_000) -> str:
        """A blob that both name and both have; its last byte came at wall µs `at`."""
        name = hashlib.sha256(data).hexdigest()
        self.spoil(self.agent, "INSERT INTO blob VALUES (?, ?)", name, len(data))
        self.spoil(self.agent, "INSERT INTO outlet_blob VALUES ('cloud', ?, 0)", name)
        self.spoil(self.relay, "INSERT INTO still VALUES (?, ?)", name, len(data))
        for root in (self.media / "blobs", self.blobs):
            path = root / name[:2] / name[2:4] / name
            path.parent.mkdir(parents=True)
            path.write_bytes(data)
            os.utime(path, ns=(at * 1000, at * 1000))
        return name

    def at_relay(self, name: str) -> Path:
        return self.blobs / name[:2] / name[2:4] / name

    def incident(self, name: str, *, state: str = "sent", heard: int = 1, repeats: int = 0) -> None:
        """An incident that was told; `heard` times as new, `repeats` times as a possible repeat."""
        self.spoil(self.relay, "INSERT INTO incident VALUES (?, ?, 'guards', NULL)", name, GATEWAY)
        self.spoil(self.relay, "INSERT INTO entry VALUES (?, ?, ?, 'incident.opened')", f"e-{name}", name, GATEWAY)
        self.spoil(self.relay, "INSERT INTO notice VALUES (?, ?, 'opened', 1)", f"n-{name}", name)
        row = (f"d-{name}", f"n-{name}", name, "desk", state, "")
        self.spoil(self.relay, "INSERT INTO delivery VALUES (?, ?, ?, ?, ?, ?, NULL)", *row)
        for repeated in [False] * heard + [True] * repeats:
            self.journal.add("desk", "told", message=f"d-{name}", type="incident.opened", news=[[name, repeated]])

    def log(self, **more: Any) -> list[str]:
        return _said(check.check(gateway=GATEWAY, agent=self.agent, relay=self.relay, **more))

    def told(self, **more: Any) -> list[str]:
        report = check.Report()
        check.check_told(report, self.relay, gateway=GATEWAY, journal=self.journal.path, **more)
        return _said(report)

    def marks(self) -> list[str]:
        report = check.Report()
        check.check_marks(report, self.journal.path, "cloud", self.relay, gateway=GATEWAY)
        return _said(report)

    def pictures(self, **more: Any) -> list[str]:
        report = check.Report()
        where: dict[str, Any] = {"agent": self.agent, "media": self.media, "relay": self.relay, "blobs": self.blobs}
        check.check_media(report, **where, outlet="cloud", **more)
        return _said(report)

    def order(self) -> list[str]:
        report = check.Report()
        check.check_order(report, self.relay, self.blobs, gateway=GATEWAY)
        return _said(report)


def _said(report: check.Report) -> list[str]:
    return [str(violation) for violation in report.violations]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


# --- gaps ----------------------------------------------------------------------------------------------------------


def declare(scene: Scene, since: int, until: int, *, count: int, reason: str = "pruned") -> None:
    """The agent has let go of a range, and says so, with the hash at its end."""
    with closing(sqlite3.connect(scene.agent)) as store:
        (chain,) = store.execute("SELECT chain FROM log WHERE seq = ?", (until,)).fetchone()
        store.execute("DELETE FROM log WHERE seq BETWEEN ? AND ?", (since, until))
        store.execute("INSERT INTO log_gap VALUES ('1', 'P0', ?, ?, ?, ?, ?)", (since, until, count, reason, chain))
        store.commit()


def test_a_declared_gap_is_no_hole(scene: Scene) -> None:
    declare(scene, 2, 4, count=3)
    assert scene.log() == []
    scene.spoil(scene.relay, "DELETE FROM record WHERE seq BETWEEN 2 AND 4")
    scene.spoil(scene.relay, "INSERT INTO log_gap VALUES (1, 2, 4, 3, 'pruned')")
    assert scene.log() == []


def test_a_gap_that_is_too_short(scene: Scene) -> None:
    declare(scene, 2, 4, count=3)
    scene.spoil(scene.agent, "UPDATE log_gap SET since = 3, count = 2")
    assert "sequence: agent 1 P0: after seq 1 comes 5, not 2" in scene.log()


def test_a_record_changed_after_a_gap(scene: Scene) -> None:
    declare(scene, 2, 4, count=3)
    scene.spoil(scene.agent, "UPDATE log_gap SET chain = zeroblob(32)")
    assert "chain: agent 1 P0 5: the hash does not follow from the one before" in scene.log()


def test_gaps_that_say_what_cannot_be(scene: Scene) -> None:
    declare(scene, 2, 3, count=3, reason="")
    said = scene.log()
    assert "a declared gap is one: agent 1 P0 2-3: it says that it held 3 records" in said
    assert "a declared gap is one: agent 1 P0 2-3: it has no reason" in said
    scene.spoil(scene.agent, "UPDATE log_gap SET until = 5")
    assert "a declared gap is one: agent 1 P0 2-5: there are records in it" in scene.log()


def test_a_gap_told_to_the_relay_over_a_record_that_is_there(scene: Scene) -> None:
    scene.spoil(scene.relay, "DELETE FROM record WHERE seq = 3")
    scene.spoil(scene.relay, "INSERT INTO log_gap VALUES (1, 3, 3, 1, 'pruned')")
    text = "relay is the agent's log: 1 P0 3: the relay was told of a gap, the agent has the record"
    assert scene.log() == [text]


# --- epochs --------------------------------------------------------------------------------------------------------


def second_epoch(scene: Scene) -> None:
    """The agent goes on under epoch 2, which says that it follows 1; both have two records of it."""
    scene.lane("2", 2, 2, facts=6)
    began = json.dumps({"id": "b", "kind": "epoch.began", "body": {"epoch": "2", "supersedes": "1"}}).encode()
    start = hashlib.sha256(f"nightporter/1|{GATEWAY}|2|P1".encode()).digest()
    scene.spoil(
        scene.agent,
        "INSERT INTO log (epoch, lane, seq, id, kind, wall, chain, bytes) VALUES ('2', 'P1', 1, 'b', 'epoch.began', 0,"
        " ?, ?)",
        hashlib.sha256(start + began).digest(),
        began,
    )
    scene.spoil(scene.relay, "INSERT INTO epoch VALUES (?, '1', NULL), (?, '2', '1')", GATEWAY, GATEWAY)


def test_an_epoch_that_follows_another(scene: Scene) -> None:
    second_epoch(scene)
    assert scene.log() == []


def test_an_epoch_out_of_nowhere(scene: Scene) -> None:
    second_epoch(scene)
    scene.spoil(scene.relay, "UPDATE epoch SET supersedes = NULL")
    assert scene.log() == ["an epoch follows another: relay: 2 epochs follow none: 1, 2"]


def test_rows_that_moved_to_the_new_epoch_are_found_by_their_fact(scene: Scene) -> None:
    second_epoch(scene)
    data = json.dumps({"id": "id-6", "kind": "incident.opened", "body": {}}).encode()
    with closing(sqlite3.connect(scene.agent)) as store:
        (chain,) = store.execute("SELECT chain FROM log WHERE epoch = '2' AND lane = 'P0' AND seq = 2").fetchone()
        store.execute("DELETE FROM log WHERE id = 'id-6'")
        store.execute(
            "INSERT INTO log (epoch, lane, seq, id, kind, wall, chain, bytes) VALUES ('2', 'P0', 3, 'id-6',"
            " 'incident.opened', 0, ?, ?)",
            (hashlib.sha256(chain + data).digest(), data),
        )
        store.commit()
    assert scene.log() == []
    scene.spoil(scene.relay, "UPDATE record SET data = data || ' ' WHERE fact = 'id-6'")
    assert "relay is the agent's log: 1 P0 6: the relay has other bytes of this fact" in scene.log()


def test_what_the_relay_has_of_a_lost_life_is_said_unless_the_agent_was_restored(scene: Scene) -> None:
    second_epoch(scene)
    scene.spoil(scene.agent, "DELETE FROM log WHERE id = 'id-6'")
    assert scene.log() == ["relay is the agent's log: 1 P0 6: the relay has a row the agent never wrote"]
    assert scene.log(restored=True) == []


def test_a_fact_that_came_again_under_the_new_epoch_is_no_second_one(scene: Scene) -> None:
    second_epoch(scene)
    scene.spoil(scene.relay, "UPDATE record SET fact = 'id-1' WHERE lane = 2 AND seq = 2")
    assert any(text.startswith("one row a fact: relay 2 P0 2") for text in scene.log())
    scene.spoil(scene.relay, "UPDATE record SET state = 'known' WHERE lane = 2 AND seq = 2")
    assert not any(text.startswith("one row a fact") for text in scene.log())


# --- watermarks ----------------------------------------------------------------------------------------------------


def test_a_watermark_that_goes_back(scene: Scene) -> None:
    check.note_marks(scene.journal, "cloud", scene.relay, gateway=GATEWAY)
    assert scene.marks() == []
    scene.spoil(scene.relay, "UPDATE lane SET seq = 4")
    assert scene.marks() == ["a watermark stays: cloud 1 P0: it was 6 and is 4 at the end"]
    check.note_restored(scene.journal, "cloud")
    assert scene.marks() == []


def test_a_watermark_that_went_back_and_came_again(scene: Scene) -> None:
    for seq in (6, 3, 6):
        scene.spoil(scene.relay, "UPDATE lane SET seq = ?", seq)
        check.note_marks(scene.journal, "cloud", scene.relay, gateway=GATEWAY)
    (said,) = scene.marks()
    assert said.startswith("a watermark stays: cloud 1 P0: it was 6 and is 3 at boot")


# --- who was told --------------------------------------------------------------------------------------------------


def test_everybody_was_told(scene: Scene) -> None:
    scene.incident("i-1")
    scene.incident("i-2", repeats=2)
    scene.incident("i-3", state="unneeded", heard=0)
    assert scene.told() == []


def test_an_incident_without_a_notice(scene: Scene) -> None:
    scene.incident("i-1")
    scene.spoil(scene.relay, "DELETE FROM notice")
    assert "everybody is told: i-1: opened: the relay has no notice of it" in scene.told()


def test_a_notice_that_reaches_nobody(scene: Scene) -> None:
    scene.incident("i-1", heard=0)
    scene.spoil(scene.relay, "DELETE FROM delivery")
    assert scene.told() == ["everybody is told: i-1: opened: nobody was to be told"]


def test_a_delivery_that_waits_for_ever(scene: Scene) -> None:
    scene.incident("i-1", state="sending", heard=0)
    assert scene.told() == ["everybody is told: i-1: desk still waits for it (sending )"]
    assert scene.told(settled=False) == []


def test_sent_and_never_received(scene: Scene) -> None:
    scene.incident("i-1", heard=0)
    assert scene.told() == ["everybody is told: i-1: it counts as sent to desk, who never received it"]


def test_a_repeat_without_a_label(scene: Scene) -> None:
    scene.incident("i-1", heard=2)
    assert scene.told() == ["nobody is told twice: i-1: told 2 times as new, there were 1 things to tell"]


# --- media ---------------------------------------------------------------------------------------------------------


def test_media_that_is_as_it_should_be(scene: Scene) -> None:
    scene.blob(b"a still")
    assert scene.pictures() == []


def test_a_picture_with_other_bytes(scene: Scene) -> None:
    name = scene.blob(b"a still")
    scene.at_relay(name).write_bytes(b"another")
    (said,) = scene.pictures()
    assert said.startswith(f"media is whole: relay {name}: its bytes have the SHA-256")


def test_a_picture_that_is_named_and_missing(scene: Scene) -> None:
    name = scene.blob(b"a still")
    (scene.media / "blobs" / name[:2] / name[2:4] / name).unlink()
    assert scene.pictures() == [f"media is whole: agent {name}: a manifest names it, and there is no such file"]
    assert scene.pictures(gone=True) == []


def test_a_picture_that_was_acknowledged_and_is_not_there(scene: Scene) -> None:
    name = scene.blob(b"a still")
    scene.at_relay(name).unlink()
    assert scene.pictures() == [f"media is whole: relay {name}: cloud acknowledged it, the relay has it not"]


def test_a_file_that_no_manifest_names(scene: Scene) -> None:
    name = scene.blob(b"a still")
    scene.spoil(scene.relay, "DELETE FROM still")
    assert scene.pictures() == [f"no file without a row: relay {name}: no manifest names it"]
    assert scene.pictures(loose=True) == []


# --- what went first -----------------------------------------------------------------------------------------------


def test_media_after_the_alarms(scene: Scene) -> None:
    scene.blob(b"a still")
    assert scene.order() == []


def test_an_alarm_that_waited_for_a_picture(scene: Scene) -> None:
    scene.blob(b"a still", at=T0 + 8_000_000)
    scene.spoil(scene.relay, "UPDATE record SET received = ? WHERE seq = 6", T0 + 9_000_000)
    assert scene.order() == ["alarms go first: 1 P0 6: 1 blobs came while it was on its way for 3.00 s"]
    scene.spoil(scene.relay, "UPDATE record SET received = ? WHERE seq = 6", T0 + 6_900_000)
    assert scene.order() == []


# --- what the agent acknowledged -----------------------------------------------------------------------------------


def test_a_message_the_agent_acknowledged_and_has_not(scene: Scene) -> None:
    at = scene.journal.add("agent", "took", of="door", number=7)
    report = check.Report()
    check.check_taken(report, scene.journal.path, check.read_agent(scene.agent), until=at.boot)
    assert report.harms() == {"lost": 1}
    early = check.Report()
    check.check_taken(early, scene.journal.path, check.read_agent(scene.agent), until=at.boot - 1)
    assert early.ok


def test_a_report_for_a_program(scene: Scene) -> None:
    scene.spoil(scene.agent, "UPDATE log SET bytes = bytes || ' ' WHERE seq = 6")
    report = check.check(gateway=GATEWAY, agent=scene.agent, seed=7)
    said = report.as_json()
    assert (said["ok"], said["seed"], said["harms"]["corrupt"], said["harms"]["lost"]) == (False, 7, 1, 0)
    assert said["violations"][0]["invariant"] == "chain"
    assert str(report).startswith("seed: 7\n")
