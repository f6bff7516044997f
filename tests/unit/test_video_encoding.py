"""The media link's lines: what goes in comes out, and nothing else is let in."""

from __future__ import annotations

import json

import pytest

from agent.video import messages
from agent.video.encoding import FROM_WORKER, MANIFEST, TO_WORKER, decode, encode
from agent.video.errors import LinkError

CAMERA = messages.Camera(id="hall", name="Hall", url="rtsp://10.0.0.7/1", user="porter", password="s3cret-canary")
SEGMENT = messages.SegmentAdded(
    clip="c",
    camera="hall",
    n=0,
    part=0,
    init="0" * 64,
    init_bytes=700,
    sha256="1" * 64,
    bytes=9,
    start=1,
    duration=2,
    wall_start=3,
    codec="avc1.64001f",
)
EVERYTHING: list[messages.Message] = [
    messages.Configure(cameras=(CAMERA,), media_dir="/var/lib/nightporter/media"),
    messages.SaveClip(
        clip="c",
        incident="i",
        camera="hall",
        trigger_boot=1,
        trigger_wall=2,
        pre=10,
        post=20,
        deadline_boot=3,
    ),
    messages.TakeStill(still="s", incident="i", camera="hall", trigger_boot=1, trigger_wall=2),
    messages.Stored(subject="c"),
    messages.NewClips(state="refused", reason="the media disk is full"),
    messages.Evict(batch="i 7", blobs=("1" * 64, "2" * 64)),
    messages.ListFiles(after=""),
    messages.Ping(n=1),
    messages.Hello(pid=7, version="1"),
    messages.Evicted(batch="i 7", gone=("1" * 64,), kept=("2" * 64,)),
    messages.Files(after="", until="3" * 64, files=(messages.File(sha256="3" * 64, bytes=9),)),
    messages.PicturesTaken(
        clip="c", incident="i", camera="hall", sha256="4" * 64, bytes=5, taken=(4, 5), width=640, height=180
    ),
    messages.CameraState(camera="hall", state="lost", reason="the camera stopped sending", wall=5),
    messages.ClipOpened(
        clip="c",
        incident="i",
        camera="hall",
        trigger=1,
        pre=10,
        post=20,
        start=1,
        mark=11,
        width=1920,
        height=1080,
    ),
    SEGMENT,
    messages.ClipSealed(clip="c", camera="hall", end=31, segments=1, reason="complete"),
    messages.StillTaken(
        still="s", incident="i", camera="hall", sha256="2" * 64, bytes=5, taken=4, width=1920, height=1080
    ),
    messages.Gap(camera="hall", since=1, until=2, reason="the camera stopped sending"),
    messages.Refused(what="clip", subject="c", camera="hall", reason="no such camera is configured here"),
    messages.Pong(n=1),
]


@pytest.mark.parametrize("message", EVERYTHING, ids=lambda message: message.type)
def test_every_message_survives_the_link(message: messages.Message) -> None:
    line = encode(message)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert decode(line, {**TO_WORKER, **FROM_WORKER}) == message


def test_the_example_list_is_complete() -> None:
    assert {message.type for message in EVERYTHING} == set(TO_WORKER) | set(FROM_WORKER)


def test_the_two_directions_are_apart() -> None:
    with pytest.raises(LinkError, match="unknown message type"):
        decode(encode(SEGMENT), TO_WORKER)
    assert decode(encode(SEGMENT), MANIFEST) == SEGMENT


def _changed(**fields: object) -> bytes:
    return json.dumps({**json.loads(encode(SEGMENT)), **fields}).encode()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"\xff", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "unknown message type"),
        (b'{"type":["ping"]}', "unknown message type"),
        (_changed(n="0"), r"segment_added\.n must be an integer"),
        (_changed(n=True), r"segment_added\.n must be an integer"),
        (_changed(n=None), r"segment_added\.n must be an integer"),
        (_changed(n=1.0), r"segment_added\.n must be an integer"),
        (_changed(codec=1), r"segment_added\.codec must be a text"),
        (_changed(more=1), r"segment_added has 1 field\(s\) outside its set"),
        (b'{"type":"pong"}', r"pong\.n is missing"),
        (b'{"type":"camera","camera":"a","state":"gone","reason":"","wall":1}', "must be one of live, lost"),
    ],
)
def test_what_breaks_the_rules_is_refused(line: bytes, complaint: str) -> None:
    with pytest.raises(LinkError, match=complaint):
        decode(line, FROM_WORKER)


@pytest.mark.parametrize(
    ("cameras", "complaint"),
    [
        ({}, r"configure\.cameras must be a list"),
        ([1], r"configure\.cameras\[0\] must be an object"),
        ([{"id": "a"}], r"configure\.cameras\[0\]\.name is missing"),
    ],
)
def test_a_nested_mistake_is_named_by_its_place(cameras: object, complaint: str) -> None:
    line = json.dumps({"type": "configure", "media_dir": "/x", "cameras": cameras}).encode()
    with pytest.raises(LinkError, match=complaint):
        decode(line, TO_WORKER)


def test_neither_a_message_nor_a_complaint_shows_a_password() -> None:
    configure = EVERYTHING[0]
    assert "s3cret" not in repr(configure)
    line = encode(configure).replace(b'"ring_seconds":25', b'"ring_seconds":"s3cret"')
    with pytest.raises(LinkError) as caught:
        decode(line, TO_WORKER)
    assert "s3cret" not in str(caught.value)


def test_subjects_and_their_last_words() -> None:
    manifest = [message for message in EVERYTHING if isinstance(message, messages.Manifest)]
    subjects = {message.type: messages.subject_of(message) for message in manifest}
    assert subjects == {
        "clip_opened": "c",
        "segment_added": "c",
        "clip_sealed": "c",
        "still_taken": "s",
        "pictures_taken": "pictures c",
        "gap": "gap hall 1",
    }
    last = {message.type for message in manifest if messages.completes(message)}
    assert last == {"clip_sealed", "still_taken", "pictures_taken", "gap"}
