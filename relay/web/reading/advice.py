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
    "outlet.silent": (
        "{subject} has taken nothing from the gateway for a week.",
        "What waits for it fills the gateway's disk. Repair the way to it, or take it out of service: nightporter "
        "agent outlet retire.",
    ),
    "budget.low": (
        "The data budget of {subject} will not last the month.",
        "Recordings wait once it is spent; incidents and their first pictures go on. Look at the outlet's schedule, or "
        "ask for a larger budget.",
    ),
    "budget.spent": (
        "The data budget of {subject} is spent.",
        "Recordings wait on the gateway until the next month; incidents, and stills of the grave ones, go on. To send "
        "them now, raise the outlet's budget in agent.yaml.",
    ),
    "disk.full": (
        "The gateway's disk is nearly full.",
        "Make room on it, or shorten how long footage is kept.",
    ),
    "storage.low": (
        "The gateway's disk has room for only a few more days of video.",
        "Let a relay that keeps a copy be reached, shorten media.keep, release holds, or put in a larger disk.",
    ),
    "storage.full": (
        "The gateway keeps no new clips: its disk is full of footage that must not be deleted.",
        "Alarms and stills go on. Let the relay be reached so that it takes its copies, release holds that are not "
        "needed any more, or put in a larger disk.",
    ),
    "media.lost": (
        "Nothing is being recorded: the media worker is not there.",
        "It is restarted by itself; if this stays, look at its service on the gateway.",
    ),
    "store.suspect": (
        "The gateway's log may be damaged.",
        "It goes on being written. Make a backup now: nightporter agent backup; then look at the gateway's disk.",
    ),
    "store.recovered": (
        "The gateway's log was damaged and has been rescued.",
        "What was readable is kept, relays hand back what they have. Its disk is not to be trusted: make a backup now "
        "(nightporter agent backup) and replace it.",
    ),
    "ballast.released": (
        "The gateway's disk is full: it has given up its reserve.",
        "Alarms are still written. Make room on it now; readings are the next that would not be kept.",
    ),
    "store.failed": (
        "The gateway cannot write its log.",
        "It goes on deciding from memory. Look at its disk now; replace it if it fails again.",
    ),
    "clock.doubted": (
        "The gateway's clock shows a time that cannot be.",
        "Set its clock, or look why it finds no time server; a battery may be empty. Doors do not open by schedule.",
    ),
    "clock.drifted": (
        "The clocks of the gateway and of {subject} are apart.",
        "Look which of them is wrong and why it finds no time server. Nothing that was written is changed.",
    ),
    "device.flooding": (
        "{subject} sends far more messages than it should.",
        "Its alarms still count, repetitions do not. Look at it: a loose contact, or somebody else in its name?",
    ),
    "gateway.lost": (
        "{site} has not been heard.",
        "It goes on by itself. Look at its power and its internet connection.",
    ),
    "relay.restored": (
        "This relay was restored from a backup; what {site} sent since is coming again.",
        "Nothing to do: the gateway kept it. If this stays, look whether the gateway is connected.",
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
