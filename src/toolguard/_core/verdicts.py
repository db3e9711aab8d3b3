"""What verdicts make of a request: who counts, for which seat, in which stage, and where that leaves it.

The result is computed from the verdicts every time, by the service when it signs and by the guard before it runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from toolguard._core.approval import (
    Answer,
    Approval,
    Assured,
    Request,
    State,
    Verdict,
    is_expired,
    is_granted,
    move,
)
from toolguard._core.approver import ApproverRule, entries_of
from toolguard._core.call import Person
from toolguard.errors import ApprovalError

__all__ = [
    "Voter",
    "add_verdict",
    "agreed_terms",
    "eligible_for",
    "latest_verdicts",
    "must_reveal",
    "open_seats",
    "tally",
    "turn_of",
    "waits_for",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Voter:
    """A person at the moment of a verdict, as the directory knows them. ``acting`` as in `Verdict`."""

    person: str
    identity: Person
    groups: frozenset[str]
    human: bool = True
    acting: tuple[tuple[str, str], ...] = ()


def eligible_for(request: Request, voter: Voter, at: float) -> tuple[ApproverRule, ...]:
    """The approver rules in which this voter has a seat by now, in any stage: none for the excluded and non-humans."""
    if not voter.human or voter.person in request.excluded:
        return ()
    return tuple(
        rule
        for rule in request.approver_rules
        if _seats(request, _named(rule, request, at), voter.person, voter.groups, voter.acting)
    )


def turn_of(approval: Approval, voter: Voter, at: float) -> tuple[ApproverRule, ...]:
    """The approver rules in which a yes of this voter would count now: in the stage that is open."""
    request = approval.request
    given = latest_verdicts(approval)
    found = []
    for rule in eligible_for(request, voter, at):
        stage = _progress(rule, request, given)
        if stage < len(rule.stages) and _seats(
            request, _open(rule, stage, request, at), voter.person, voter.groups, voter.acting
        ):
            found.append(rule)
    return tuple(found)


def waits_for(approval: Approval, rule: ApproverRule) -> bool:
    """Whether ``rule`` still lacks a stage."""
    return _progress(rule, approval.request, latest_verdicts(approval)) < len(rule.stages)


def open_seats(approval: Approval, at: float) -> tuple[tuple[frozenset[str], int], ...]:
    """Of each rule that lacks a stage: the entries its open stage is for, and how many persons that takes in all."""
    request, given = approval.request, latest_verdicts(approval)
    stages = [(rule, _progress(rule, request, given)) for rule in request.approver_rules]
    return tuple(
        (_open(rule, stage, request, at), max(1, rule.stages[stage].quorum))
        for rule, stage in stages
        if stage < len(rule.stages)
    )


def latest_verdicts(approval: Approval) -> tuple[Verdict, ...]:
    """Each person's latest answer, by time."""
    latest = {v.person: v for v in sorted(approval.verdicts, key=lambda v: v.at)}
    return tuple(sorted(latest.values(), key=lambda v: v.at))


def tally(approval: Approval) -> State:
    """Where the verdicts leave the request: any person's latest no is a veto; every rule needs all its stages."""
    given = latest_verdicts(approval)
    if any(v.answer is Answer.DENY for v in given):
        return State.DENIED
    request = approval.request
    satisfied = bool(request.approver_rules) and all(
        _progress(rule, request, given) == len(rule.stages) for rule in request.approver_rules
    )
    return State.APPROVED if satisfied else State.PENDING


def agreed_terms(approval: Approval) -> Verdict | None:
    """The last yes, where everyone who said yes let the same stand; None where not all did."""
    yes = [v for v in latest_verdicts(approval) if v.answer is Answer.APPROVE]
    if not yes or yes[0].standing is None or any(v.standing != yes[0].standing for v in yes):
        return None
    return yes[-1]


def _progress(rule: ApproverRule, request: Request, given: Iterable[Verdict]) -> int:
    """How many stages of ``rule`` are complete. One person counts once in a rule, and one seat once."""
    stage, count, extra = 0, 0, 0
    persons: set[str] = set()
    taken: set[str] = set()
    for v in given:
        if stage == len(rule.stages):
            break
        if not _counts(rule, request, v) or v.person in persons:
            continue
        seats = _seats(request, _open(rule, stage, request, v.at), v.person, v.groups, v.acting) - taken
        if not seats:
            continue
        persons.add(v.person)
        taken.add(v.person if v.person in seats else min(seats))
        count, extra = count + 1, max(extra, int(v.over_budget))
        if count >= max(1, rule.stages[stage].quorum) + extra:
            stage, count, extra = stage + 1, 0, 0
    return stage


def _counts(rule: ApproverRule, request: Request, verdict: Verdict) -> bool:
    return (
        verdict.answer is Answer.APPROVE
        and verdict.person not in request.excluded
        and _saw_this(request, verdict)
        and (not rule.step_up or verdict.assured >= Assured.STEPPED_UP)
        and (bool(verdict.seen_decisive_digest) or not must_reveal(rule, request))
    )


def must_reveal(rule: ApproverRule, request: Request) -> bool:
    """Whether a yes counts only from someone who was shown the decisive arguments in clear."""
    return rule.reveal and bool(request.hidden) and bool(request.sealed_decisive)


