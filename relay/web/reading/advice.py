"""What a trouble is called and what to do about it. A new kind of trouble is a new line here."""

from __future__ import annotations

import re

from relay.web.times import spoken

_ADVICE: dict[str, tuple[str, str]] = {
    "camera.lost": (
        "No picture from camera {subject}.",
        "Look at its power and its network cable; recording resumes by itself.",
    ),
    "device.lost": (
        "{subject} has gone silent.",
        "Look at its battery or its power; until it is heard it guards nothing.",
    ),
    "broker.lost": (
        "The sensors' message broker does not answer.",
        "On the gateway look at the broker's service; its sensors are unheard until then.",
    ),
    "outlet.lost": (
        "The gateway cannot reach {subject}.",
        "Nothing is lost: it waits on the gateway. Look at the building's internet connection.",
    ),
    "outlet.refused": (
        "{subject} does not accept what the gateway sends.",
        "Nothing is overwritten. Compare both ends with nightporter agent status.",
    ),
    "disk.full": (
        "The gateway's disk is nearly full.",
        "Make room on it, or shorten how long footage is kept.",
    ),
    "media.lost": (
        "Nothing is being recorded: the media worker is not there.",
        "It is restarted by itself; if this stays, look at its service on the gateway.",
    ),
    "store.failed": (
        "The gateway cannot write its log.",
        "It goes on deciding from memory. Look at its disk now; replace it if it fails again.",
    ),
    "gateway.lost": (
        "{site} has not been heard.",
        "It goes on by itself. Look at its power and its internet connection.",
    ),
    "payload.rejected": (
        "Messages of {subject} cannot be read.",
        "Compare the device's settings with the site document.",
    ),
}


_REFUSED = "Set its password again on the gateway: nightporter agent secret set."
_REFUSES = re.compile(r"\b401\b|password|credential", re.IGNORECASE)


def of(kind: str, subject: str, site: str, reason: str = "") -> tuple[str, str]:
    """Title and next step for a kind of trouble about a subject at a site."""
    title, step = _ADVICE.get(kind, ("{kind} ({subject})", "Look at the gateway with nightporter agent status."))
    if kind == "camera.lost" and _REFUSES.search(reason):
        step = _REFUSED
    return title.format(subject=spoken(subject) or site, site=site, kind=kind), f"{site}: {step}"
