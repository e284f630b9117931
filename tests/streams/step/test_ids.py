"""Ids of a window: the compiled form and the one in Python say the same, whatever is added in whichever order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.step.ids import Ids, ListedIds
from streams.step.packed_ids import PackedIds

_NAMES = st.text(st.characters(codec="utf-8"), max_size=3)


@given(st.lists(st.tuples(st.booleans(), st.lists(_NAMES, max_size=8)), max_size=12))
def test_both_forms_are_alike(steps: list[tuple[bool, list[str]]]) -> None:
    packed, listed = PackedIds(), ListedIds()
    for new, ids in steps:
        if new:
            assert packed.add_new(ids) == listed.add_new(ids)
        else:
            packed.extend(ids)
            listed.extend(ids)
        assert packed.aslist() == listed.aslist() == list(packed)
        assert len(packed) == len(listed)
        assert all(one in packed and one in listed for one in listed)
    for one in ("", "a", "é", "aa"):
        assert (one in packed) == (one in listed)


@pytest.mark.parametrize("kind", [PackedIds, ListedIds])
def test_one_that_is_there_takes_back_all_that_came_with_it(kind: type[Ids]) -> None:
    ids = kind(f"{i:05}" for i in range(5000))
    assert not ids.add_new([*(f"new-{i}" for i in range(9000)), "04999"])
    assert len(ids) == 5000
    assert "new-0" not in ids
    assert "new-8999" not in ids
    assert all(f"{i:05}" in ids for i in range(5000))
    assert ids.add_new([f"new-{i}" for i in range(9000)])
    assert not ids.add_new(["x", "x"])
    assert "x" not in ids
    assert ids.aslist()[4999:5001] == ["04999", "new-0"]


def test_this_installation_has_the_compiled_form() -> None:
    assert Ids is PackedIds
