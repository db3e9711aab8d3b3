"""The checker sees each broken promise: evidence that is whole has no fault, and each way of spoiling it has its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from race.checker import Evidence, check
from race.harness import gather
from race.plan import NURSES, TENANT, Desk, Plan, caller, human
from race.witness import Chance, Lines, Witnessed
from race.workers import tools
from toolguard import Suspended, ToolguardError
from toolguard._core.approval import State
from toolguard._core.audit import Kind, Outcome
from toolguard.authority import Answer
from toolguard.stores.memory import MemoryStore

RAN, FREE, DENIED, WITHDRAWN, VETOED = "c0", "c1", "c2", "c3", "c4"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """A call that was approved and ran, one that needed no approval, and three that did not run, as a race leaves them."""
    folder: Path = tmp_path_factory.mktemp("race")
    plan = Plan(folder=folder, store="memory:", seed=1, requests=5, dawdle=0, die=0)
    desk, memory, who = Desk.make(plan), MemoryStore(), "guard-0.0"
    chance = Chance(plan, who)
    store = Witnessed(memory, Lines(folder / "guard-0.acks"), chance, who)
    guard, authority, bound = desk.guard(store), desk.authority(store), tools(plan, chance, who)

    def decide(approval_id: str, answer: Answer) -> None:
        approval = memory.get(TENANT, approval_id)
        assert approval is not None
        request = approval.request
        authority.decide(
            human("chen"),
            approval_id,
            answer,
            seen_call_digest=request.call_digest,
            seen_view_digest=request.view_digest,
            reason="looked at it",
            version=approval.version,
        )

    with guard.session(caller=caller(NURSES[0]), run=plan.run, suspend="raise") as session:
        for number, acts in enumerate((["approve"], [], ["deny"], ["withdraw"], ["approve", "deny"])):
            tool, arguments, call = bound["plain" if acts else "free"], {"n": number}, f"c{number}"
            if acts:
                with pytest.raises(Suspended) as waits:
                    session.call(tool, arguments, call_id=call)
            for act in acts:
                if act == "withdraw":
                    authority.withdraw(human(NURSES[0]), waits.value.approval_id)
                else:
                    decide(waits.value.approval_id, Answer(act))
            if acts in (["approve"], []):
                session.call(tool, arguments, call_id=call)
            else:
                with pytest.raises(ToolguardError):
                    session.call(tool, arguments, call_id=call)
    return gather(desk, memory)


def test_whole_evidence_has_no_fault(whole: Evidence) -> None:
    assert check(whole) == ()
    assert len(whole.effects) == 2
    assert {a.state for a in whole.approvals.values()} == {State.EXECUTED, State.DENIED, State.WITHDRAWN}


# --- each way of spoiling it ----------------------------------------------------------------------------

Spoil = Callable[[Evidence], Evidence]


def _id(evidence: Evidence, call: str) -> str:
    return next(a.id for a in evidence.approvals.values() if a.request.ref.call_id == call)


def _approval(call: str, **changes: object) -> Spoil:
    def spoil(evidence: Evidence) -> Evidence:
        about = _id(evidence, call)
        changed = replace(evidence.approvals[about], **changes)  # type: ignore[arg-type] # a table fills it in
        return replace(evidence, approvals={**evidence.approvals, about: changed})

    return spoil


def _gone(call: str) -> Spoil:
    return lambda e: replace(e, approvals={k: v for k, v in e.approvals.items() if k != _id(e, call)})


def _no_verdict(call: str) -> Spoil:
    def spoil(evidence: Evidence) -> Evidence:
        about = _id(evidence, call)
        less = replace(evidence.approvals[about], verdicts=evidence.approvals[about].verdicts[:-1])
        return replace(evidence, approvals={**evidence.approvals, about: less})

    return spoil


def _no_record(kind: Kind, call: str) -> Spoil:
    def drop(evidence: Evidence) -> Evidence:
        left = (r for r in evidence.records if (r.draft.kind, r.draft.body.get("gen_ai.tool.call.id")) != (kind, call))
        return replace(evidence, records=tuple(left))

    return drop


def _twice(kind: Kind, call: str) -> Spoil:
    def again(evidence: Evidence) -> Evidence:
        more = (r for r in evidence.records if (r.draft.kind, r.draft.body.get("gen_ai.tool.call.id")) == (kind, call))
        return replace(evidence, records=(*evidence.records, *more))

    return again


def _resolved(call: str, outcome: Outcome) -> Spoil:
    """The journal tells another story of how it ended."""

    def spoil(evidence: Evidence) -> Evidence:
        about = _id(evidence, call)

        def other(record: object) -> object:
            draft = record.draft  # type: ignore[attr-defined] # an AuditRecord
            if draft.kind is not Kind.APPROVAL_RESOLVED or draft.body["toolguard.approval.id"] != about:
                return record
            body = {**draft.body, "toolguard.decision.outcome": outcome.value}
            return replace(record, draft=replace(draft, body=body))  # type: ignore[type-var] # an AuditRecord

        return replace(evidence, records=tuple(map(other, evidence.records)))  # type: ignore[arg-type] # as above

    return spoil


def _effects(spoiled: Callable[[Evidence], object]) -> Spoil:
    return lambda e: replace(e, effects=tuple(spoiled(e)))  # type: ignore[arg-type] # a table fills it in


def _commits(call: str, **changes: object) -> Spoil:
    """The workers' notes on one approval's changes say something else."""

    def spoil(evidence: Evidence) -> Evidence:
        about = _id(evidence, call)
        kept = (replace(c, **changes) if c.update and c.update[0] == about else c for c in evidence.commits)  # type: ignore[arg-type] # a table fills it in
        return replace(evidence, commits=tuple(kept))

    return spoil


def _repeated(call: str) -> Spoil:
    """Two workers were told that they changed the same version."""

    def spoil(evidence: Evidence) -> Evidence:
        about = _id(evidence, call)
        twins = (replace(c, who="guard-1.0") for c in evidence.commits if c.update and c.update[0] == about)
        return replace(evidence, commits=(*evidence.commits, *twins))

    return spoil


def _without(call: str) -> Spoil:
    """Nobody owns up to the changes."""

    def spoil(evidence: Evidence) -> Evidence:
        about = _id(evidence, call)
        return replace(evidence, commits=tuple(c for c in evidence.commits if not c.update or c.update[0] != about))

    return spoil


def _unsigned(evidence: Evidence) -> Evidence:
    return replace(evidence, forged=frozenset({_id(evidence, RAN)}))


SPOILED: dict[str, tuple[Spoil, str]] = {
    "a tool ran twice": (_effects(lambda e: (*e.effects, e.effects[0])), "double execution"),
    "two claims": (_twice(Kind.CALL_EXECUTING, FREE), "double claim"),
    "no record that it began": (_no_record(Kind.CALL_EXECUTING, FREE), "unrecorded execution"),
    "it ran before its claim": (_effects(lambda e: (replace(x, at=0) for x in e.effects)), "effect before claim"),
    "another worker ran it": (
        _effects(lambda e: (replace(x, who="guard-9.9") for x in e.effects)),
        "effect before claim",
    ),
    "it returned without an effect": (_effects(lambda e: ()), "lost effect"),
    "it never ended": (_no_record(Kind.CALL_RETURNED, FREE), "left open"),
    "it ran after a no": (_effects(lambda e: (*e.effects, replace(e.effects[0], call=DENIED))), "lost veto"),
    "a no is in no row": (_no_verdict(VETOED), "lost veto"),
    "a yes is in no row": (_no_verdict(RAN), "lost write"),
    "a request is gone": (_gone(WITHDRAWN), "lost write"),
    "a record is gone": (_no_record(Kind.CALL_DECIDED, FREE), "lost write"),
    "a change was undone": (_approval(WITHDRAWN, version=1, state=State.PENDING), "lost write"),
    "two changed one version": (_repeated(WITHDRAWN), "lost update"),
    "nobody changed it": (_without(WITHDRAWN), "unknown writer"),
    "the notes are on another one": (_commits(DENIED, update=("x", 1, "pending", 2, "denied")), "unknown writer"),
    "the journal ends elsewhere": (_resolved(WITHDRAWN, Outcome.EXPIRED), "state"),
    "the journal skips a state": (_resolved(RAN, Outcome.DENIED), "illegal transition"),
    "the row says another state": (_approval(VETOED, state=State.WITHDRAWN), "tally"),
    "the verdicts give another state": (_approval(RAN, verdicts=()), "tally"),
    "nobody signed it": (_approval(RAN, grant=None), "unsigned"),
    "the signature is forged": (_unsigned, "unsigned"),
    "it ran and the row is withdrawn": (_approval(RAN, state=State.WITHDRAWN), "state"),
    "a cut execution is called executed": (_no_record(Kind.CALL_RETURNED, RAN), "left open"),
    "it was claimed late": (_approval(RAN, grant_expires=1.0), "late"),
    "the journal is torn": (lambda e: replace(e, journal=("log/1: hash",)), "journal"),
}


@pytest.mark.parametrize(("spoil", "code"), SPOILED.values(), ids=SPOILED)
def test_a_broken_promise_is_seen(whole: Evidence, spoil: Spoil, code: str) -> None:
    assert code in {fault.code for fault in check(spoil(whole))}


def test_a_step_that_is_not_in_the_table_is_seen_in_the_notes(whole: Evidence) -> None:
    about = _id(whole, DENIED)
    told = _commits(DENIED, update=(about, 1, "withdrawn", 2, "denied"))(whole)
    assert "illegal transition" in {fault.code for fault in check(told)}


def test_a_worker_that_died_before_its_answer_is_no_fault(whole: Evidence) -> None:
    """What it tried may be in the store or not; both are right."""
    assert check(_commits(WITHDRAWN, answer="", done=0, records=())(whole)) == ()
