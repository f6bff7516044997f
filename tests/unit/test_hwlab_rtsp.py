"""The camera's protocols, piece by piece: digest answers, RTP packets, RTSP messages, the description of a stream."""

from __future__ import annotations

import asyncio
import hashlib
import re
import struct

import pytest

from hwlab.camera.digest import Digest
from hwlab.camera.encoder import AccessUnit, split
from hwlab.camera.messages import BadMessage, Request, describe, read_request, response
from hwlab.camera.rtp import MTU_PAYLOAD, Packetiser, interleaved

URL = "rtsp://127.0.0.1:8554/lobby"


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def answer(digest: Digest, *, password: str = "right word", count: str | None = "00000001", url: str = URL) -> str:
    nonce = re.search('nonce="([^"]+)"', digest.challenge)
    assert nonce is not None
    first, second = md5(f"porter:camera:{password}"), md5(f"DESCRIBE:{url}")
    fields = f'username="porter", realm="camera", nonce="{nonce[1]}", uri="{url}"'
    if count is None:
        return f'Digest {fields}, response="{md5(f"{first}:{nonce[1]}:{second}")}"'
    proof = md5(f"{first}:{nonce[1]}:{count}:c0ffee:auth:{second}")
    return f'Digest {fields}, qop=auth, nc={count}, cnonce="c0ffee", response="{proof}"'


def accepts(digest: Digest, header: str | None, *, method: str = "DESCRIBE", url: str = URL) -> bool:
    return digest.accepts(method=method, url=url, header=header)


def test_digest_takes_the_right_answer_with_and_without_qop() -> None:
    digest = Digest({"porter": "right word"})
    assert accepts(digest, answer(digest))
    assert accepts(digest, answer(digest, count=None))


def test_digest_refuses_everything_else() -> None:
    digest = Digest({"porter": "right word"})
    good = answer(digest)
    assert not accepts(digest, None)
    assert not accepts(digest, "Basic cG9ydGVyOnJpZ2h0IHdvcmQ=")
    assert not accepts(digest, answer(digest, password="wrong word"))
    assert not accepts(digest, good, method="SETUP")
    assert not accepts(digest, good, url=URL + "2")
    assert not accepts(digest, good.replace("porter", "ported"))
    assert not accepts(Digest({"porter": "right word"}), good), "a nonce is good for one connection"


def test_digest_takes_a_count_once() -> None:
    digest = Digest({"porter": "right word"})
    assert accepts(digest, answer(digest, count="00000002"))
    assert not accepts(digest, answer(digest, count="00000002"))
    assert not accepts(digest, answer(digest, count="00000001"))
    assert accepts(digest, answer(digest, count="0000000a"))


def unpack(packets: list[bytes]) -> list[bytes]:
    """NAL units from RTP packets, as RFC 6184 has a receiver do it."""
    nals: list[bytes] = []
    for packet in packets:
        payload = packet[12:]
        if payload[0] & 31 != 28:
            nals.append(payload)
        elif payload[1] & 0x80:
            nals.append(bytes((payload[0] & 0xE0 | payload[1] & 31,)) + payload[2:])
        else:
            nals[-1] += payload[2:]
    return nals


@pytest.mark.parametrize("size", [1, MTU_PAYLOAD, MTU_PAYLOAD + 1, 2 * (MTU_PAYLOAD - 2) + 1, 100_000])
def test_packets_carry_the_frame_whole(size: int) -> None:
    nals = (b"\x67sps", b"\x68pps", b"\x65" + bytes(index % 251 for index in range(size)))
    packetiser = Packetiser()
    first = packetiser.sequence
    packets = packetiser.packetise(AccessUnit(nals, True, 6000))
    assert tuple(unpack(packets)) == nals
    assert max(map(len, packets)) <= MTU_PAYLOAD + 12
    heads = [struct.unpack(">BBHII", packet[:12]) for packet in packets]
    assert [head[2] for head in heads] == [(first + index) & 0xFFFF for index in range(len(packets))]
    assert {head[3] for head in heads} == {packetiser.timestamp(6000)}
    assert [head[1] >> 7 for head in heads] == [0] * (len(packets) - 1) + [1], "the marker is on the last packet"


def test_the_senders_report_ties_wall_time_to_the_clock() -> None:
    packetiser = Packetiser()
    packetiser.packetise(AccessUnit((b"\x41abc",), False, 0))
    report = packetiser.sender_report(wall=1_500_000, ticks=90_000, name=b"lobby")
    kind, words = struct.unpack(">xBH", report[:4])
    seconds, fraction, stamp, packets, octets = struct.unpack(">IIIII", report[8:28])
    assert (kind, words) == (200, 6)
    assert (seconds, fraction) == (2_208_988_801, 1 << 31)
    assert (stamp, packets, octets) == (packetiser.timestamp(90_000), 1, 4)
    assert len(report) % 4 == 0
    assert b"\x01\x05lobby" in report


def test_interleaving_puts_channel_and_length_before_each_packet() -> None:
    assert interleaved(2, [b"abc", b"d"]) == b"$\x02\x00\x03abc$\x02\x00\x01d"


def test_nal_units_are_split_at_both_kinds_of_start_code() -> None:
    assert split(b"\x00\x00\x00\x01\x67a\x00\x00\x01\x68b\x00\x00\x00\x01\x65c") == [b"\x67a", b"\x68b", b"\x65c"]


async def feed(data: bytes) -> Request | None:
    reader = asyncio.StreamReader(limit=1024)
    reader.feed_data(data)
    reader.feed_eof()
    return await read_request(reader)


async def test_a_request_is_read_past_the_clients_rtcp() -> None:
    read = await feed(
        b"$\x01\x00\x04\x80\xc9\x00\x01PLAY rtsp://h/lobby/trackID=0 RTSP/1.0\r\nCSeq: 7\r\nSession: a\r\n\r\n"
    )
    assert read == Request("PLAY", "rtsp://h/lobby/trackID=0", "RTSP/1.0", {"cseq": "7", "session": "a"})
    assert read.path == "lobby"
    assert await feed(b"") is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nCSeq: 1\r\n\r\n",
        b"PLAY rtsp://h/x RTSP/1.0\r\nno colon\r\n\r\n",
        b"PLAY rtsp://h/x RTSP/1.0\r\nContent-Length: 99999999\r\n\r\n",
        b"PLAY rtsp://h/x RTSP/1.0\r\nContent-Length: -1\r\n\r\n",
        b"PLAY \xff RTSP/1.0\r\n\r\n",
        b"A" * 5000 + b"\r\n\r\n",
    ],
)
async def test_what_is_not_rtsp_is_refused(data: bytes) -> None:
    with pytest.raises(BadMessage):
        await feed(data)


def test_a_response_counts_its_body_in_bytes() -> None:
    assert response(200, cseq="3", headers={"A": "b"}, body="ä") == (
        b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nA: b\r\nContent-Length: 2\r\n\r\n\xc3\xa4"
    )


def test_the_description_holds_the_parameter_sets() -> None:
    lines = describe(title="Lobby", sps=b"\x67\x4d\x40\x1f", pps=b"\x68\xee", fps=15).split("\r\n")
    assert "m=video 0 RTP/AVP 96" in lines
    assert "a=fmtp:96 packetization-mode=1;profile-level-id=4d401f;sprop-parameter-sets=Z01AHw==,aO4=" in lines
    assert lines[-1] == ""
