"""Advice on partitions: delays and windows by the figures, and what a partition should have."""

from __future__ import annotations

from collections.abc import Iterator

from rules.document.figures import (
    ABORT_WINDOW,
    CANCEL_WINDOW,
    ENTRY_AND_ABORT,
    ENTRY_DELAY,
    ENTRY_DELAY_EN,
    EXIT_DELAY,
    SETTLE,
    SWINGER,
    WARNING_EN,
    Figure,
)
from rules.document.panel import CROSSABLE, Partition, Zone
from rules.document.places import Path
from rules.document.site import Site
from rules.lint.advice import Advice, spoken

_ARMED = ("entry_exit", "follower", "perimeter", "interior")


def partition_advice(site: Site) -> Iterator[Advice]:
    """On each partition, in order."""
    for n, partition in enumerate(site.partitions):
        path: Path = ("partitions", n)
        zones = [zone for zone in site.zones if zone.partition == partition.id]
        yield from _delays(path, partition, zones)
        yield from _windows(path, partition)
        yield from _habits(path, partition, zones)
        yield from _has(path, partition, zones, site)


def _delays(path: Path, partition: Partition, zones: list[Zone]) -> Iterator[Advice]:
    for mode in partition.modes:
        if not any(zone.type == "entry_exit" and zone.counts_in(mode) for zone in zones):
            continue  # without an entry nobody waits for it
        leave, enter = partition.exit_for(mode), partition.entry_for(mode)
        if said := _outside(leave, EXIT_DELAY, "the exit delay", mode):
            yield Advice(_of(path, "exit_delay", partition.exit_delay, mode), "exit-delay", said, "CP-01")
        here = _of(path, "entry_delay", partition.entry_delay, mode)
        yield from entry_advice(here, enter, partition.abort_window, mode)


def entry_advice(path: Path, enter: int, abort: int, mode: str) -> Iterator[Advice]:
    """On an entry delay, wherever it is said."""
    if said := _outside(enter, ENTRY_DELAY, "the entry delay", mode):
        yield Advice(path, "entry-delay", said, "CP-01")
    if enter > ENTRY_DELAY_EN:
        says = f"the entry delay in {mode} is {spoken(enter)}; to unset, at most {spoken(ENTRY_DELAY_EN)} is advised"
        yield Advice(path, "entry-to-unset", says, "EN 50131")
    if abort and enter + abort > ENTRY_AND_ABORT:
        says = (
            f"entry delay and abort window in {mode} are {spoken(enter + abort)} together; at most "
            f"{spoken(ENTRY_AND_ABORT)} is advised, for so long nobody outside is told"
        )
        yield Advice(path, "entry-and-abort", says, "CP-01")


def _windows(path: Path, partition: Partition) -> Iterator[Advice]:
    abort, here = partition.abort_window, (*path, "abort_window")
    if abort == 0:
        says = "without an abort window every mistake of somebody coming home is told outside at once"
        yield Advice(here, "abort-window", says, "CP-01")
    elif said := _outside(abort, ABORT_WINDOW, "the abort window"):
        yield Advice(here, "abort-window", said, "CP-01")
    if abort < WARNING_EN:
        says = (
            f"the local alarm is heard {spoken(abort)} before anybody outside is told; where somebody may leave the "
            f"entry route by mistake, {spoken(WARNING_EN)} is advised"
        )
        yield Advice(here, "local-warning", says, "EN 50131")
    if said := _outside(partition.cancel_window, CANCEL_WINDOW, "the cancel window"):
        yield Advice((*path, "cancel_window"), "cancel-window", said, "CP-01")
    if partition.settle < SETTLE.least:
        says = (
            f"inputs count {spoken(partition.settle)} after power comes back; detectors need longer to wake, at least "
            f"{spoken(SETTLE.least)} is advised"
        )
        yield Advice((*path, "settle"), "settle-time", says, "CP-01")


def _habits(path: Path, partition: Partition, zones: list[Zone]) -> Iterator[Advice]:
    if not partition.exit_restart:
        says = "who comes back for the umbrella gets no second exit delay; exit restart is advised"
        yield Advice((*path, "exit_restart"), "exit-restart", says, "CP-01")
    if not partition.auto_stay and {"away", "stay"} <= set(partition.modes):
        says = "armed away with nobody leaving, the people inside set it off; auto_stay: true is advised"
        yield Advice((*path, "auto_stay"), "auto-stay", says, "CP-01")
    if partition.swinger < SWINGER.least:
        says = f"a faulty detector rings all night; swinger from {SWINGER.least} to {SWINGER.most} is advised"
        yield Advice((*path, "swinger"), "swinger-shutdown", says, "CP-01")
    crossable = [zone for zone in zones if zone.type in CROSSABLE and zone.type != "24h"]
    if len(crossable) > 1 and not any(zone.cross is not None for zone in zones):
        says = (
            f"no zone of {partition.title} is crossed with another; a second detector that confirms saves false alarms"
        )
        yield Advice(path, "cross-zone", says, "CP-01")


def _has(path: Path, partition: Partition, zones: list[Zone], site: Site) -> Iterator[Advice]:
    title = partition.title
    if not zones:
        yield Advice(path, "no-zones", f"{title} has no zones: arming it guards nothing")
        return
    guarded = [zone for zone in zones if zone.type in _ARMED]
    if guarded and not partition.owners and not any(zone.type == "entry_exit" for zone in zones):
        says = f"{title} has no entry_exit zone: who comes in to disarm sets it off"
        yield Advice(path, "no-entry-zone", says)
    for n, mode in enumerate(partition.modes):
        if guarded and not any(zone.counts_in(mode) for zone in guarded):
            here = (*path, "modes", n) if "modes" in partition.model_fields_set else path
            yield Advice(here, "empty-mode", f"armed in {mode}, no zone of {title} counts")
    loud = [zone for zone in zones if not zone.is_silent and zone.type not in ("technical", "key_switch")]
    if not partition.sirens and loud:
        yield Advice(path, "no-siren", f"{title} has no sirens: nobody in the building hears an alarm")
    if partition.policy is None:
        yield Advice(path, "no-policy", f"{title} has no policy: its alarms are written down and nobody is told")
    if guarded and not partition.owners and not _can_be_disarmed(partition, site):
        says = f"{title} can be disarmed nowhere in the building: no keypad, no key switch, no door whose badge does it"
        yield Advice(path, "no-way-to-disarm", says)


def _can_be_disarmed(partition: Partition, site: Site) -> bool:
    return (
        any(keypad.partition == partition.id for keypad in site.keypads)
        or any(zone.partition == partition.id and zone.type == "key_switch" for zone in site.zones)
        or any(door.partition == partition.id and door.badge_disarms for door in site.doors)
    )


def _of(path: Path, word: str, delays: dict[str, int], mode: str) -> Path:
    return (*path, word, mode) if mode in delays else (*path, word)


def _outside(value: int, figure: Figure, what: str, mode: str = "") -> str:
    if figure.least <= value <= figure.most:
        return ""
    where = f" in {mode}" if mode else ""
    return f"{what}{where} is {spoken(value)}; {spoken(figure.least)} to {spoken(figure.most)} is advised"
