"""The invariant checker finds what it is there to find: each lie is told once and must be heard."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hwlab.check import check
from hwlab.errors import LabError
from hwlab.journal import Journal, last_counters, read

GATEWAY = "gw-1"


class Store:
    """An agent's and a relay's store with the same rows, to be spoilt."""

    def __init__(self, folder: Path) -> None:
        self.agent, self.relay, self.journal = folder / "agent.db", folder / "relay.db", folder / "journal.jsonl"
        with closing(sqlite3.connect(self.agent)) as agent, closing(sqlite3.connect(self.relay)) as relay:
            agent.execute(
                "CREATE TABLE log (pos INTEGER PRIMARY KEY, epoch TEXT, lane TEXT, seq INTEGER, id TEXT, kind TEXT,"
                " gt INTEGER, wall INTEGER, clock TEXT, chain BLOB, bytes BLOB)"
            )
            relay.execute(
                "CREATE TABLE lane (id INTEGER, gateway TEXT, epoch TEXT, lane TEXT, seq INTEGER, chain BLOB)"
            )
            relay.execute(
                "CREATE TABLE record (lane INTEGER, seq INTEGER, fact TEXT, kind TEXT, wall INTEGER, data BLOB,"
                " state TEXT, received INTEGER)"
            )
            chain = hashlib.sha256(f"nightporter/1|{GATEWAY}|1|P1".encode()).digest()
            for seq in range(1, 6):
                data = record(seq)
                chain = hashlib.sha256(chain + data).digest()
                row = (f"id-{seq}", "contact.opened", seq * 10)
                agent.execute(
                    "INSERT INTO log VALUES (?, '1', 'P1', ?, ?, ?, 0, ?, 'synced', ?, ?)",
                    (seq, seq, *row, chain, data),
                )
                relay.execute("INSERT INTO record VALUES (1, ?, ?, ?, ?, ?, 'applied', 0)", (seq, *row, data))
            relay.execute("INSERT INTO lane VALUES (1, ?, '1', 'P1', 5, ?)", (GATEWAY, chain))
            agent.commit()
            relay.commit()
        journal = Journal(path=self.journal)
        journal.open()
        for n in range(1, 6):
            journal.add("door", "sent", n=n)
            journal.add("door", "acked", n=n)
        journal.close()

    def spoil(self, which: str, statement: str, *arguments: Any) -> None:
        with closing(sqlite3.connect(self.agent if which == "agent" else self.relay)) as store:
            store.execute(statement, arguments)
            store.commit()

    def found(self, **more: Any) -> list[str]:
        report = check(gateway=GATEWAY, journal=self.journal, agent=self.agent, relay=self.relay, **more)
        return [str(violation) for violation in report.violations]


def record(n: int) -> bytes:
    return json.dumps({"id": f"id-{n}", "kind": "contact.opened", "body": {"device": "door", "n": n}}).encode()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_sound_pair_of_stores_has_no_violation(store: Store) -> None:
    report = check(gateway=GATEWAY, journal=store.journal, agent=store.agent, relay=store.relay, acked={("1", "P1"): 5})
    assert report.ok, str(report)
    assert report.counted["sensor messages acked"] == 5
    assert report.counted["relay rows compared in P1"] == 5
    assert str(report).endswith("all invariants hold")


def test_a_lost_message(store: Store) -> None:
    journal = Journal(path=store.journal)
    journal.open()
    journal.add("door", "sent", n=6)
    journal.add("door", "acked", n=6)
    journal.close()
    assert store.found() == [
        "nothing acknowledged is lost: door message 6: the broker acknowledged it, the agent's log has it not"
    ]


def test_a_message_whose_fate_is_unknown_may_be_missing(store: Store) -> None:
    journal = Journal(path=store.journal)
    journal.open()
    journal.add("door", "sent", n=6)
    journal.add("door", "unacked", n=6)
    journal.close()
    assert store.found() == []


def test_a_message_twice(store: Store) -> None:
    data = record(3)
    start = hashlib.sha256(f"nightporter/1|{GATEWAY}|2|P1".encode()).digest()
    store.spoil(
        "agent",
        "INSERT INTO log VALUES (9, '2', 'P1', 1, 'id-x', 'contact.opened', 0, 1, 'synced', ?, ?)",
        hashlib.sha256(start + data).digest(),
        data,
    )
    assert store.found() == [
        "an epoch follows another: agent: 2 epochs follow none: 1, 2",
        "nothing is twice: door message 3: the agent's log has it 2 times",
    ]


def test_a_message_nobody_sent(store: Store) -> None:
    lines = store.journal.read_bytes().splitlines(keepends=True)
    store.journal.write_bytes(b"".join(lines[:8]))
    assert store.found() == ["nothing is made up: door message 5: the agent's log has it, no sensor sent it"]


def test_messages_from_before_the_agent_listened_do_not_count(store: Store) -> None:
    store.spoil("agent", "DELETE FROM log WHERE seq = 1")
    entries = list(read(store.journal))
    assert [text for text in store.found(since=entries[2]["boot"]) if "lost" in text] == []
    assert [text for text in store.found() if "lost" in text]


def test_a_hole_in_the_numbers(store: Store) -> None:
    store.spoil("agent", "DELETE FROM log WHERE seq = 3")
    found = store.found()
    assert "sequence: agent 1 P1: after seq 2 comes 4, not 3" in found
    assert "relay is the agent's log: 1 P1 3: the relay has a row the agent never wrote" in found


def test_a_changed_byte_breaks_the_chain(store: Store) -> None:
    store.spoil("agent", "UPDATE log SET bytes = ? WHERE seq = 4", record(4) + b" ")
    found = store.found()
    assert "chain: agent 1 P1 4: the hash does not follow from the one before" in found
    assert "relay is the agent's log: 1 P1 4: the relay has other bytes under this number" in found


def test_a_chain_of_another_gateway(store: Store) -> None:
    report = check(gateway="gw-2", agent=store.agent)
    assert [violation.where for violation in report.violations] == ["agent 1 P1 1"]


def test_a_relay_whose_watermark_has_another_hash(store: Store) -> None:
    store.spoil("relay", "UPDATE lane SET chain = zeroblob(32)")
    assert "chain: relay 1 P1 5: the hash does not follow from the one before" in store.found()


def test_the_same_fact_twice(store: Store) -> None:
    store.spoil("relay", "UPDATE record SET fact = 'id-1' WHERE seq = 2")
    assert "one row a fact: relay 1 P1 2: contact.opened id-1 is there already as 1 P1 1" in store.found()


def test_a_relay_that_skipped_a_row(store: Store) -> None:
    store.spoil("relay", "DELETE FROM record WHERE seq = 2")
    assert "relay is the agent's log: 1 P1 2: the relay went past it without having it" in store.found()


def test_a_relay_that_is_behind_is_fine_unless_it_acknowledged_more(store: Store) -> None:
    store.spoil("relay", "DELETE FROM record WHERE seq > 3")
    assert store.found() == []
    assert store.found(acked={("1", "P1"): 4}) == [
        "acknowledged is kept: 1 P1: the agent believes that 4 was acknowledged, the relay has 3"
    ]


def test_rows_the_agent_has_pruned_are_not_missed(store: Store) -> None:
    store.spoil("agent", "DELETE FROM log WHERE seq < 3")
    assert [text for text in store.found() if "lost" not in text] == []


def test_a_missing_or_foreign_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="there is no store at"):
        check(gateway=GATEWAY, agent=tmp_path / "none.db")
    (tmp_path / "text.db").write_text("this is not a database, however long it may be" * 50)
    with pytest.raises(LabError, match="cannot be read as a store"):
        check(gateway=GATEWAY, agent=tmp_path / "text.db")


def test_the_journal_survives_a_cut_last_line_and_numbers_go_on(tmp_path: Path) -> None:
    journal = Journal(path=tmp_path / "journal.jsonl")
    journal.open()
    journal.add("door", "sent", n=7)
    journal.add("door", "acked", n=7)
    journal.close()
    with journal.path.open("ab") as file:
        file.write(b'{"device":"door","what":"se')
    assert [entry["what"] for entry in read(journal.path)] == ["sent", "acked"]
    assert last_counters(journal.path) == {"door": 7}
