"""On a store that was set back under a running service no yes is given, no glass broken and no freeze lifted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from authority.ward import Ward, human
from toolguard._core.approval import State
from toolguard.authority import Answer, Authority
from toolguard.errors import StoreError
from toolguard.witness import Witness

ADA, SID = human("ada"), human("sid")


@pytest.fixture
def authority(ward: Ward, tmp_path: Path) -> Authority:
    """One whose witness has seen a store of the same name end later than the ward's does."""
    (tmp_path / "later").mkdir()
    later = Ward(tmp_path / "later", f"sqlite:///{tmp_path}/later/t.db", time=ward.time)
    later.ask()
    witness = Witness(tmp_path / "witness", "store")
    witness.note(later.store, ("st-marys",))
    return Authority(
        ward.store,
        ward.directory,
        ward.signer,
        ward.authority._ids,
        verifier=ward.verifier,
        detector=ward.authority._detector,
        check_store=lambda: witness.check(ward.store),
    )


def answer(authority: Authority, ward: Ward, answer: Answer) -> State:
    asked = ward.ask()
    request = asked.request
    given = authority.decide(
        ADA,
        asked.id,
        answer,
        seen_call_digest=request.call_digest,
        seen_view_digest=request.view_digest,
        reason="looked at",
        version=asked.version,
    )
    return given.state


@pytest.mark.parametrize(
    "allowing",
    [
        lambda authority, ward: answer(authority, ward, Answer.APPROVE),
        lambda authority, ward: authority.unfreeze(
            human("tess"), authority.freeze(SID, agent="a", reason="x").id, reason="mended"
        ),
    ],
    ids=["a yes", "lifting a freeze"],
)
def test_nothing_is_let_through(
    authority: Authority, ward: Ward, allowing: Callable[[Authority, Ward], object]
) -> None:
    with pytest.raises(StoreError, match="set back"):
        allowing(authority, ward)
    assert all(a.state is not State.APPROVED for a in ward.store.list("st-marys"))


def test_a_no_and_a_freeze_are_taken(authority: Authority, ward: Ward) -> None:
    assert answer(authority, ward, Answer.DENY) is State.DENIED
    assert authority.freeze(SID, agent="a", reason="x") in authority.freezes(ADA)
