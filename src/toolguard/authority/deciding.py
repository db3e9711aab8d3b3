"""Deciding: a person's yes or no to one request, what they were shown in clear, and what they would have instead."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from toolguard._core.approval import (
    Answer,
    Approval,
    StandingTerms,
    State,
    Verdict,
    is_granted,
    move,
    resolution_payload,
)
from toolguard._core.audit import Draft
from toolguard._core.call import Json, canonical, keyed_digest
from toolguard._core.register import Act, ActKind
from toolguard._core.steps import Change
from toolguard._core.verdicts import add_verdict, agreed_terms, eligible_for, latest_verdicts, turn_of
from toolguard.authority import trail
from toolguard.authority.access import Actor, Human
from toolguard.authority.base import ATTEMPTS, Base, contended
from toolguard.authority.proposal import check_proposal
from toolguard.authority.standing import standing_body
from toolguard.errors import ApprovalError, BadArgumentsError, ConflictError, StoreError
from toolguard.ports import DirectoryPerson

__all__ = ["Deciding", "Revealed"]

_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Revealed:
    """Decisive arguments in clear, by name, and the ``digest`` that shows at `decide` that they were looked at."""

    values: Mapping[str, str] = field(repr=False)
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What a person handed in with their answer."""

    answer: Answer
    call_digest: str
    view_digest: str
    decisive: str
    reason: str
    version: int | None
    standing: StandingTerms | None


