"""What waits for somebody else's look, and for whose."""

from __future__ import annotations

import pytest

from authority.test_glass import EMMA, urgent
from authority.test_reviewing import ward_of_records as ward_of_records
from authority.test_standing import stand
from authority.ward import Ward, human, refused
from toolguard._core.approval import State
from toolguard._core.audit import Kind
from toolguard.authority import Service

RENA, ADA, GRACE = (human(name) for name in ("rena", "ada", "grace"))
SAYS = {"finding": "justified", "reason": "looked at it"}


def lose(ward: Ward) -> str:
    """A call that ran and whose end nobody saw; its id."""
    running = ward.claim(ward.decide(human("grace"), ward.ask()))
    ward.time.at += 301.0
    ward.authority.sweep()
    assert ward.read(running.id).state is State.INDETERMINATE
    return running.request.call


def kinds(ward: Ward, who: str) -> list[str]:
    return [each.kind for each in ward.authority.awaiting_review(human(who))]


def test_what_waits_is_shown_to_whoever_has_to_look(ward_of_records: Ward) -> None:
    ward = ward_of_records
    glass = ward.authority.break_glass(EMMA, urgent(ward).id, reason="no time")
    ward.time.at += 1.0
    stood = stand(ward)
    ward.time.at += 1.0
    call = lose(ward)
    found = ward.authority.awaiting_review(RENA)
    assert [each.kind for each in found] == ["break_glass", "standing_approval", "indeterminate"]
    broken, standing, lost = found
    assert (broken.approval, broken.by, broken.reason, broken.tool) == (glass.id, "emma", "no time", "send_email")
    assert (standing.approval, standing.by, standing.had_a_part) == (stood.id, "ada", False)
    assert (lost.subject, lost.by) == (call, "")
    for each in found:
        assert ward.authority.sign_review(RENA, each.subject, **SAYS) == each.kind
    assert ward.authority.awaiting_review(RENA) == ()


def test_an_approver_sees_the_broken_glass_alone(ward_of_records: Ward) -> None:
    ward = ward_of_records
    stand(ward)
    lose(ward)
    ward.authority.break_glass(EMMA, urgent(ward).id, reason="no time")
    assert kinds(ward, "ada") == ["break_glass"]
    assert kinds(ward, "ruiz") == []
    assert kinds(ward, "noor") == []


def test_who_had_a_part_in_it_is_told_so(ward: Ward) -> None:
    ward.write_directory(lambda text: text.replace('review: ["person:rena"]', 'review: ["person:ada"]'))
    stand(ward)
    (each,) = ward.authority.awaiting_review(ADA)
    assert each.had_a_part
    with refused("self_approval"):
        ward.authority.sign_review(ADA, each.subject, **SAYS)


def test_a_store_that_was_set_back_waits_for_a_look(ward: Ward) -> None:
    ward.authority.accept_restored(human("sid"), reason="the disk was replaced")
    (each,) = ward.authority.awaiting_review(RENA)
    assert (each.kind, each.by, each.reason) == ("store_set_back", "sid", "the disk was replaced")


def test_nothing_of_another_tenant_waits_here(ward: Ward) -> None:
    stand(ward)
    assert kinds_elsewhere(ward) == []


def kinds_elsewhere(ward: Ward) -> list[str]:
    ward.write_directory(lambda text: text + '  - {tenant: st-lukes, review: ["person:luke"]}\n')
    return [each.kind for each in ward.authority.awaiting_review(human("luke", tenant="st-lukes"))]


def test_a_program_reviews_nothing(ward: Ward) -> None:
    guard = Service(name="ward-guard", tenant="st-marys", agents=frozenset({"discharge-assistant"}), auth="token:1")
    with refused("not_a_person"):
        ward.authority.awaiting_review(guard)
    assert ward.authority.duties(guard) == frozenset()


@pytest.mark.parametrize(
    ("who", "duties"),
    [
        ("sid", {"freeze", "freeze_all", "resolve"}),
        ("tess", {"freeze", "resolve"}),
        ("rena", {"review"}),
        ("ada", set()),
    ],
)
def test_duties_are_those_of_the_directory(ward: Ward, who: str, duties: set[str]) -> None:
    assert ward.authority.duties(human(who)) == duties


def test_looking_is_not_recorded_as_a_review(ward: Ward) -> None:
    stand(ward)
    ward.authority.awaiting_review(RENA)
    assert Kind.AUDIT_REVIEW not in [kind for kind, _ in ward.journal()]
