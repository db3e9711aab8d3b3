"""T19: freezing an agent, a tenant, everyone; and that a second person lifts it."""

from __future__ import annotations

import threading

import pytest

from authority.ward import Ward, human, refused
from toolguard._core.approval import Approval, State
from toolguard._core.audit import Kind
from toolguard._core.register import ALL, ActKind
from toolguard.authority import Service
from toolguard.errors import ApprovalError, NotFoundError, RegisterMovedError, StoreError

ADA, SID, TESS = human("ada"), human("sid"), human("tess")
AGENT = "discharge-assistant"


def states(ward: Ward, *approvals: Approval) -> list[State]:
    return [ward.read(a.id, a.request.tenant).state for a in approvals]


def test_t19_freezing_an_agent_invalidates_what_waits_of_it_and_of_nothing_else(ward: Ward) -> None:
    waiting, other = ward.ask(), ward.ask(agent="other-assistant")
    approved, denied = ward.decide(ADA, ward.ask()), ward.ask()
    frozen = ward.authority.freeze(TESS, agent=AGENT, reason="it writes to strangers")
    assert states(ward, waiting, approved, denied, other) == [*[State.INVALIDATED] * 3, State.PENDING]
    assert (frozen.tenant, frozen.agent, frozen.person) == ("st-marys", AGENT, "tess")
    assert ward.authority.freezes(ADA) == (frozen,)
    (act,) = ward.acts()
    assert act.kind is ActKind.FREEZE
    ends = [body for kind, body in ward.journal() if kind is Kind.APPROVAL_RESOLVED]
    assert [b["toolguard.decision.reason_code"] for b in ends[1:]] == ["frozen"] * 3
    told = [row.approval for row in ward.store.outbox()]
    assert {waiting.id, approved.id, denied.id} <= set(told[-3:])


def test_t19_a_claim_that_was_under_way_when_the_agent_was_frozen_is_lost(ward: Ward) -> None:
    """The guard judged by the register before; its claim says so, and loses in the same transaction."""
    approved = ward.decide(ADA, ward.ask())
    from toolguard._core.approval import move
    from toolguard._core.steps import Change, Claim, Update

    running = move(approved, State.EXECUTING, now=ward.store.now(), lease_until=ward.store.now() + 60)
    change = Change(
        tenant="st-marys",
        claim=Claim(ref=approved.request.ref, call_digest=approved.request.call_digest, asked=True),
        update=Update(approval=running, from_version=approved.version, from_state=approved.state),
    )
    ward.authority.freeze(TESS, agent="another", reason="x")
    with pytest.raises(RegisterMovedError):
        ward.store.commit(change)
    ward.authority.freeze(TESS, agent=AGENT, reason="x")
    with pytest.raises(StoreError):
        ward.store.commit(change)


@pytest.mark.parametrize("everyone", [False, True])
def test_t19_a_frozen_tenant_stops_every_agent_and_everyone_every_tenant(ward: Ward, everyone: bool) -> None:
    here, there = ward.ask(agent="any-agent"), ward.ask(tenant="st-lukes")
    frozen = ward.authority.freeze(SID, everyone=everyone, reason="stop")
    assert frozen.tenant == (ALL if everyone else "st-marys")
    assert states(ward, here, there) == [State.INVALIDATED, State.INVALIDATED if everyone else State.PENDING]
    assert (frozen in ward.authority.freezes(human("luke", tenant="st-lukes"))) is everyone


def test_nothing_of_a_frozen_agent_is_approved_even_where_it_came_in_between(ward: Ward) -> None:
    ward.authority.freeze(TESS, agent=AGENT, reason="stop")
    late = ward.ask()
    with refused("frozen"):
        ward.decide(ADA, late)
    ward.authority.tick(())
    assert states(ward, late) == [State.INVALIDATED]


DUTY = [(ADA, False), (human("ruiz"), False), (human("sid", tenant="st-lukes"), False), (TESS, True), (SID, True)]