def _named(rule: ApproverRule, request: Request, at: float) -> frozenset[str]:
    return rule.named(waited=at - request.created, fallback=rule.name in request.fallback)


def _open(rule: ApproverRule, stage: int, request: Request, at: float) -> frozenset[str]:
    return rule.open_to(stage, waited=at - request.created, fallback=rule.name in request.fallback)


def _seats(
    request: Request, entries: frozenset[str], person: str, groups: Iterable[str], acting: Iterable[tuple[str, str]]
) -> frozenset[str]:
    """Whose seats a person can sit in: their own, and those of persons they stand in for (never an excluded one's)."""
    seats = {person} if entries & entries_of(person, groups) else set[str]()
    seats |= {other for entry, other in acting if entry in entries and other not in request.excluded}
    return frozenset(seats)


def _saw_this(request: Request, verdict: Verdict) -> bool:
    return verdict.seen_call_digest == request.call_digest and verdict.seen_view_digest == request.view_digest


def add_verdict(approval: Approval, verdict: Verdict, voter: Voter, *, now: float) -> Approval:
    """The approval with one more verdict, in the state the verdicts then give.

    Raises:
        ApprovalError: with ``code`` ``decided``, ``expired``, ``self_approval``, ``not_an_approver``, ``not_your_turn``,
            ``stale`` (another request or view was seen), ``step_up_required``, ``reveal_required``,
            ``standing_refused`` or ``reason_required``.
    """
    request = approval.request
    if approval.state is not State.PENDING and not is_granted(approval.state):
        raise ApprovalError(f"this request is already {approval.state.value}; nothing was changed", code="decided")
    if is_expired(approval, now):
        raise ApprovalError("this request has expired; the agent has to ask again", code="expired")
    yes = verdict.answer is Answer.APPROVE
    if is_granted(approval.state) and yes:
        raise ApprovalError("this request is already approved; nothing was changed", code="decided")
    if voter.person in request.excluded:
        raise ApprovalError("whoever asked for a call cannot decide it; another approver has to", code="self_approval")
    rules = eligible_for(request, voter, now)
    if not rules:
        raise ApprovalError("you are not an approver of this request; ask someone who is", code="not_an_approver")
    if not _saw_this(request, verdict):
        raise ApprovalError("what you saw is not this request; open it again and look", code="stale")
    if not verdict.reason.strip() and any(rule.reason_required for rule in rules):
        raise ApprovalError("a reason is required; say why in a few words", code="reason_required")
    if yes:
        _check_yes(approval, verdict, voter, now)
    after = replace(approval, verdicts=(*approval.verdicts, verdict))
    to = tally(after) if approval.state is not State.BREAK_GLASS else State.REVOKED
    if to is approval.state:
        return replace(after, version=approval.version + 1, changed=now)
    expires = now + request.claim_ttl if to is State.APPROVED else None
    return move(after, to, now=now, grant_expires=expires, grant=None)


def _check_yes(approval: Approval, verdict: Verdict, voter: Voter, now: float) -> None:
    request = approval.request
    if any(v.person == voter.person and v.answer is Answer.APPROVE for v in latest_verdicts(approval)):
        raise ApprovalError("you have approved this already; it waits for someone else as well", code="decided")
    rules = turn_of(approval, voter, now)
    if not rules:
        raise ApprovalError(
            "it is not your turn: another stage has to be complete first; you may still deny", code="not_your_turn"
        )
    if verdict.assured < Assured.STEPPED_UP and any(rule.step_up for rule in rules):
        raise ApprovalError(
            "prove who you are once more to approve this, with your second factor", code="step_up_required"
        )
    if not verdict.seen_decisive_digest and any(must_reveal(rule, request) for rule in rules):
        raise ApprovalError("reveal and look at what decides this call before you approve it", code="reveal_required")
    if verdict.standing is not None:
        _check_standing(request, verdict)


def _check_standing(request: Request, verdict: Verdict) -> None:
    terms = verdict.standing
    assert terms is not None  # noqa: S101 - narrows the type; the caller has checked
    limits = [rule.standing for rule in request.approver_rules]
    if request.risk_level == "critical" or any(limit is None for limit in limits):
        raise ApprovalError("a yes to this call cannot be made to stand; approve it once", code="standing_refused")
    longest = min(limit.seconds for limit in limits if limit is not None)
    most = min(limit.uses for limit in limits if limit is not None)
    if not 0 < terms.seconds <= longest or not 1 <= terms.uses <= most:
        raise ApprovalError(
            f"a yes to this call can stand for {longest:g} seconds and {most} uses at most; ask for less",
            code="standing_refused",
        )
    named = [v.argument for v in terms.vary]
    if len(set(named)) != len(named) or any(
        v.at_most is not None and not 0 <= v.at_most < math.inf for v in terms.vary
    ):
        raise ApprovalError(
            "each argument can be let vary once, up to a number that is not negative", code="standing_refused"
        )
    if any(v.argument not in request.arg_digests for v in terms.vary):
        raise ApprovalError(
            "only arguments of this very call can be let vary; name one of them", code="standing_refused"
        )
    deciding = {name.partition(".")[0] for name in request.decisive}
    if any(v.at_most is None and v.argument in deciding for v in terms.vary):
        raise ApprovalError(
            "an argument that decides the call cannot be left open; give a limit or approve it once",
            code="standing_refused",
        )
