"""Approvals: the table of transitions is the whole of what may happen; a yes is one person's to one call."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolguard._core.approval import (
    TRANSITIONS,
    Answer,
    Approval,
    Request,
    State,
    Verdict,
    is_expired,
    move,
    resolution_payload,
)
from toolguard._core.call import Assurance, CallRef, Person
from toolguard._core.policy import ApproverRule
from toolguard._core.verdicts import Voter, add_verdict, tally
from toolguard.errors import ApprovalError, ConflictError

NOW = 1000.0
PRIVACY = ApproverRule(name="privacy", approvers=("group:privacy", "person:boss"), quorum=1)


def who(name):
    return Person(issuer="local", tenant="t", subject=name)


def request(**more):
    base = {
        "id": "r1",
        "tenant": "t",
        "session": "s",
        "call": "c" * 32,
        "ref": CallRef(run="run", call_id="c1"),
        "tool": "export",
        "tool_ref": "app#export@0",
        "args_digest": "v1:a",
        "call_digest": "v1:c",
        "view": {"path": "/x"},
        "view_digest": "v1:v",
        "requester": who("ana"),
        "requester_person": "ana",
        "assurance": Assurance.ASSERTED,
        "agent": "agent",
        "excluded": frozenset({"ana", "owner"}),
        "policy_id": "p",
        "policy_version": "1",
        "policy_sha256": "s",
        "rules": ("r",),
        "because": "Because.",
        "risk_class": "exfiltration",
        "risk_level": "high",
        "approver_rules": (PRIVACY,),
        "created": NOW,
        "expires": NOW + 60,
        "claim_ttl": 30.0,
    }
    return Request(**(base | more))


def voter(name, *groups, human=True):
    return Voter(person=name, identity=who(name), groups=frozenset(groups or ("privacy",)), human=human)


def verdict(name, answer=Answer.APPROVE, at=NOW + 1, **more):
    base = {
        "request": "r1",
        "answer": answer,
        "person": name,
        "identity": who(name),
        "groups": ("privacy",),
        "seen_call_digest": "v1:c",
        "seen_view_digest": "v1:v",
        "reason": "checked",
        "channel": "test",
        "auth": "test",
        "at": at,
    }
    return Verdict(**(base | more))


def give(approval, name, answer=Answer.APPROVE, *, now=NOW + 1, groups=("privacy",), human=True, **more):
    return add_verdict(
        approval, verdict(name, answer, now, groups=groups, **more), voter(name, *groups, human=human), now=now
    )


LEGAL = {
    "pending": {
        "approved",
        "break_glass",
        "denied",
        "expired",
        "withdrawn",
        "superseded",
        "invalidated",
        "undeliverable",
    },
    "break_glass": {"executing", "revoked", "expired", "withdrawn", "invalidated"},
    "approved": {"executing", "denied", "expired", "withdrawn", "superseded", "revoked", "invalidated"},
    "executing": {"executed", "indeterminate"},
    "indeterminate": {"executed"},
}


@pytest.mark.parametrize(("source", "to"), list(itertools.product(State, State)))
def test_invariant_7_only_the_table_is_legal(source, to):
    legal = to.value in LEGAL.get(source.value, set())
    assert ((source, to) in TRANSITIONS) is legal
    approval = Approval(request=request(), state=source, grant_expires=NOW + 50)
    if legal:
        assert move(approval, to, now=NOW).version == 2
    else:
        with pytest.raises(ConflictError):
            move(approval, to, now=NOW)


def test_one_yes_approves_where_one_is_enough():
    after = give(Approval(request=request()), "chen")
    assert after.state is State.APPROVED
    assert after.grant_expires == NOW + 1 + 30


@pytest.mark.parametrize("name", ["ana", "owner"])
@pytest.mark.parametrize("answer", list(Answer))
def test_invariant_3_the_requester_and_the_agents_owner_cannot_decide(name, answer):
    with pytest.raises(ApprovalError) as refused:
        give(Approval(request=request()), name, answer)
    assert refused.value.code == "self_approval"


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("not_an_approver", {"groups": ("other",)}),
        ("not_an_approver", {"human": False}),
        ("stale", {"seen_call_digest": "v1:other"}),
        ("stale", {"seen_view_digest": "v1:other"}),
        ("reason_required", {"reason": "  "}),
        ("expired", {"now": NOW + 60}),
        ("expired", {"now": NOW + 1e9}),
    ],
)
def test_refused_verdicts_say_why(code, change):
    with pytest.raises(ApprovalError) as refused:
        give(Approval(request=request()), "chen", **change)
    assert refused.value.code == code


@pytest.mark.parametrize("state", [s for s in State if s not in (State.PENDING, State.APPROVED, State.BREAK_GLASS)])
def test_a_decided_request_takes_no_verdict(state):
    with pytest.raises(ApprovalError) as refused:
        give(Approval(request=request(), state=state), "chen")
    assert refused.value.code == "decided"


def test_invariant_4_quorum_counts_distinct_persons():
    two = ApproverRule(name="two", approvers=("group:privacy", "group:security"), quorum=2)
    approval = Approval(request=request(approver_rules=(two,)))
    once = give(approval, "chen", groups=("privacy", "security"))
    assert once.state is State.PENDING
    with pytest.raises(ApprovalError, match="already"):
        give(once, "chen", now=NOW + 2, groups=("privacy", "security"))
    assert give(once, "lee", now=NOW + 3).state is State.APPROVED


def test_every_approver_rule_needs_its_own_quorum():
    security = ApproverRule(name="security", approvers=("group:security",))
    approval = give(Approval(request=request(approver_rules=(PRIVACY, security))), "chen")
    assert approval.state is State.PENDING
    assert give(approval, "sec", now=NOW + 2, groups=("security",)).state is State.APPROVED


def test_invariant_4_a_veto_wins_until_the_claim():
    approved = give(Approval(request=request()), "chen")
    vetoed = give(approved, "lee", Answer.DENY, now=NOW + 2)
    assert vetoed.state is State.DENIED
    running = move(approved, State.EXECUTING, now=NOW + 2)
    with pytest.raises(ApprovalError):
        give(running, "lee", Answer.DENY, now=NOW + 3)


def test_an_approver_may_take_back_their_own_yes():
    approved = give(Approval(request=request()), "chen")
    assert give(approved, "chen", Answer.DENY, now=NOW + 2).state is State.DENIED


def test_invariant_8_expiry_needs_no_sweeper():
    pending = Approval(request=request())
    assert not is_expired(pending, NOW + 59.9)
    assert is_expired(pending, NOW + 60)
    approved = give(pending, "chen")
    with pytest.raises(ConflictError, match="expired"):
        move(approved, State.EXECUTING, now=NOW + 31)
    assert is_expired(replace(approved, grant_expires=None), NOW)


def test_no_approver_rules_is_never_approved():
    approval = Approval(request=request(approver_rules=()), verdicts=(verdict("chen"),))
    assert tally(approval) is State.PENDING


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ana", "chen", "lee", "owner", "boss"]),
            st.sampled_from(list(Answer)),
            st.sampled_from([(), ("privacy",)]),
        ),
        max_size=6,
    )
)
def test_the_tally_is_a_yes_only_with_an_eligible_yes_and_no_veto(votes):
    given_ = [verdict(n, a, NOW + i, groups=g) for i, (n, a, g) in enumerate(votes)]
    state = tally(Approval(request=request(), verdicts=tuple(given_)))
    latest = {v.person: v for v in given_}
    if any(v.answer is Answer.DENY for v in latest.values()):
        assert state is State.DENIED
    else:
        able = [n for n, v in latest.items() if n not in ("ana", "owner") and (v.groups or n == "boss")]
        assert state is (State.APPROVED if able else State.PENDING)


@pytest.mark.parametrize(
    "change",
    [
        {"request": request(call_digest="v1:other")},
        {"request": request(args_digest="v1:other")},
        {"request": request(view_digest="v1:other")},
        {"request": request(tenant="u")},
        {"request": request(id="r2")},
        {"request": request(policy_sha256="t")},
        {"request": request(rules=("q",))},
        {"state": State.DENIED},
        {"grant_expires": NOW + 9999},
        {"verdicts": (verdict("lee"),)},
        {"verdicts": (verdict("chen", groups=("boss",)),)},
        {"verdicts": ()},
        {"verdicts": (verdict("chen", Answer.DENY),)},
    ],
)
def test_the_signature_covers_what_makes_a_yes_a_yes(change):
    approved = give(Approval(request=request()), "chen")
    assert resolution_payload(replace(approved, **change)) != resolution_payload(approved)