@pytest.mark.parametrize(("actor", "may"), DUTY, ids=[f"{a.identity.subject} of {a.tenant}" for a, _ in DUTY])
def test_only_who_has_the_duty_freezes(ward: Ward, actor: object, may: bool) -> None:
    if may:
        ward.authority.freeze(actor, agent=AGENT, reason="x")  # type: ignore[arg-type] # from the table
        return
    with pytest.raises(ApprovalError) as caught:
        ward.authority.freeze(actor, agent=AGENT, reason="x")  # type: ignore[arg-type] # from the table
    assert caught.value.code in ("not_on_duty", "not_an_approver")
    assert ward.acts() == []


def test_freezing_everyone_is_a_duty_of_its_own(ward: Ward) -> None:
    with refused("not_on_duty"):
        ward.authority.freeze(TESS, everyone=True, reason="x")
    with refused("reason_required"):
        ward.authority.freeze(SID, everyone=True, reason=" ")
    service = Service(name="ward-guard", tenant="st-marys", agents=frozenset({AGENT}), auth="token:1")
    with refused("not_a_person"):
        ward.authority.freeze(service, agent=AGENT, reason="x")
    assert ward.acts(ALL) == []


def test_t19_unfreezing_needs_a_second_person(ward: Ward) -> None:
    frozen = ward.authority.freeze(TESS, agent=AGENT, reason="stop")
    with refused("second_person"):
        ward.authority.unfreeze(TESS, frozen.id, reason="never mind")
    with refused("not_on_duty"):
        ward.authority.unfreeze(ADA, frozen.id, reason="let it run")
    with refused("reason_required"):
        ward.authority.unfreeze(SID, frozen.id, reason="")
    assert ward.authority.freezes(ADA) == (frozen,)
    assert ward.authority.unfreeze(SID, frozen.id, reason="it was mended") == frozen
    assert ward.authority.freezes(ADA) == ()
    with pytest.raises(NotFoundError):
        ward.authority.unfreeze(SID, frozen.id, reason="again")
    assert ward.decide(ADA, ward.ask()).state is State.APPROVED


def test_t19_what_holds_for_everyone_is_lifted_by_who_may_freeze_everyone(ward: Ward) -> None:
    frozen = ward.authority.freeze(SID, everyone=True, reason="stop")
    with refused("not_on_duty"):
        ward.authority.unfreeze(TESS, frozen.id, reason="x")
    with refused("second_person"):
        ward.authority.unfreeze(SID, frozen.id, reason="x")
    ward.write_directory(lambda text: text.replace('freeze_all: ["person:sid"]', 'freeze_all: ["group:security"]'))
    ward.authority.unfreeze(TESS, frozen.id, reason="it was mended")
    assert ward.authority.freezes(ADA) == ()


def test_what_was_invalidated_stays_so_when_the_freeze_is_lifted(ward: Ward) -> None:
    asked = ward.ask()
    frozen = ward.authority.freeze(TESS, agent=AGENT, reason="stop")
    ward.authority.unfreeze(SID, frozen.id, reason="mended")
    assert states(ward, asked) == [State.INVALIDATED]


def test_acts_by_many_at_once_are_one_chain(ward: Ward) -> None:
    """Whoever loses the next place reads the register again and signs anew."""
    other = ward.another_authority()
    start = threading.Barrier(8)
    failures: list[BaseException] = []

    def freeze(n: int) -> None:
        start.wait()
        try:
            for i in range(3):
                (ward.authority, other)[n % 2].freeze(TESS, agent=f"agent-{n}-{i}", reason="stop")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=freeze, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(ward.register().freezes) == 24
    assert ward.register().n == 24


def test_words_of_an_act_are_masked_and_stand_in_no_record(ward: Ward) -> None:
    frozen = ward.authority.freeze(TESS, agent=AGENT, reason="it mailed the chart of Maria Gonzalez, MRN 48213377")
    assert "48213377" not in frozen.reason
    assert "Gonzalez" not in ward.acts()[0].payload.decode()
    assert "mailed" in frozen.reason
    assert "mailed" not in str(ward.journal())
