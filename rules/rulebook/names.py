"""What things are called, and what fills the blanks of a title."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.events import Event, RuleWoke

if TYPE_CHECKING:
    from rules.document.rule import Rule
    from rules.document.site import Site

_UNNAMED = "nobody known"


class Names:
    """Every id of the site with its name."""

    def __init__(self, site: Site) -> None:
        self._site = site.site
        self._by_field: dict[str, dict[str, str]] = {
            "device": {device.id: device.title for device in site.devices},
            "zone": {zone.id: zone.title for zone in site.zones},
            "partition": {partition.id: partition.title for partition in site.partitions},
            "door": {door.id: door.title for door in site.doors},
            "person": {person.id: person.title for person in site.people},
            "rule": {rule.id: rule.name for rule in site.rules},
        }
        self._zone_device = {zone.id: zone.device for zone in site.zones}
        self._zone_partition = {zone.id: zone.partition for zone in site.zones}
        self._device_zone: dict[str, str] = {}
        for zone in site.zones:
            self._device_zone.setdefault(zone.device, zone.id)

    def of(self, field: str, name: str) -> str:
        """What a person calls it; its id when nobody named it."""
        if field:
            return self._by_field.get(field, {}).get(name, name)
        return next((names[name] for names in self._by_field.values() if name in names), name)

    def device(self, event: Event, field: str) -> str | None:
        """The device behind an event, if there is one."""
        return self._subject(event, field, "device")

    def about(self, event: Event, field: str) -> tuple[str, str]:
        """(id, name) of what an event is about. `field` says what it is when the event itself cannot: the rule woke for
        a device, a zone..."""
        if isinstance(event, RuleWoke):
            return event.of, self.of(field, event.of)
        return event.about, self.of(event.subject_field, event.about)

    def word(self, blank: str, rule: Rule, event: Event, field: str) -> str:
        """What stands for a blank."""
        what, _, part = blank.partition(".")
        if what == "site":
            return self._site.id if part == "id" else self._site.name
        if what == "rule":
            return rule.id if part == "id" else rule.name
        if what == "subject":
            name, title = self.about(event, field)
            return (name if part == "id" else title) or self._site.name
        if what == "event":
            found = event.kind if part == "kind" else getattr(event, part, "")
            return f"{found:g}" if isinstance(found, float) else str(found)
        subject = self._subject(event, field, what)
        if not subject:
            return _UNNAMED
        return subject if part == "id" else self.of(what, subject)

    def _subject(self, event: Event, field: str, what: str) -> str | None:
        """The device, zone, partition... an event has to do with: named in it, or tied to what is named in it."""
        found = event.of if isinstance(event, RuleWoke) and field == what else getattr(event, what, None)
        if isinstance(found, str) and found:
            return found
        if isinstance(event, RuleWoke) and what == "rule":
            return event.rule
        own = event.of if isinstance(event, RuleWoke) else event.about
        kind = field if isinstance(event, RuleWoke) else event.subject_field
        if kind == "device" and what in ("zone", "partition"):
            zone = self._device_zone.get(own)
            return zone if what == "zone" or zone is None else self._zone_partition[zone]
        if kind == "zone" and what == "device":
            return self._zone_device.get(own)
        if kind == "zone" and what == "partition":
            return self._zone_partition.get(own)
        return None