class Deciding(Base):
    """See `toolguard.authority.Authority`."""

    def decide(
        self,
        actor: Actor,
        approval_id: str,
        answer: Answer,
        *,
        seen_call_digest: str,
        seen_view_digest: str,
        reason: str,
        version: int | None = None,
        standing: StandingTerms | None = None,
        seen_decisive: str = "",
    ) -> Approval:
        """One person's verdict on one request.

        ``version`` is the one they looked at; it is needed to approve. A no counts whatever else was
        answered in between, as long as what was seen is this request. ``standing`` lets a yes stand for calls like
        it, if everyone who says yes gives the same; ``seen_decisive`` is the digest that `reveal` gave.

        Raises:
            NotFoundError: no such request in the person's tenant.
            ApprovalError: refused, and on record; ``code`` is ``decided``, ``expired``, ``self_approval``,
                ``not_an_approver``, ``not_your_turn``, ``stale``, ``reason_required``, ``step_up_required``,
                ``reveal_required``, ``standing_refused``, ``frozen``, ``tampered`` or ``not_a_person``.
            StoreError: a yes, and the store was set back.
        """
        if not isinstance(actor, Human):
            raise ApprovalError("only a person can decide; sign in as one", code="not_a_person")
        given = _Given(
            answer=answer,
            call_digest=seen_call_digest,
            view_digest=seen_view_digest,
            decisive=seen_decisive,
            reason=self._masked(reason),
            version=version,
            standing=standing if answer is Answer.APPROVE else None,
        )
        for _ in range(ATTEMPTS):
            approval = self._read(actor, approval_id)
            now = self._store.now()
            person = self.person(actor)
            try:
                after, act = self._judged(approval, actor, person, given, now)
                self._write(approval, after, self._verdict_records(approval, after, actor, now), act=act)
            except ApprovalError as error:
                raise self._refused(approval, actor, person, error) from None
            except ConflictError:
                continue
            return after
        raise contended()

    def _judged(
        self, approval: Approval, actor: Human, person: DirectoryPerson | None, given: _Given, now: float
    ) -> tuple[Approval, Act | None]:
        if person is None:
            raise ApprovalError(
                "you are not in the directory, so you are not an approver; ask an administrator to add you",
                code="not_an_approver",
            )
        yes = given.answer is Answer.APPROVE
        widened, voter = self._widened(approval, now), self._voter(actor, person)
        verdict = Verdict(
            request=approval.id,
            answer=given.answer,
            person=person.id,
            identity=actor.identity,
            groups=tuple(sorted(person.groups)),
            seen_call_digest=given.call_digest,
            seen_view_digest=given.view_digest,
            seen_decisive_digest=self._seen(approval, person, given.decisive) if yes else "",
            reason=given.reason,
            channel=actor.channel,
            auth=actor.auth,
            at=now,
            assured=actor.assured,
            acting=person.acting,
            standing=given.standing,
        )
        if yes and self._over_budget(widened, actor, person, now):
            verdict = replace(verdict, over_budget=True)
        counted = add_verdict(widened, verdict, voter, now=now)
        authentic = self._authentic(approval)
        if yes:
            self._check_yes(approval, authentic)
        if given.version != approval.version and (yes or given.version is not None):
            raise ApprovalError("this request has changed since you looked at it; look again", code="stale")
        after = replace(counted, request=approval.request)
        after = replace(after, grant=self._signer.sign(resolution_payload(after)) if authentic else None)
        if is_granted(approval.state):
            return after, self._void(approval, actor, person, "veto", given.reason, now)
        return after, self._let_stand(counted, actor, person, now)

    def _check_yes(self, approval: Approval, authentic: bool) -> None:
        self._check_not_set_back()
        registers = self._registers(approval.request.tenant)
        if not authentic or approval.id in registers.tenant.void:
            raise ApprovalError(
                "what the database says of this request is not what this service signed and wrote down; nothing was "
                "decided; have the database looked at",
                code="tampered",
            )
        if registers.frozen(approval.request.agent) is not None:
            raise ApprovalError(
                "this agent is frozen; nothing of it can be approved until a second person lifts that", code="frozen"
            )

    def _over_budget(self, widened: Approval, actor: Human, person: DirectoryPerson, now: float) -> bool:
        """Whether this person has said yes as often within the hour as a rule gives them."""
        budgets = [rule.budget for rule in turn_of(widened, self._voter(actor, person), now) if rule.budget]
        return bool(budgets) and self._store.given(actor.tenant, person.id, now - _HOUR) >= min(budgets)

    def _let_stand(self, after: Approval, actor: Human, person: DirectoryPerson, now: float) -> Act | None:
        """The act of a yes that everyone lets stand, once the last of them has said so."""
        if after.state is not State.APPROVED or (agreed := agreed_terms(after)) is None or agreed.standing is None:
            return None
        yes = [v.person for v in latest_verdicts(after) if v.person not in after.request.excluded]
        body = standing_body(after.request, agreed.standing, yes, now)
        return self._act(self._registers(after.request.tenant), ActKind.STANDING, actor, person, body, now)

    def _verdict_records(self, before: Approval, after: Approval, actor: Human, now: float) -> tuple[Draft, ...]:
        verdict = after.verdicts[-1]
        by = trail.by(actor, verdict.person)
        given = trail.verdict_given(after, answer=verdict.answer, by=by, at=now, span_id=self._span())
        if after.state is before.state:
            return (given,)
        code = "quorum" if after.state is State.APPROVED else "veto" if is_granted(before.state) else "denied"
        return (given, trail.resolved(after, reason_code=code, at=now, span_id=self._span()))

    # --- what decides the call, in clear

    def reveal(self, actor: Actor, approval_id: str, *, purpose: str) -> Revealed:
        """Decisive arguments in clear, for an approver who may decide this now. On record before they are given.

        ``purpose`` is one word for what it is needed for (``review``); anything else is recorded as ``other``.

        Raises:
            NotFoundError: no such request in the person's tenant.
            ApprovalError: ``not_a_person``, ``not_an_approver``, ``self_approval``, ``reveal_off``, ``decided``,
                ``expired``, ``purpose_required`` or ``tampered``.
        """
        if not isinstance(actor, Human):
            raise ApprovalError("only a person can look at this; sign in as one", code="not_a_person")
        approval = self._read(actor, approval_id)
        now, person = self._store.now(), self.person(actor)
        try:
            if person is None:
                raise ApprovalError("you are not in the directory; ask an administrator", code="not_an_approver")
            self._check_reveal(self._widened(approval, now), actor, person, purpose, now)
            values = self._decisive(approval)
        except ApprovalError as error:
            raise self._refused(approval, actor, person, error) from None
        record = trail.revealed(
            approval, purpose=purpose.strip(), by=trail.by(actor, person.id), at=now, span_id=self._span()
        )
        revealed = Revealed(values=values, digest=self._digest(approval, person.id, values))
        self._store.commit(Change(tenant=actor.tenant, records=(record,)))
        return revealed

    def _check_reveal(self, widened: Approval, actor: Human, person: DirectoryPerson, purpose: str, now: float) -> None:
        request = widened.request
        if person.id in request.excluded:
            raise ApprovalError("whoever asked for a call is not shown what approvers see", code="self_approval")
        rules = eligible_for(request, self._voter(actor, person), now)
        if not rules:
            raise ApprovalError("you are not an approver of this request; ask someone who is", code="not_an_approver")
        if widened.state is not State.PENDING and not is_granted(widened.state):
            raise ApprovalError(f"this request is already {widened.state.value}", code="decided")
        self._check_alive(widened, now)
        if self._revealer is None or not request.sealed_decisive or not any(rule.reveal for rule in rules):
            raise ApprovalError(
                "nothing of this request is revealed here: it hides nothing, its policy says so, or the service has no "
                "key for it",
                code="reveal_off",
            )
        if not purpose.strip():
            raise ApprovalError("say what you need to see it for", code="purpose_required")

    def _decisive(self, approval: Approval) -> Mapping[str, str]:
        request = approval.request
        if self._revealer is None:
            raise ApprovalError("this service has no key to reveal anything with", code="reveal_off")
        try:
            sealer = self._revealer(request.tenant)
            clear = json.loads(sealer.open(request.sealed_decisive, context=f"{request.tenant}/decisive/{request.id}"))
            if not isinstance(clear, dict) or set(clear) != set(request.hidden):
                raise ValueError
        except (StoreError, ValueError, RecursionError):
            raise ApprovalError(
                "what is sealed in this request is not what was sealed for it; have the database looked at",
                code="tampered",
            ) from None
        return {name: value if isinstance(value, str) else canonical(value).decode() for name, value in clear.items()}

    def _digest(self, approval: Approval, person: str, values: Mapping[str, str]) -> str:
        assert self._revealer is not None  # noqa: S101 - narrows the type: there would be no values
        key = self._revealer(approval.request.tenant).digest_key
        shown: dict[str, Json] = dict(values)
        return keyed_digest(key, "toolguard.revealed", person.encode(), approval.id.encode(), canonical(shown))

    def _seen(self, approval: Approval, person: DirectoryPerson, digest: str) -> str:
        """``digest`` if `reveal` gave it to this very person for this request."""
        if not digest or not approval.request.sealed_decisive or self._revealer is None:
            return ""
        expected = self._digest(approval, person.id, self._decisive(approval))
        if not hmac.compare_digest(expected.encode(), digest.encode("utf-8", "replace")):
            raise ApprovalError("what you were shown in clear is not this request's; reveal it again", code="stale")
        return expected

    # --- other arguments instead

    def propose(self, actor: Actor, approval_id: str, arguments: Json, *, reason: str) -> Approval:
        """Ask for other arguments instead: this request ends, and the agent is told what an approver wants.

        What comes of it is a new request, which whoever proposed it cannot approve. ``arguments`` name people only by
        the tokens this request shows.

        Raises:
            NotFoundError: no such request in the person's tenant.
            ApprovalError: ``not_a_person``, ``not_an_approver``, ``self_approval``, ``decided``, ``expired``,
                ``reason_required``, ``proposal_invalid``, ``proposal_identifiers``, ``proposal_same`` or ``tampered``.
        """
        if not isinstance(actor, Human):
            raise ApprovalError("only a person can propose; sign in as one", code="not_a_person")
        kept = self._masked(reason)
        for _ in range(ATTEMPTS):
            approval = self._read(actor, approval_id)
            now, person = self._store.now(), self.person(actor)
            try:
                after, act = self._proposed(approval, actor, person, arguments, kept, now)
                self._write(approval, after, self._proposal_records(after, actor, now), act=act)
            except ApprovalError as error:
                raise self._refused(approval, actor, person, error) from None
            except ConflictError:
                continue
            return after
        raise contended()

    def _proposed(
        self,
        approval: Approval,
        actor: Human,
        person: DirectoryPerson | None,
        arguments: Json,
        reason: str,
        now: float,
    ) -> tuple[Approval, Act]:
        if person is None:
            raise ApprovalError("you are not in the directory; ask an administrator", code="not_an_approver")
        if approval.state is not State.PENDING:
            raise ApprovalError(f"this request is already {approval.state.value}; deny it instead", code="decided")
        request = approval.request
        verdict = Verdict(
            request=request.id,
            answer=Answer.DENY,
            person=person.id,
            identity=actor.identity,
            groups=tuple(sorted(person.groups)),
            seen_call_digest=request.call_digest,
            seen_view_digest=request.view_digest,
            reason=reason,
            channel=actor.channel,
            auth=actor.auth,
            at=now,
            assured=actor.assured,
            acting=person.acting,
        )
        add_verdict(
            self._widened(approval, now), verdict, self._voter(actor, person), now=now
        )  # may they say no at all
        try:
            proposal = check_proposal(arguments, request, self._detector)
        except BadArgumentsError as error:
            raise ApprovalError(str(error), code="proposal_invalid") from None
        after = move(
            approval,
            State.SUPERSEDED,
            now=now,
            verdicts=(*approval.verdicts, verdict),
            proposal=proposal,
            editor=person.id,
            grant=None,
        )
        if self._authentic(approval):
            after = replace(after, grant=self._signer.sign(resolution_payload(after)))
        body = {"approval": request.id, "run": request.ref.run, "reason": reason}
        return after, self._act(self._registers(request.tenant), ActKind.PROPOSED, actor, person, body, now)

    def _proposal_records(self, after: Approval, actor: Human, now: float) -> tuple[Draft, ...]:
        by = trail.by(actor, after.editor)
        given = trail.verdict_given(after, answer=Answer.DENY, by=by, at=now, span_id=self._span())
        return (given, trail.resolved(after, reason_code="proposal", at=now, span_id=self._span()))
