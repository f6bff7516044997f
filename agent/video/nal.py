"""NAL units: how H.264 and H.265 cut their bytes (ISO/IEC 14496-10 and 23008-2, annex B), and the little that the
recorder reads of them. It never changes one."""

from __future__ import annotations

from typing import Literal

Codec = Literal["h264", "hevc"]

START_CODE = b"\x00\x00\x01"
LONG_START_CODE = b"\x00\x00\x00\x01"

H264_SPS, H264_PPS = 7, 8
HEVC_VPS, HEVC_SPS, HEVC_PPS = 32, 33, 34


def split(data: bytes) -> list[bytes]:
    """The NAL units of an Annex B byte stream, in order, without start codes and padding zeros."""
    units: list[bytes] = []
    begin = data.find(START_CODE)
    while begin >= 0:
        begin += len(START_CODE)
        end = data.find(START_CODE, begin)
        # A NAL unit never ends in a zero byte (14496-10, 7.4.1): those before a start code are padding.
        unit = (data[begin:] if end < 0 else data[begin:end]).rstrip(b"\x00")
        if unit:
            units.append(unit)
        begin = end
    return units


def join(units: list[bytes]) -> bytes:
    """An Annex B byte stream of these units."""
    return b"".join(LONG_START_CODE + unit for unit in units)


def length_prefixed(data: bytes) -> bytes:
    """An access unit as MP4 stores it: each NAL unit after its length in four bytes (ISO/IEC 14496-15, 5.3.2)."""
    return b"".join(len(unit).to_bytes(4) + unit for unit in split(data))


def kind(unit: bytes, codec: Codec) -> int:
    """The nal_unit_type of a unit."""
    return unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F


def parameter_sets(data: bytes, codec: Codec) -> list[bytes]:
    """The parameter sets inside an access unit or inside a decoder's extradata, each once, in order of their kind."""
    wanted = (H264_SPS, H264_PPS) if codec == "h264" else (HEVC_VPS, HEVC_SPS, HEVC_PPS)
    found = dict.fromkeys(unit for unit in split(data) if kind(unit, codec) in wanted)
    return sorted(found, key=lambda unit: wanted.index(kind(unit, codec)))


def codec_string(sets: list[bytes], codec: Codec) -> str:
    """The RFC 6381 name of the stream, such as `avc1.64001f`: what a browser is asked whether it can play."""
    if codec == "h264":
        sps = next(unit for unit in sets if kind(unit, codec) == H264_SPS)
        return f"avc1.{sps[1:4].hex()}"
    sps = next(unit for unit in sets if kind(unit, codec) == HEVC_SPS)
    # 23008-2, 7.3.3: profile space, tier and profile; 32 compatibility flags; 6 bytes of constraints; level.
    level = sps.replace(b"\x00\x00\x03", b"\x00\x00")[3:15]
    space = ("", "A", "B", "C")[level[0] >> 6]
    compatible = int(f"{int.from_bytes(level[1:5]):032b}"[::-1], 2)
    constraints = "".join(f".{byte:X}" for byte in level[5:11].rstrip(b"\x00"))
    return f"hvc1.{space}{level[0] & 0x1F}.{compatible:X}.{'H' if level[0] & 0x20 else 'L'}{level[11]}{constraints}"
