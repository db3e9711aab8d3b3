"""Whoever writes a call otherwise gets no milder answer: every case of every pack that fires a rule, in all clothes."""

from __future__ import annotations

import pytest

from packs.corpus import PACKS
from packs.trying import GAPS, tried_out, unexplained


@pytest.mark.parametrize("pack", PACKS)
def test_no_other_clothes_make_a_call_harmless(pack: str) -> None:
    found, tried = tried_out(pack, one_in=1)
    assert tried > 1_000
    assert unexplained(pack, found) == []
    gone = [k for k in GAPS if k[0] == pack and not any(line.startswith(f"{k[1]}: {k[2]}") for line in found)]
    assert gone == [], "no gap any more; take it out of the list"
