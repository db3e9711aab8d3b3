"""Approvals and acts held against what the journal tells of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from toolguard._core.approval import Approval, Grant
from toolguard._core.comments import comments_of
from toolguard._core.register import ALL, ActKind, act_of
from toolguard.errors import TamperedError
from toolguard.journal._facts import APPROVAL_ID, Facts, Story, TellsOfAct, TellsOfReview
from toolguard.ports import Store

__all__ = ["ActFault", "StateFault", "act_faults", "all_approvals", "state_faults"]

_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFault:
    """An approval whose state and records cannot both be true.

    Codes: ``unrecorded`` (no record led to this state), ``reset`` (records say it went further), ``gone``
    (it was requested, but is no longer there).
    """

    approval: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActFault:
    """An act of the approval service (freeze, veto, standing approval, …) on which register and journal disagree.

    Codes: ``gone`` (recorded, but not in the register), ``changed``, ``unrecorded`` (in the register only),
    ``uses`` (it let more calls run than the store counts), ``unsigned`` (the journal tells of a review, and the register
    holds none by that person of that subject with that finding).
    """

    act: str
    code: str


def all_approvals(store: Store, tenant: str) -> Iterator[Approval]:
    before = None
    while page := store.list(tenant, limit=_PAGE, before=before):
        yield from page
        before = page[-1].id


def state_faults(
    store: Store, facts: Facts, approvals: dict[str, Approval], *, whole: bool = True, torn: bool = False
) -> Iterator[StateFault]:
    """Approvals that the journal contradicts; with ``whole``, also those it says nothing of. ``torn``: the beginnings of some
    were taken out of the store, so that what is told of those says nothing.
    """
    for approval_id, story in facts.stories.items():
        if torn and not story.requested:
            continue
        approval = approvals.get(approval_id)
        if approval is None:
            if story.requested and store.get(story.tenant, approval_id) is None:
                yield StateFault(approval=approval_id, code="gone")
        elif story.contradicts(approval) and (code := _confirmed(store, approval)):
            yield StateFault(approval=approval_id, code=code)
    for approval_id in approvals.keys() - facts.stories.keys() if whole else ():
        if code := _confirmed(store, approvals[approval_id]):
            yield StateFault(approval=approval_id, code=code)


def act_faults(store: Store, facts: Facts, *, whole: bool = True) -> Iterator[ActFault]:
    """The register read after the journal: it holds all the journal tells of, and more only while it grows. Where the journal
    is not ``whole``, it may tell of more.
    """
    told: dict[tuple[str, int], list[TellsOfAct]] = {}
    for act in sorted(facts.acts, key=lambda act: (act.tenant, act.n, act.id, act.hash)):
        told.setdefault((act.tenant, act.n), []).append(act)
    signed: dict[str, Grant] = {}
    reviewed = {review.hash for review in facts.reviews}
    strangers: set[tuple[str, int, str]] = set()
    chains = {name for tenant in facts.tenants for name in (tenant, comments_of(tenant))}
    for tenant in sorted({ALL, *chains, *(tenant for tenant, _ in told)}):
        n = 0
        while page := store.acts(tenant, n):
            for n, grant in enumerate(page, start=n + 1):  # noqa: B020 - goes on where the page before ended
                found = sha256(grant.payload).hexdigest()
                if found in reviewed:
                    signed[found] = grant
                known = told.pop((tenant, n), None)
                if known is None:
                    strangers.add((tenant, n, found))
                yield from (ActFault(act=one.id, code="changed") for one in known or () if one.hash != found)
    yield from (ActFault(act=missing.id, code="gone") for acts in told.values() for missing in acts)
    for review in sorted(facts.reviews, key=lambda review: (review.act, review.subject, review.person)):
        if not _is_signed(review, signed.get(review.hash)):
            yield ActFault(act=review.act, code="unsigned")
    if strangers and whole:  # made while the journal was read, or slipped in
        tells = (TellsOfAct.of(record) for record in store.records())
        strangers -= {(act.tenant, act.n, act.hash) for act in tells if act is not None}
        yield from (ActFault(act=f"{tenant}/{n}", code="unrecorded") for tenant, n, _ in sorted(strangers))
    for (tenant, act_id), count in facts.uses.items():
        if store.uses(tenant, act_id) < count:
            yield ActFault(act=act_id, code="uses")


def _is_signed(review: TellsOfReview, grant: Grant | None) -> bool:
    """Whether the register holds what a review in the journal says somebody signed. Whose signature it is, others check."""
    try:
        act = act_of(grant) if grant is not None else None
    except TamperedError:
        return False
    return act is not None and (
        act.kind,
        act.id,
        act.tenant,
        act.person,
        act.body.get("subject"),
        act.body.get("finding"),
    ) == (
        ActKind.REVIEWED,
        review.act,
        review.tenant,
        review.person,
        review.subject,
        review.finding,
    )


def _confirmed(store: Store, approval: Approval) -> str:
    """The contradiction, read again at one moment: an approval may have moved on while the journal was read."""
    for _ in range(5):
        request = approval.request
        story = Story()
        for record in store.records(call=request.call):
            if record.draft.body.get(APPROVAL_ID) == approval.id:
                story.add(record)
        current = store.get(request.tenant, approval.id)
        if current is None:
            return "gone"
        if current.version == approval.version:
            return story.contradicts(approval)
        approval = current
    return ""
