"""Blobs and the journal: whole and durable, or not there."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from agent.video import blobs
from agent.video.blobs import BlobStore
from agent.video.errors import StorageError
from agent.video.journal import Journal
from agent.video.messages import ClipOpened, ClipSealed, Manifest, SegmentAdded, StillTaken

OPENED = ClipOpened(
    clip="../c", incident="i", camera="hall", trigger=1, pre=1, post=1, start=0, mark=1, width=1, height=1
)
SEALED = ClipSealed(clip="../c", camera="hall", end=2, segments=1, reason="complete")
STILL = StillTaken(still="s", incident="i", camera="hall", sha256="0", bytes=1, taken=1, width=1, height=1)


def segment(n: int) -> SegmentAdded:
    return SegmentAdded(
        clip="../c",
        camera="hall",
        n=n,
        part=0,
        init="0",
        init_bytes=1,
        sha256="1",
        bytes=1,
        start=n,
        duration=1,
        wall_start=n,
        codec="avc1.64001f",
    )


def failing(code: int) -> object:
    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def test_a_blob_is_named_by_its_hash_and_read_only(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "media")
    store.prepare()
    blob = store.put(b"footage")
    assert blob.sha256 == hashlib.sha256(b"footage").hexdigest()
    path = store.path(blob.sha256)
    assert path == tmp_path / "media/blobs" / blob.sha256[:2] / blob.sha256[2:4] / blob.sha256
    assert path.read_bytes() == b"footage"
    assert stat.S_IMODE(path.stat().st_mode) == 0o440
    for directory in (path.parent, path.parent.parent, path.parent.parent.parent):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o2750


def test_the_same_bytes_are_written_once(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    first = store.put(b"footage")
    inode = store.path(first.sha256).stat().st_ino
    assert store.put(b"footage") == first
    assert store.path(first.sha256).stat().st_ino == inode


def test_a_file_cut_short_is_written_again(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    path = store.path(store.put(b"footage").sha256)
    path.chmod(0o640)
    path.write_bytes(b"foo")
    store.put(b"footage")
    assert path.read_bytes() == b"footage"


def test_what_a_killed_worker_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / ".half").write_bytes(b"x")
    BlobStore(tmp_path).prepare()
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(("code", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)])
def test_a_disk_that_refuses_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, full: bool
) -> None:
    store = BlobStore(tmp_path)
    monkeypatch.setattr("agent.video.files.os.fsync", failing(code))
    with pytest.raises(StorageError, match="media disk") as caught:
        store.put(b"footage")
    assert caught.value.full is full
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    monkeypatch.undo()
    assert store.put(b"footage").bytes == 7


def test_a_directory_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_bytes(b"in the way")
    with pytest.raises(StorageError):
        BlobStore(tmp_path).put(b"x")
    with pytest.raises(StorageError):
        BlobStore(tmp_path).prepare()


def tell(journal: Journal, *told: Manifest) -> None:
    for message in told:
        journal.write(message)
        journal.remember(message)


def test_what_was_told_survives_a_restart_in_order(tmp_path: Path) -> None:
    tell(Journal(tmp_path), OPENED, segment(0), STILL, segment(1), SEALED)
    again = Journal(tmp_path)
    again.load()
    assert again.told("../c") == [OPENED, segment(0), segment(1), SEALED]
    assert set(again.unconfirmed()) == {OPENED, segment(0), segment(1), SEALED, STILL}
    assert again.orphans() == []


def test_ids_are_not_paths(tmp_path: Path) -> None:
    tell(Journal(tmp_path / "media"), OPENED)
    assert [path.name for path in tmp_path.iterdir()] == ["media"]


def test_an_unsealed_clip_is_an_orphan_even_with_a_torn_line(tmp_path: Path) -> None:
    tell(Journal(tmp_path), OPENED, segment(0), segment(1))
    path = next((tmp_path / "manifests").iterdir())
    path.write_bytes(path.read_bytes()[:-20])
    again = Journal(tmp_path)
    again.load()
    assert again.orphans() == [(OPENED, [segment(0)])]
    tell(again, SEALED)
    third = Journal(tmp_path)
    third.load()
    assert third.told("../c") == [OPENED, segment(0), SEALED]


def test_only_what_is_complete_is_forgotten(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    tell(journal, OPENED)
    assert journal.forget("../c") is None
    tell(journal, SEALED)
    path = journal.forget("../c")
    assert path is not None and path.is_file()
    assert list(journal.unconfirmed()) == []
    assert journal.forget("../c") is None
    assert journal.forget("never heard of") is None


def test_a_damaged_journal_costs_its_own_subject_only(tmp_path: Path) -> None:
    tell(Journal(tmp_path), OPENED, STILL)
    for path in (tmp_path / "manifests").iterdir():
        if b"clip_opened" in path.read_bytes():
            path.write_bytes(b"\x00\xff\n" + path.read_bytes())
    again = Journal(tmp_path)
    again.load()
    assert list(again.unconfirmed()) == [STILL]


def test_a_full_disk_is_said_by_the_journal_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.video.files.os.fsync", failing(errno.ENOSPC))
    with pytest.raises(StorageError) as caught:
        Journal(tmp_path).write(OPENED)
    assert caught.value.full


def test_blob_mode_is_what_the_box_relay_may_read() -> None:
    assert blobs.BLOB_MODE == 0o440
