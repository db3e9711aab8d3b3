"""What is counted from records, and what is not."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.hospital import DAY, JULY, JUNE, Hospital, june, period_of
from journal.lives import draft
from toolguard._core.audit import AuditRecord, Draft, Kind, seal
from toolguard._core.tree import inclusion_proof, root
from toolguard.evidence.proofs import Tree
from toolguard.journal import telling
from toolguard.population import (
    ASKS_FOR_REVIEW,
    EIGHTEEN,
    EXCEPTIONS,
    FRAMEWORKS,
    Population,
    draw,
    exceptions_of,
    matrix_of,
    reviews_of,
)
from toolguard.population.calls import calls_of
from toolguard.population.evidence import KINDS


def sealed(*drafts: Draft) -> tuple[AuditRecord, ...]:
    return seal(drafts, log_id="a", seq=0, prev="0" * 64)


def test_a_call_stands_where_its_last_record_says(hospital: Hospital, population: Population) -> None:
    stands = {call.id: call.outcome for call in population.calls}
    wanted = {
        "allowed": "executed",
        "letter-0": "executed",
        "letter-3": "expired",
        "denied": "denied",
        "cohort": "executed",
        "glass": "executed",
        "lost": "indeterminate",
        "failed": "failed",
        "let through": "executed",
    }
    assert {name: stands[hospital.calls[name]] for name in wanted} == wanted
    assert sum(population.outcomes.values()) == len(population.calls)


def test_a_call_that_ran_stands_as_executed_whatever_is_tried_with_it_later() -> None:
    """A client may make the same call again after the policy changed: that attempt does not run, and undoes nothing."""
    records = sealed(
        draft(Kind.CALL_DECIDED, "c1", at=1.0, outcome="pending", approval="a1"),
        draft(Kind.CALL_EXECUTING, "c1", at=2.0, approval="a1"),
        draft(Kind.CALL_RETURNED, "c1", at=3.0, outcome="executed", approval="a1"),
        draft(Kind.CALL_NOT_RUN, "c1", at=9.0, outcome="invalidated", approval="a1"),
    )
    ((call,), _) = calls_of(records)
    assert (call.outcome, call.ended) == ("executed", records[2])
    assert telling(records) == records[2]
    assert telling(records[:2]) == records[0]
    assert telling(records[3:]) == records[3]


def test_periods_next_to_each_other_hold_every_call_once(hospital: Hospital, population: Population) -> None:
    cuts = [JUNE, JUNE + 3.03 * DAY, JUNE + 5.4 * DAY, JUNE + 5.41 * DAY, JULY]
    parts = [period_of(hospital, a, b) for a, b in itertools.pairwise(cuts)]
    assert [c.id for p in parts for c in p.calls] == [c.id for c in population.calls]
    assert [r.hash for p in parts for r in p.records] == [r.hash for r in population.records]
    assert sum(p.earlier for p in parts) > 0


def test_what_began_before_the_period_is_said_to(hospital: Hospital) -> None:
    asked = next(
        r for r in hospital.store.records(call=hospital.calls["cohort"]) if r.draft.kind is Kind.APPROVAL_REQUESTED
    )
    later = period_of(hospital, asked.draft.at + 1.0, JULY)
    (question,) = [q for q in later.questions if q.first.draft.call == hospital.calls["cohort"]]
    assert (question.carried, question.outcome, len(question.answers)) == (True, "executed", 2)
    assert hospital.calls["cohort"] not in {call.id for call in later.calls}


ODD: list[tuple[str, Kind, dict[str, object]]] = [
    ("undecided", Kind.CALL_DECIDED, {"error.type": "DetectionError"}),
    ("let_through", Kind.CALL_DECIDED, {"toolguard.decision.effect": "allow", "toolguard.decision.would": "deny"}),
    (
        "let_through",
        Kind.CALL_DECIDED,
        {"toolguard.decision.effect": "mask", "toolguard.decision.would": "require_approval"},
    ),
    ("rule_failed", Kind.CALL_DECIDED, {"toolguard.policy.rule.errors": ["cohorts:type"]}),
    ("policy_refused", Kind.POLICY_REFUSED, {}),
    ("not_apart", Kind.POLICY_LOADED, {"toolguard.guard.separation": "none"}),
    ("not_apart", Kind.POLICY_LOADED, {"toolguard.guard.separation": "waived"}),
    ("indeterminate", Kind.CALL_INDETERMINATE, {}),
    ("failed", Kind.CALL_FAILED, {}),
    ("withheld", Kind.CALL_RETURNED, {"toolguard.result.withheld": True}),
    ("not_run", Kind.CALL_NOT_RUN, {}),
    ("refused_attempt", Kind.APPROVAL_REFUSED, {}),
    ("taken_back", Kind.APPROVAL_RESOLVED, {"toolguard.decision.outcome": "revoked"}),
    ("taken_back", Kind.APPROVAL_RESOLVED, {"toolguard.decision.outcome": "invalidated"}),
    ("taken_back", Kind.ACT_RECORDED, {"toolguard.act.kind": "void"}),
    ("unanswered", Kind.APPROVAL_RESOLVED, {"toolguard.decision.outcome": "expired"}),
    ("shown_in_clear", Kind.APPROVAL_REVEALED, {}),
    ("shown_in_clear", Kind.VALUES_REVEALED, {}),
    ("break_glass", Kind.ACT_RECORDED, {"toolguard.act.kind": "break_glass"}),
    ("standing_approval", Kind.ACT_RECORDED, {"toolguard.act.kind": "standing"}),
    ("store_set_back", Kind.ACT_RECORDED, {"toolguard.act.kind": "restored"}),
    ("frozen", Kind.ACT_RECORDED, {"toolguard.act.kind": "freeze"}),
    ("content_opened", Kind.CONTENT_OPENED, {}),
    ("content_redacted", Kind.CONTENT_REDACTED, {}),
    ("content_redacted", Kind.ACT_RECORDED, {"toolguard.act.kind": "hold"}),
    ("content_redacted", Kind.ACT_RECORDED, {"toolguard.act.kind": "hold_lifted"}),
    ("credential_refused", Kind.CREDENTIAL_REFUSED, {}),
    ("span_parked", Kind.SPAN_PARKED, {}),
    ("receiver_left_out", Kind.AUDIT_PRUNED, {"toolguard.prune.without": ["otlp:jaeger"]}),
]
PLAIN: list[tuple[Kind, dict[str, object]]] = [
    (Kind.CALL_DECIDED, {"toolguard.decision.effect": "deny"}),
    (Kind.CALL_DECIDED, {"toolguard.decision.effect": "deny", "toolguard.decision.would": "require_approval"}),
    (Kind.CALL_RETURNED, {}),
    (Kind.APPROVAL_RESOLVED, {"toolguard.decision.outcome": "approved"}),
    (Kind.ACT_RECORDED, {"toolguard.act.kind": "proposed"}),
    (Kind.ACT_RECORDED, {"toolguard.act.kind": "unheard of"}),
    (Kind.AUDIT_CHECKPOINT, {}),
    (Kind.AUDIT_PRUNED, {"toolguard.prune.by": "rita"}),
    (Kind.POLICY_LOADED, {"toolguard.guard.separation": "apart"}),
]


@pytest.mark.parametrize(("code", "kind", "body"), ODD, ids=[f"{o[0]}-{n}" for n, o in enumerate(ODD)])
def test_what_is_out_of_the_ordinary(code: str, kind: Kind, body: dict[str, object]) -> None:
    (found,) = exceptions_of(sealed(draft(kind, "c1", at=1.0, **body)))
    assert found.code == code
    assert found.awaits is (code in ASKS_FOR_REVIEW)


def test_every_kind_of_exception_has_an_example_and_its_words() -> None:
    assert {code for code, _, _ in ODD} == set(EXCEPTIONS)
    assert set(EXCEPTIONS) >= ASKS_FOR_REVIEW


@pytest.mark.parametrize(("kind", "body"), PLAIN, ids=range(len(PLAIN)))
def test_what_is_not(kind: Kind, body: dict[str, object]) -> None:
    assert exceptions_of(sealed(draft(kind, "c1", at=1.0, **body))) == ()


def test_a_review_settles_what_it_names_and_nothing_else() -> None:
    says = {"toolguard.review.subject": "c1", "toolguard.review.finding": "justified", "toolguard.approver.id": "rena"}
    records = sealed(
        draft(Kind.CALL_INDETERMINATE, "c1", at=1.0),
        draft(Kind.CALL_INDETERMINATE, "c2", at=2.0),
        draft(Kind.AUDIT_REVIEW, "c1", at=3.0, **says),
    )
    first, second = exceptions_of(records, reviews_of(records))
    assert (first.awaits, first.review is not None and first.review.person) == (False, "rena")
    assert second.awaits


def test_figures_of_approvers_are_from_request_to_answer(population: Population) -> None:
    chen = next(a for a in population.approvers if a.person == "chen")
    answers = [(q, a) for q in population.questions for a in q.answers if a.person == "chen"]
    assert chen.answers == len(answers)
    assert (chen.fast, chen.own) == (2, 0)
    assert chen.median_s == 300.0
    assert next(a for a in population.approvers if a.person == "dora").stepped_up == 2
    (pair,) = population.reciprocity
    assert (pair.one, pair.other, pair.forth, pair.back) == ("ana", "chen", 1, 2)


def test_every_control_of_the_frameworks_asks_for_evidence_that_can_be_counted(population: Population) -> None:
    ids = {name: [c.id for c in framework.controls] for name, framework in FRAMEWORKS.items()}
    assert {name: len(found) for name, found in ids.items()} == {
        "hipaa": 11,
        "soc2": 7,
        "iso27001": 14,
        "nist": 14,
        "eu-ai-act": 4,
    }
    assert all(len(set(found)) == len(found) for found in ids.values())
    for framework in FRAMEWORKS.values():
        for control in framework.controls:
            assert control.evidence
            assert set(control.evidence) <= set(KINDS)
    assert {row.control.id for row in matrix_of(population, "hipaa").rows if not row.has_any} == {"164.312(e)(1)"}
    assert len(EIGHTEEN) == 18


def test_a_rule_that_names_a_control_is_evidence_for_it(population: Population) -> None:
    row = next(r for r in matrix_of(population, "hipaa").rows if r.control.id == "164.502(b)")
    (rules,) = [e for e in row.evidence if e.kind == "rules"]
    named = [c for c in population.calls if "phi-leaves" in str(c.decided.draft.body.get("toolguard.policy.rule.id"))]
    assert rules.count == len(named) > 0


def test_an_unknown_framework_is_refused(population: Population) -> None:
    with pytest.raises(KeyError):
        matrix_of(population, "gdpr")


def test_a_draw_takes_each_call_about_as_often_as_any_other(population: Population) -> None:
    drawn = Counter(c.id for n in range(400) for c in draw(population.calls, seed=str(n), n=5))
    mean = 400 * 5 / len(population.calls)
    assert len(drawn) == len(population.calls)
    assert all(mean * 0.5 < count < mean * 1.6 for count in drawn.values())


def test_a_draw_of_more_than_there_is_takes_all_and_order_does_not_matter(population: Population) -> None:
    calls = list(population.calls)
    everything = draw(calls, seed="x", n=10_000)
    random.Random(1).shuffle(calls)
    assert everything == draw(calls, seed="x", n=10_000)
    assert len(everything) == len(calls)
    assert draw(calls, seed="x", n=0) == ()


@given(st.integers(1, 70), st.data())
def test_proofs_are_those_of_rfc_6962(size: int, data: st.DataObject) -> None:
    leaves = [f"{n:064x}" for n in range(size)]
    tree = Tree(leaves)
    index = data.draw(st.integers(0, size - 1))
    assert tree.root == root(leaves)
    assert tuple(tree.inclusion(index)) == inclusion_proof(leaves, index)


def test_loads_of_policies_that_somebody_signed_are_counted(population: Population) -> None:
    says = {"toolguard.policy.sha256": "ab" * 32, "toolguard.policy.signer": "privacy-office"}
    signed = seal([draft(Kind.POLICY_LOADED, "", at=JUNE, **says)], log_id="b", seq=0, prev="0" * 64)
    with_signed = Population(replace(population.period, loads=(*population.period.loads, *signed)))
    assert KINDS["signed_loads"].count(population) == 0
    assert KINDS["signed_loads"].count(with_signed) == 1


def test_a_store_in_memory_tells_the_same(tmp_path: Path, population: Population) -> None:
    told = period_of(june(tmp_path, store="memory:", rounds=2), JUNE, JULY)
    assert told.outcomes == population.outcomes
    assert told.kinds == population.kinds
    assert [e.code for e in told.exceptions] == [e.code for e in population.exceptions]
