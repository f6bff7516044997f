"""A document with additions and overrides, where each value still knows the file, line and column it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from rules.document.places import Path, Place, Places
from rules.errors import Problem

_IDENTITIES = ("id", "device")  # what tells apart the things of a list


class Merged(Places):
    """Places of a document made of several; `data` is what they add up to."""

    def __init__(self, *, file: str) -> None:
        self.file = file
        self.keys: dict[Path, Place] = {}
        self.values: dict[Path, Place] = {}
        self.data: Any = {}
        self._files: dict[Path, str] = {}

    def problem(self, place: Place, path: Path, message: str) -> Problem:
        """A mistake, in the file its nearest value came from."""
        file = next((self._files[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self._files), self.file)
        return Problem(file, place[0], place[1], ".".join(map(str, path)), message)

    def lay(self, places: Places, *, under: Path = ()) -> None:
        """Lay the part of another document that stands `under` a path over this one."""
        data = places.data
        for step in under:
            data = data[step]
        self.data = self._merge(self.data, data, (), places, under)

    def copy(self) -> Merged:
        """One to lay more over."""
        other = Merged(file=self.file)
        other.keys, other.values, other._files = dict(self.keys), dict(self.values), dict(self._files)
        other.data = self.data  # merging never changes what it merges
        return other

    def _note(self, here: Path, places: Places, there: Path) -> None:
        self.values[here] = places.of_value(there)
        self._files[here] = places.problem((0, 0), there, "").file
        if there in places.keys:
            self.keys[here] = places.keys[there]

    def _merge(self, old: Any, new: Any, here: Path, places: Places, there: Path) -> Any:
        """`new` over `old`: mappings by key (null takes a key away), lists of things by their identity."""
        self._note(here, places, there)
        if isinstance(old, dict) and isinstance(new, dict):
            merged = dict(old)
            for key, value in new.items():
                if value is None:
                    merged.pop(key, None)
                else:
                    merged[key] = self._merge(merged.get(key), value, (*here, key), places, (*there, key))
            return merged
        if isinstance(new, dict):
            return {key: self._merge(None, new[key], (*here, key), places, (*there, key)) for key in new}
        if isinstance(new, list):
            kept, name = (old, _identity(old, new)) if isinstance(old, list) else ([], None)
            merged_list = list(kept) if name else []
            where = {item[name]: n for n, item in enumerate(merged_list)} if name else {}
            for n, item in enumerate(new):
                at = where.get(item[name], len(merged_list)) if name else len(merged_list)
                before = merged_list[at] if at < len(merged_list) else None
                value = self._merge(before, item, (*here, at), places, (*there, n))
                merged_list[at : at + 1] = [value]
            return merged_list
        return new


def _identity(old: list[Any], new: list[Any]) -> str | None:
    """What both lists tell their things apart by; None: the new list stands for the old one."""
    everything = [*old, *new]
    for name in _IDENTITIES:
        if everything and all(isinstance(item, dict) and isinstance(item.get(name), str) for item in everything):
            return name
    return None


def digest_of(text: str) -> str:
    """What a scenario takes for the digest of digits or card bits."""
    return hashlib.sha256(text.encode()).hexdigest()


def with_digests(data: Any) -> Any:
    """The same data with each `{of: TEXT}` turned into its digest."""
    return _walk(data, lambda value: digest_of(value["of"]) if _is_of(value) else value)


def _is_of(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"of"} and isinstance(value["of"], str)


def _walk(value: Any, change: Callable[[Any], Any]) -> Any:
    changed = change(value)
    if isinstance(changed, dict):
        return {key: _walk(each, change) for key, each in changed.items()}
    if isinstance(changed, list):
        return [_walk(each, change) for each in changed]
    return changed
