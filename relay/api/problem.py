"""Errors as `application/problem+json` (RFC 9457): what happened in `detail`, machine-readable facts beside it."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response


def problem(
    status: int,
    kind: str,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    facts: dict[str, Any] | None = None,
) -> Response:
    """An error response; `kind` is the constant a program looks at."""
    body = {"type": kind, "status": status, "detail": detail} | (facts or {})
    return Response(json.dumps(body), status_code=status, media_type="application/problem+json", headers=headers)
