"""RTP for H.264 (RFC 3550, RFC 6184: single NAL units and FU-A) and the sender's report."""

from __future__ import annotations

import secrets
import struct

from hwlab.camera.encoder import AccessUnit

PAYLOAD_TYPE = 96
MTU_PAYLOAD = 1400
_NTP_OFFSET = 2_208_988_800  # seconds from 1900 to 1970
_FU_A = 28


class Packetiser:
    """Makes the packets of one stream; `sequence` and `octets` run on for its whole life."""

    def __init__(self) -> None:
        self.ssrc = secrets.randbits(32)
        self.sequence = secrets.randbits(16)
        self.offset = secrets.randbits(32)
        self.packets = 0
        self.octets = 0

    def timestamp(self, ticks: int) -> int:
        """The RTP timestamp of a time of the stream's 90 kHz clock."""
        return (self.offset + ticks) & 0xFFFF_FFFF

    def packetise(self, unit: AccessUnit) -> list[bytes]:
        """All packets of one frame; the marker is on its last."""
        payloads = [payload for nal in unit.nals for payload in _payloads(nal)]
        stamp, packets = self.timestamp(unit.ticks), []
        for index, payload in enumerate(payloads):
            marker = 0x80 if index == len(payloads) - 1 else 0
            header = struct.pack(">BBHII", 0x80, marker | PAYLOAD_TYPE, self.sequence, stamp, self.ssrc)
            packets.append(header + payload)
            self.sequence = (self.sequence + 1) & 0xFFFF
            self.octets += len(payload)
        self.packets += len(packets)
        return packets

    def sender_report(self, *, wall: int, ticks: int, name: bytes = b"camera") -> bytes:
        """SR with SDES: which wall time (µs since the epoch) the stream's clock shows at `ticks`."""
        seconds, micros = divmod(wall, 1_000_000)
        report = struct.pack(
            ">BBHIIIIII",
            0x80,
            200,
            6,
            self.ssrc,
            (seconds + _NTP_OFFSET) & 0xFFFF_FFFF,
            (micros << 32) // 1_000_000,
            self.timestamp(ticks),
            self.packets & 0xFFFF_FFFF,
            self.octets & 0xFFFF_FFFF,
        )
        chunk = struct.pack(">IBB", self.ssrc, 1, len(name)) + name
        chunk += bytes(4 - len(chunk) % 4)
        return report + struct.pack(">BBH", 0x81, 202, len(chunk) // 4) + chunk

    def goodbye(self) -> bytes:
        return struct.pack(">BBHI", 0x81, 203, 1, self.ssrc)


def _payloads(nal: bytes) -> list[bytes]:
    if len(nal) <= MTU_PAYLOAD:
        return [nal]
    indicator, kind = (nal[0] & 0xE0) | _FU_A, nal[0] & 0x1F
    body, step = nal[1:], MTU_PAYLOAD - 2
    payloads = []
    for start in range(0, len(body), step):
        first, last = start == 0, start + step >= len(body)
        payloads.append(bytes((indicator, first << 7 | last << 6 | kind)) + body[start : start + step])
    return payloads


def interleaved(channel: int, packets: list[bytes]) -> bytes:
    """Packets as they travel inside the RTSP connection (RFC 2326, 10.12)."""
    return b"".join(struct.pack(">cBH", b"$", channel, len(packet)) + packet for packet in packets)
