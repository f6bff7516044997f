"""A camera's address with its account: put together only inside the worker, at the moment of connecting."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

from agent.video.errors import AddressError
from agent.video.messages import Camera

SCHEMES = ("rtsp", "rtsps")
"""libav would also open files, pipes and devices; a site document must not be able to ask for that."""


def address_of(camera: Camera) -> str:
    """The URL to open, user and password percent-encoded. Secret: never log, store or show it."""
    try:
        parts = urlsplit(camera.url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddressError("the camera's address is not a URL; write rtsp://host:port/path") from None
    if parts.scheme not in SCHEMES or not host:
        raise AddressError("the camera's address must be rtsp://host:port/path (or rtsps://)")
    if "@" in parts.netloc:
        raise AddressError("the camera's address has a user name in it; move it to `user` and `password`")
    place = f"[{host}]" if ":" in host else host
    if port is not None:
        place = f"{place}:{port}"
    if camera.user is not None:
        place = f"{quote(camera.user, safe='')}:{quote(camera.password or '', safe='')}@{place}"
    return urlunsplit((parts.scheme, place, parts.path, parts.query, ""))
