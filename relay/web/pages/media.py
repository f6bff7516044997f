"""Clips and stills. Their bytes are named by digest and never change, so a browser may keep them for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from relay.errors import NotFound
from relay.web.gate import PageRoute
from relay.web.reading import clips
from relay.web.reading.clips import Clip, Segment
from relay.web.spans import Span, etag, parse_range, pieces
from relay.web.visit import Visit

KEEP = "private, max-age=31536000, immutable"
VIDEO = "video/mp4"
PIECE = 256 * 1024


async def _clip(visit: Visit) -> Clip:
    """The clip of the address, once this person may see its incident."""
    context = visit.console.context
    async with context.db.read() as connection:
        found = await clips.load(connection, context.blobs, visit.path("id"), on_site=context.config.on_site)
    if found is None:
        visit.authorise("clip")
        raise NotFound("There is no clip with this address.")
    clip, incident = found
    visit.authorise(incident)
    return clip


def _segment(clip: Clip, n: int) -> Segment:
    found = next((segment for segment in clip.segments if segment.row.n == n), None)
    if found is None:
        raise NotFound("The clip has no such segment.")
    return found


def _blob(visit: Visit, file: Path | None, digest: str, media_type: str) -> Response:
    if file is None:
        raise NotFound("These pictures have not arrived yet. They come by themselves when the gateway has sent them.")
    tag = f'"{digest}"'
    headers = {"ETag": tag, "Cache-Control": KEEP}
    if tag in visit.request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return FileResponse(file, media_type=media_type, headers=headers)


async def manifest(visit: Visit) -> Response:
    """What the clip is made of, and which of it is here."""
    return JSONResponse((await _clip(visit)).manifest())


async def init(visit: Visit) -> Response:
    """The beginning of a part: what a decoder must know."""
    clip, part = await _clip(visit), int(visit.path("part"))
    found = next((segment for segment in clip.segments if segment.row.part == part), None)
    if found is None:
        raise NotFound("The clip has no such part.")
    return _blob(visit, found.init, found.row.init, VIDEO)


async def segment(visit: Visit) -> Response:
    """One segment."""
    found = _segment(await _clip(visit), int(visit.path("n")))
    return _blob(visit, found.file, found.row.sha256, VIDEO)


async def still(visit: Visit) -> Response:
    """One picture."""
    context = visit.console.context
    async with context.db.read() as connection:
        found = await clips.load_still(connection, context.blobs, visit.path("id"), on_site=context.config.on_site)
    if found is None:
        visit.authorise("still")
        raise NotFound("There is no picture with this address.")
    picture, incident = found
    visit.authorise(incident)
    return _blob(visit, picture.file, picture.sha256, "image/jpeg")


async def pictures(visit: Visit) -> Response:
    """The strip of key pictures of a clip."""
    context = visit.console.context
    async with context.db.read() as connection:
        found = await clips.load_strip(connection, context.blobs, visit.path("id"), on_site=context.config.on_site)
    if found is None:
        visit.authorise("clip")
        raise NotFound("There are no key pictures of this clip.")
    strip, incident = found
    visit.authorise(incident)
    return _blob(visit, strip.file, strip.sha256, "image/jpeg")


async def whole(visit: Visit) -> Response:
    """A part as one file: its init and the fragments that are here, concatenated and never remuxed. Answers ranges."""
    clip, part = await _clip(visit), int(visit.path("part"))
    files = clip.files(part)
    if not files:
        raise NotFound("Nothing of this clip has arrived yet. It comes by itself when the gateway has sent it.")
    sizes = [await anyio.Path(file).stat() for file in files]
    spans = [Span(file=file, size=size.st_size) for file, size in zip(files, sizes, strict=True)]
    total = sum(span.size for span in spans)
    tag = etag(span.file.name for span in spans)
    request = visit.request
    headers = {"ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    if "download" in request.query_params:
        headers["Content-Disposition"] = f'attachment; filename="nightporter-{clip.id}-{part}.mp4"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    asked = request.headers.get("range") if request.headers.get("if-range", tag) == tag else None
    status, first, last = 200, 0, total - 1
    if asked is not None:
        wanted = parse_range(asked, total)
        if wanted is None:
            return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{total}"})
        status, (first, last) = 206, wanted
        headers["Content-Range"] = f"bytes {first}-{last}/{total}"
    headers["Content-Length"] = str(last - first + 1)
    return StreamingResponse(_read(spans, first, last), status_code=status, headers=headers, media_type=VIDEO)


async def _read(spans: list[Span], first: int, last: int) -> AsyncIterator[bytes]:
    for file, offset, count in pieces(spans, first, last):
        left = count
        async with await anyio.open_file(file, "rb") as stream:
            await stream.seek(offset)
            while left > 0:
                data = await stream.read(min(PIECE, left))
                if not data:
                    return  # shorter than a moment ago: the connection ends short, which the browser notices
                left -= len(data)
                yield data


ROUTES = (
    PageRoute(path="/clips/{id}/manifest.json", page=manifest, action="media.view", data=True),
    PageRoute(path="/clips/{id}/pictures.jpg", page=pictures, action="media.view", data=True),
    PageRoute(path="/clips/{id}/init/{part:int}", page=init, action="media.view", data=True),
    PageRoute(path="/clips/{id}/segments/{n:int}", page=segment, action="media.view", data=True),
    PageRoute(path="/clips/{id}/{part:int}.mp4", page=whole, action="media.view", data=True),
    PageRoute(path="/stills/{id}.jpg", page=still, action="media.view", data=True),
)
