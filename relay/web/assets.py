"""Files served as they are. Their address carries a hash of all of them, so they are kept for ever and never stale, and
a module's relative imports stay within one version."""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


class Assets:
    """The static files, read once. `address(name)` is where a page links to; KeyError for a file that is not there."""

    def __init__(self, *, folder: Path = FOLDER) -> None:
        self._files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in TYPES}
        digest = hashlib.sha256()
        for name, data in self._files.items():
            digest.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
        self.version = digest.hexdigest()[:12]

    def address(self, name: str) -> str:
        return f"/static/{self.version}/{name}" if name in self._files else self._missing(name)

    def _missing(self, name: str) -> str:
        raise KeyError(f"there is no static file {name}")

    def answer(self, version: str, name: str) -> Response | None:
        """The file; an address of an older version still gets today's bytes, but not for ever."""
        data = self._files.get(name)
        if data is None:
            return None
        keep = "public, max-age=31536000, immutable" if version == self.version else "no-cache"
        return Response(data, media_type=TYPES[Path(name).suffix], headers={"Cache-Control": keep})
