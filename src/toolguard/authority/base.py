"""What every part of the authority stands on: who comes, what the register says, and how things are written down."""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from toolguard._core.approval import Approval, State, is_expired, is_granted, resolution_payload
from toolguard._core.audit import Draft, Kind, Outcome
from toolguard._core.call import Json
from toolguard._core.register import ALL, Act, ActKind, Registers, act_of, act_payload
from toolguard._core.steps import Announce, Change, Settle, Update
from toolguard._core.verdicts import Voter
from toolguard.authority import trail
from toolguard.authority.access import Actor, Human, voter_of
from toolguard.authority.clicks import Clicks
from toolguard.authority.reason import masked_reason
from toolguard.directory import closure
from toolguard.errors import ApprovalError, ConflictError, InvalidatedError, NotFoundError, TamperedError
from toolguard.journal import joined
from toolguard.ports import Detector, Directory, DirectoryPerson, GrantVerifier, Ids, Sealer, Signer, Sink, Store
from toolguard.register import RegisterReader

__all__ = ["ATTEMPTS", "Base", "contended"]

log = logging.getLogger("toolguard.authority")

ATTEMPTS = 20
_HOLDING = frozenset({Outcome.APPROVED.value, Outcome.BREAK_GLASS.value})


def contended() -> ConflictError:
    """So many changed the same thing that nothing could be judged by what it is now."""
    return ConflictError("this is being changed by many at once; nothing was changed by you; try again")


