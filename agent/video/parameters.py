"""What a stream of pictures is: its parameter sets, its size, and the init segment that every player needs first."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from functools import lru_cache

import av

from agent.video import nal
from agent.video.access_unit import AccessUnit
from agent.video.errors import PictureError

TIMESCALE = 1_000_000
"""Ticks a second in everything written, so that a decode time on disk is the timeline's µs, digit for digit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """One coding of a camera's stream. `sets` are its parameter sets in Annex B form; `init` is ftyp + moov."""

    codec: nal.Codec
    sets: bytes = field(repr=False)
    init: bytes = field(repr=False)
    init_sha256: str
    width: int
    height: int
    codec_string: str


class ParameterSets:
    """Follows a stream's parameter sets: those inside a key picture count, else the last ones seen, else those the
    camera announced when the connection was made (`announced`, the demuxer's extradata)."""

    def __init__(self, *, codec: nal.Codec, announced: bytes | None) -> None:
        self._codec = codec
        self._sets = nal.join(nal.parameter_sets(announced or b"", codec))

    def take(self, unit: AccessUnit) -> Parameters:
        """The parameters in force from this key picture on. PictureError when they are missing or make no sense."""
        if inside := nal.parameter_sets(unit.data, self._codec):
            self._sets = nal.join(inside)
        if not self._sets:
            raise PictureError("the camera sends no parameter sets")
        return _parameters(self._codec, self._sets, _Unhashed(unit.data))


@dataclass(frozen=True, slots=True)
class _Unhashed:
    """A key picture for the prober; the answer depends on the parameter sets only, so all are equal to the cache."""

    data: bytes = field(compare=False, repr=False)


@lru_cache(maxsize=64)
def _parameters(codec: nal.Codec, sets: bytes, picture: _Unhashed) -> Parameters:
    """Let libav read the sets and write the init segment: same sets, same bytes, on every machine and day."""
    stream = sets + picture.data
    probe = {"probesize": str(max(len(stream), 64)), "analyzeduration": "0"}
    muxer = {
        "movflags": "empty_moov+default_base_moof+frag_custom",
        "video_track_timescale": str(TIMESCALE),
        "fflags": "+bitexact",
    }
    target = io.BytesIO()
    try:
        with av.open(io.BytesIO(stream), format=codec, options=probe) as source:
            video = source.streams.video[0]
            width, height = video.codec_context.width, video.codec_context.height
            if not width or not height:
                raise PictureError("the camera's parameter sets name no picture size")
            with av.open(target, "w", format="mp4", options=muxer) as output:
                track = output.add_stream_from_template(video)
                if codec == "hevc":
                    # Browsers play only this of the two ways to store H.265 (parameter sets in the init).
                    track.codec_context.codec_tag = "hvc1"
                output.start_encoding()
                init = target.getvalue()
    except (av.FFmpegError, IndexError, ValueError):
        raise PictureError("the camera's parameter sets cannot be read") from None
    return Parameters(
        codec=codec,
        sets=sets,
        init=init,
        init_sha256=hashlib.sha256(init).hexdigest(),
        width=width,
        height=height,
        codec_string=nal.codec_string(nal.parameter_sets(sets, codec), codec),
    )
