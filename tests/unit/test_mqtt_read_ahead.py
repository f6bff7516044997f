"""A socket that reads ahead says so, loses nothing, and sends what it holds together."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from agent.devices.mqtt.read_ahead import AHEAD, MOST_HELD, ReadAhead


@pytest.fixture
def pair() -> Iterator[tuple[ReadAhead, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ReadAhead(ours), theirs


def test_small_reads_are_one_system_call(pair: tuple[ReadAhead, socket.socket]) -> None:
    ahead, other = pair
    other.sendall(b"abcdef")
    assert [ahead.recv(1), ahead.recv(2)] == [b"a", b"bc"]
    assert ahead.pending() == 3
    other.sendall(b"gh")
    assert ahead.recv(100) == b"def", "what is held first"
    assert ahead.pending() == 0
    assert ahead.recv(100) == b"gh"
    with pytest.raises(BlockingIOError):
        ahead.recv(1)
    other.close()
    assert ahead.recv(1) == b"", "the end is told once all was read"


def test_more_than_fits_comes_in_pieces(pair: tuple[ReadAhead, socket.socket]) -> None:
    ahead, other = pair
    sent = bytes(range(256)) * (3 * AHEAD // 256)
    other.sendall(sent)
    read = b""
    while len(read) < len(sent):
        read += ahead.recv(1000)
        assert ahead.pending() <= AHEAD
    assert read == sent


def test_what_is_sent_leaves_together(pair: tuple[ReadAhead, socket.socket]) -> None:
    ahead, other = pair
    other.setblocking(False)
    assert ahead.send(b"one") == 3
    assert ahead.send(bytearray(b"two")) == 3
    with pytest.raises(BlockingIOError):
        other.recv(10)
    assert ahead.flush()
    assert other.recv(10) == b"onetwo"


def test_a_peer_that_does_not_read_is_waited_for(pair: tuple[ReadAhead, socket.socket]) -> None:
    ahead, other = pair
    block = b"x" * 10_000
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while sent < 10_000_000:
            sent += ahead.send(block)
    assert sent < 10_000_000
    assert not ahead.flush()
    assert len(ahead._sending) <= MOST_HELD + len(block)
    other.setblocking(False)
    got = 0
    while got < sent:
        got += len(other.recv(65_536))
        ahead.flush()
    assert got == sent


def test_a_broken_connection_takes_everything(pair: tuple[ReadAhead, socket.socket]) -> None:
    ahead, other = pair
    other.close()
    ahead.send(b"x")
    assert ahead.flush()
    ahead.close()