class Base:
    """See `toolguard.authority.Authority`."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        signer: Signer,
        ids: Ids,
        *,
        verifier: GrantVerifier,
        detector: Detector,
        revealer: Callable[[str], Sealer] | None = None,
        check_store: Callable[[], None] | None = None,
        sink: Sink | None = None,
        stamp: Callable[[], str] | None = None,
        segments: Path | None = None,
    ) -> None:
        """``verifier`` pins the service's own public keys; ``detector`` masks what approvers write.

        ``revealer`` gives each tenant's sealer for decisive arguments (``KeyRing.sealer``); without it nothing is
        revealed. ``check_store`` raises StoreError where the store was set back (`Witness.check`): it is asked before
        anything that lets a call run. ``stamp`` gives the journal's newest (`Checkpointer.stamp`). ``segments`` is the
        folder with records that were taken out of the store: they can be shown, reviewed and redacted from there. The time
        that counts is the store's.
        """
        self._store = store
        self._directory = directory
        self._signer = signer
        self._ids = ids
        self._verifier = verifier
        self._detector = detector
        self._revealer = revealer
        self._sink = sink
        self._check_store = check_store
        self._stamp = stamp
        self._segments = segments
        self._worker = ids.new()
        self._readers: dict[str, RegisterReader] = {}
        self._clicks = Clicks()
        self._said: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def _whole(self) -> Store:
        """The store for reading, with the segments of what was taken out of it. Raises StoreError where they are not there."""
        return joined(self._store, self._segments)

    # --- who comes

    def now(self) -> float:
        """The store's time, UTC seconds."""
        return self._store.now()

    def once(self, name: str, holder: str, seconds: float) -> bool:
        """Whether ``name`` is ``holder``'s now, among all services on this store, and for ``seconds`` from now."""
        return self._store.lead(name, holder, seconds)

    def stamp(self) -> str:
        """``<log id> <size> <root>`` of the journal, to be shown to people: what stands in many mailboxes anchors it.

        ``""`` while no checkpoint was made.
        """
        return "" if self._stamp is None else self._stamp()

    def person(self, actor: Human) -> DirectoryPerson | None:
        """Who this is, at this moment. Nobody is of a tenant that stands for others, whatever the directory says."""
        return None if actor.tenant.startswith(ALL) else self._directory.person(actor.identity, at=self._store.now())

    def _whois(self, actor: Actor) -> DirectoryPerson | None:
        return self.person(actor) if isinstance(actor, Human) else None

    def _known(self, actor: Actor) -> tuple[Human, DirectoryPerson]:
        """The human in the directory behind ``actor``. Raises ApprovalError ``not_a_person`` or ``not_an_approver``."""
        if not isinstance(actor, Human):
            raise ApprovalError("only a person can do this; sign in as one", code="not_a_person")
        person = self.person(actor)
        if person is None or not person.human:
            raise ApprovalError(
                "you are not in the directory, so you are not an approver; ask an administrator to add you",
                code="not_an_approver",
            )
        return actor, person

    def _on_duty(self, actor: Actor, *duties: str) -> tuple[Human, DirectoryPerson]:
        """Who has one of ``duties`` now. Raises ApprovalError ``not_on_duty``."""
        human, person = self._known(actor)
        if not any(self._has_duty(human, person, duty) for duty in duties):
            raise ApprovalError(
                f"this is for persons with the duty {duties[-1]!r}; the directory names them under 'duties'",
                code="not_on_duty",
            )
        return human, person

    def _has_duty(self, actor: Human, person: DirectoryPerson, duty: str) -> bool:
        return person.id in self._directory.duty(actor.tenant, duty, at=self._store.now())

    def _read(self, actor: Actor, approval_id: str) -> Approval:
        approval = self._store.get(actor.tenant, approval_id)
        if approval is None or approval.request.tenant != actor.tenant:
            raise NotFoundError("no such approval for you; check the id and who you are signed in as")
        return approval

    def _widened(self, approval: Approval, now: float) -> Approval:
        """The approval with everyone excluded who stands on the asking side by now, not only when it was asked."""
        request = approval.request
        requester = self._directory.person(request.requester, at=now)
        asking = [requester] if requester is not None else []
        found = closure(self._directory, request.tenant, request.agent, asking, at=now)
        return replace(
            approval, request=replace(request, excluded=request.excluded | {request.requester_person} | found)
        )

    def _voter(self, actor: Human, person: DirectoryPerson) -> Voter:
        return voter_of(person, actor.identity)

    # --- what the service itself signed

    def _registers(self, tenant: str) -> Registers:
        """The registers as the store has them now. Raises ApprovalError ``tampered`` where they do not hold."""
        with self._lock:
            reader = self._readers.setdefault(tenant, RegisterReader(self._store, self._verifier, tenant))
        try:
            return reader.read(fresh=True)
        except TamperedError:
            raise ApprovalError(
                "the register of acts does not hold together; nothing is decided until the database was looked at",
                code="tampered",
            ) from None

    def _check_not_set_back(self) -> None:
        """Before anything that lets a call run. A no, a freeze, a revocation are taken even so: they can only stop one."""
        if self._check_store is not None:
            self._check_store()

    def _act(
        self,
        registers: Registers,
        kind: ActKind,
        actor: Human,
        person: DirectoryPerson,
        body: Mapping[str, Json],
        now: float,
        *,
        everyone: bool = False,
    ) -> Act:
        """The next act of the tenant's register (or of all tenants'), signed."""
        register = registers.all if everyone else registers.tenant
        payload = act_payload(
            tenant=register.tenant,
            n=register.n + 1,
            prev=register.last,
            kind=kind,
            id=self._ids.new(),
            at=now,
            person=person.id,
            identity=actor.identity,
            auth=actor.auth,
            body=body,
        )
        act = act_of(self._signer.sign(payload))
        register.add(act)  # what no guard could fold would stop every guard: it is not written
        return act

    def _void(
        self, approval: Approval, actor: Human, person: DirectoryPerson, how: str, reason: str, now: float
    ) -> Act | None:
        """The act that makes a yes unbelievable for good. Without a register that holds nothing runs anyway."""
        try:
            registers = self._registers(approval.request.tenant)
        except ApprovalError:
            return None
        body = {"approval": approval.id, "how": how, "reason": reason}
        return self._act(registers, ActKind.VOID, actor, person, body, now)

    def _signed(self, approval: Approval) -> bool:
        """Whether its resolution is the one this service signed."""
        if approval.grant is None or approval.grant.payload != resolution_payload(approval):
            return False
        try:
            self._verifier.verify(approval.grant)
        except InvalidatedError:
            return False
        return True

    def _authentic(self, approval: Approval) -> bool:
        """Whether its verdicts are those this service signed and wrote down: none added, none taken out.

        The set is signed anew with every verdict, also while a quorum is not complete: a row written past the
        service never counts towards one. A no is taken even so (unsigned): the request ends either way.

        Raises:
            ConflictError: it moved on meanwhile; read it again.
        """
        if not (self._signed(approval) if approval.verdicts else approval.state is State.PENDING):
            return False
        if self._as_told(approval):
            return True
        current = self._store.get(approval.request.tenant, approval.id)
        if current is not None and current.version != approval.version:
            raise contended()
        return False

    def _as_told(self, approval: Approval) -> bool:
        """Whether the journal tells of the same verdicts, and of no end. Read after the approval, it is never older."""
        told: Counter[tuple[object, object, object]] = Counter()
        for record in self._store.records(call=approval.request.call):
            draft = record.draft
            if draft.body.get("toolguard.approval.id") != approval.id:
                continue
            if draft.kind is Kind.CALL_EXECUTING:
                return False
            if draft.kind is Kind.APPROVAL_RESOLVED and not (
                is_granted(approval.state) and draft.body.get("toolguard.decision.outcome") in _HOLDING
            ):
                return False
            if draft.kind is Kind.APPROVAL_VERDICT:
                body = draft.body
                told[body.get("toolguard.approver.id"), body.get("toolguard.decision.reason_code"), draft.at] += 1
        return told == Counter((v.person, v.answer.value, v.at) for v in approval.verdicts)

    # --- what is written down

    def warm(self) -> None:
        """Load what the first reason would wait for: the detector's data, about 0.1 s of processor time."""
        self._masked("Seen with Dr Ann Lee on 2 May; call 617-555-0100")

    def _masked(self, text: str) -> str:
        return masked_reason(self._detector, text)

    def _reason(self, text: str) -> str:
        """``text`` masked. Raises ApprovalError ``reason_required``."""
        if not text.strip():
            raise ApprovalError("a reason is required; say why in a few words", code="reason_required")
        return self._masked(text)

    def _write(
        self,
        before: Approval,
        after: Approval,
        records: tuple[Draft, ...],
        *,
        expiring: bool = True,
        act: Act | None = None,
        settle: Settle | None = None,
        notify: Announce | None = None,
    ) -> None:
        """One transaction: the state, its records, the act, and the news of it."""
        alive = before.request.expires if before.state is State.PENDING else before.grant_expires
        update = Update(
            approval=after,
            from_version=before.version,
            from_state=before.state,
            alive_until=alive if expiring else None,
        )
        acted = () if act is None else (trail.acted(act, after.request, span_id=self._span()),)
        self._commit(
            Change(
                tenant=before.request.tenant,
                records=(*records, *acted),
                update=update,
                act=act,
                settle=settle,
                announce=before.id,
                notify=notify,
            )
        )

    def _write_act(self, act: Act, *more: Draft, shred: tuple[str, ...] = ()) -> None:
        """An act that changes no approval, with what else is to be recorded of it. ``shred``: contents it deletes."""
        records = (trail.acted(act, None, span_id=self._span()), *more)
        self._commit(Change(tenant=act.tenant, records=records, act=act, shred=shred))

    def _refused(
        self, approval: Approval, actor: Human, person: DirectoryPerson | None, error: ApprovalError
    ) -> ApprovalError:
        """The error, on record: each of the first few, then fewer and fewer of someone who goes on and on."""
        who = person.id if person is not None else ""
        count = self._clicks.count(approval.id, who or actor.identity.ref)
        if count:
            draft = trail.refused(
                approval, code=error.code, by=trail.by(actor, who), count=count, at=self.now(), span_id=self._span()
            )
            self._commit(Change(tenant=approval.request.tenant, records=(draft,)))
        return error

    def _commit(self, change: Change) -> None:
        """What is durable is told to the sink, which decides nothing."""
        records = self._store.commit(change)
        if self._sink is None:
            return
        try:
            self._sink.emit(records)
        except Exception as fault:  # noqa: BLE001 - a sink may fail in any way, and decides nothing
            log.warning("a sink could not take records: %s; the journal holds them", type(fault).__name__)

    def _span(self) -> str:
        return self._ids.new()[:16]

    def _check_alive(self, approval: Approval, now: float) -> None:
        if is_expired(approval, now):
            raise ApprovalError("this request has expired; the agent has to ask again", code="expired")
