"""Whoever writes a call otherwise gets no milder answer: cases of every pack, one mutation in 40.

Which ones goes by their names, so it is the same each time; all of them are tried in test_all_mutations.py.
"""

from __future__ import annotations

import pytest

from packs.corpus import PACKS
from packs.trying import tried_out, unexplained


@pytest.mark.parametrize("pack", PACKS)
def test_no_other_clothes_make_a_call_harmless(pack: str) -> None:
    found, tried = tried_out(pack, one_in=40)
    assert tried > 20
    assert unexplained(pack, found) == []
