"""Whoever can write records, and cannot sign, tries to have something look reviewed, or to review it under another name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evidence.hospital import JULY, JUNE, Hospital, june, period_of
from toolguard._core.audit import Draft, Kind
from toolguard._core.steps import Change
from toolguard.errors import ApprovalError
from toolguard.journal import verify


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder: Path = tmp_path_factory.mktemp("june")
    hospital = june(folder, rounds=1)
    yield hospital
    hospital.store.close()


def faults(hospital: Hospital) -> set[tuple[str, str]]:
    return {(fault.act, fault.code) for fault in verify(hospital.store).acts}


def write(hospital: Hospital, real: Draft, **changes: str) -> None:
    body = {**real.body, **{name.replace("__", "."): value for name, value in changes.items()}}
    hospital.store.commit(Change(tenant="general", records=(replace(real, at=JULY - 60.0, body=body),)))


def test_reviews_that_people_signed_hold(hospital: Hospital) -> None:
    assert len(period_of(hospital, JUNE, JULY).reviews) == 2
    assert faults(hospital) == set()


def test_nobody_who_had_a_part_reviews_it(hospital: Hospital) -> None:
    """Under their own name, as the agent's owner, or as whoever answered."""
    for name in ("ben", "okafor", "chen"):
        with pytest.raises(ApprovalError):
            hospital.desk.authority.sign_review(
                hospital.human(name), hospital.calls["lost"], finding="justified", reason="fine"
            )


FORGED = [
    ("a review that nobody signed", {"toolguard__act__hash": "ab" * 32, "toolguard__act__id": "no-such-act"}),
    ("somebody else's name under a real one", {"toolguard__approver__id": "dora"}),
    ("a real one of something else", {"toolguard__review__subject": "0" * 32}),
    ("another finding", {"toolguard__review__finding": "justified"}),
]


@pytest.mark.parametrize(("what", "changes"), FORGED, ids=[f[0] for f in FORGED])
def test_a_review_in_the_journal_that_the_register_does_not_hold_is_found(
    tmp_path: Path, what: str, changes: dict[str, str]
) -> None:
    """Got through: reports and packs counted it as signed, and what had waited for a review did not any more."""
    hospital = june(tmp_path, rounds=1)
    real = next(
        r.draft
        for r in hospital.store.records()
        if r.draft.kind is Kind.AUDIT_REVIEW and r.draft.body["toolguard.review.finding"] == "not_justified"
    )
    write(hospital, real, **changes)
    assert {code for _, code in faults(hospital)} == {"unsigned"}
    hospital.store.close()
