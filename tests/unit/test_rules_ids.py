"""Identities: time-ordered for what comes in, derived for what is made of it."""

from __future__ import annotations

import hashlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import ids
from tests.examples import examples

WALLS = st.integers(min_value=0, max_value=2**53)
RANDOM = st.binary(min_size=10, max_size=10)


@given(WALLS, RANDOM)
@examples(60)
def test_time_ordered_is_a_uuid7(wall: int, random: bytes) -> None:
    made = UUID(ids.time_ordered(wall=wall, random=random))
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == wall // 1000


@given(WALLS, st.integers(min_value=1, max_value=10**9), RANDOM, RANDOM)
@examples(60)
def test_a_microsecond_later_sorts_later_as_text(wall: int, later: int, first: bytes, second: bytes) -> None:
    assert ids.time_ordered(wall=wall, random=first) < ids.time_ordered(wall=wall + later, random=second)


@given(WALLS, RANDOM, RANDOM)
@examples(60)
def test_random_tells_two_of_one_moment_apart(wall: int, first: bytes, second: bytes) -> None:
    significant = (1 << 62) - 1
    differ = int.from_bytes(first) & significant != int.from_bytes(second) & significant
    assert (ids.time_ordered(wall=wall, random=first) != ids.time_ordered(wall=wall, random=second)) == differ


def test_a_known_time_ordered_id() -> None:
    # RFC 9562, appendix A.6: 2022-02-22 19:22:22 UTC is 0x017F22E279B0 ms.
    assert ids.time_ordered(wall=0x017F22E279B0 * 1000, random=bytes(10)) == "017f22e2-79b0-7000-8000-000000000000"


@pytest.mark.parametrize("length", [0, 9, 11, 16])
def test_ten_random_bytes_no_more_no_less(length: int) -> None:
    with pytest.raises(ValueError, match=f"needs 10 random bytes, not {length}"):
        ids.time_ordered(wall=0, random=bytes(length))


PARTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1f")) | st.integers(), min_size=1
)


@given(PARTS)
@examples(60)
def test_derived_is_a_uuid8_and_stable(parts: list[str | int]) -> None:
    made = ids.derived(*parts)
    assert (UUID(made).version, UUID(made).variant) == (8, "specified in RFC 4122")
    assert ids.derived(*parts) == made


@given(PARTS, PARTS)
@examples(60)
def test_other_parts_are_another_id(first: list[str | int], second: list[str | int]) -> None:
    same = [str(part) for part in first] == [str(part) for part in second]
    assert (ids.derived(*first) == ids.derived(*second)) == same


@given(PARTS)
@examples(60)
def test_derived_is_what_the_standard_library_makes_of_the_hash(parts: list[str | int]) -> None:
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    value = int.from_bytes(digest[:16]) & ~(0xF << 76) & ~(0x3 << 62) | 8 << 76 | 0b10 << 62
    assert ids.derived(*parts) == str(UUID(int=value))


def test_derived_ids_never_change() -> None:
    assert ids.derived("cause", "rule", 0) == "640e977f-44ae-847e-8c7f-97a196a0ef16"
