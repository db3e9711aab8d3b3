"""Redaction: what is kept beside records is deleted, with its keys, where two persons mean it and no legal hold covers it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from toolguard._core.audit import CONTENT_ID, AuditRecord
from toolguard._core.call import Json
from toolguard._core.register import Act, ActKind, Hold, Redaction, Registers
from toolguard._core.stored import stored_record
from toolguard.authority import trail
from toolguard.authority.access import Actor, Human
from toolguard.authority.base import ATTEMPTS, Base, contended
from toolguard.errors import ApprovalError, ConflictError, NotFoundError
from toolguard.ports import DirectoryPerson

__all__ = ["MOST_CONTENTS", "PROPOSAL_SECONDS", "Redacting"]

MOST_CONTENTS = 5000
"""Contents one redaction deletes."""
PROPOSAL_SECONDS = 7 * 24 * 3600.0
"""How long a proposal waits for the second person."""
_PAGE = 4000
_NAMES_CONTENT = f'"{CONTENT_ID}":'
SCOPES = ("record", "call", "session", "actor")
HOLD_SCOPES = (*SCOPES, "tenant")


class Redacting(Base):
    """See `toolguard.authority.Authority`.

    A target is named as records name it: ``record`` by ``LOG:NUMBER``, ``call`` by its id, ``session`` by
    ``toolguard.session.id``, ``actor`` by ``toolguard.actor.id``.
    """

    def propose_redaction(self, actor: Actor, *, scope: str, target: str, reason: str) -> Redaction:
        """Propose to delete what is kept of ``target`` by now. Nothing is deleted before another person confirms.

        Raises:
            NotFoundError: nothing is kept of it in the person's tenant.
            ApprovalError: ``not_a_person``, ``not_an_approver``, ``not_on_duty`` (``redact``), ``on_hold``,
                ``scope_invalid``, ``too_many_contents``, ``reason_required`` or ``tampered``.
        """
        if scope not in SCOPES or not target:
            raise ApprovalError(f"name what to redact as one of {', '.join(map(repr, SCOPES))}", code="scope_invalid")
        human, person = self._on_duty(actor, "redact")
        kept = self._reason(reason)
        for _ in range(ATTEMPTS):
            registers = self._registers(human.tenant)
            records = self._kept_of(human.tenant, scope, target)
            if not records:
                raise NotFoundError("nothing is kept of this in your tenant; it may have been redacted already")
            if len(records) > MOST_CONTENTS:
                raise ApprovalError(
                    f"{len(records)} contents are kept of this, more than {MOST_CONTENTS}; redact it call by call",
                    code="too_many_contents",
                )
            names = [_content(record) for record in records]
            _check_free(registers, self._named(human.tenant, names))
            contents: list[Json] = [*names]
            body: dict[str, Json] = {"scope": scope, "target": target, "contents": contents, "reason": kept}
            if (act := self._written(registers, ActKind.REDACTION_PROPOSED, human, person, body)) is not None:
                return self._registers(human.tenant).tenant.redactions[act.id]
        raise contended()

    def confirm_redaction(self, actor: Actor, proposal: str, *, reason: str) -> int:
        """Delete what was proposed, as another person than who proposed it; how many contents that were.

        Raises:
            NotFoundError: no such proposal waits.
            ApprovalError: as `propose_redaction`, and ``second_person`` or ``expired``.
        """
        self._check_not_set_back()
        human, person = self._on_duty(actor, "redact")
        kept = self._reason(reason)
        for _ in range(ATTEMPTS):
            registers, now = self._registers(human.tenant), self._store.now()
            found = registers.tenant.redactions.get(proposal)
            if found is None:
                raise NotFoundError("no such proposal waits; it may have been confirmed already")
            if found.person == person.id:
                raise ApprovalError(
                    "whoever proposed it cannot confirm it; a second person has to", code="second_person"
                )
            if now >= found.at + PROPOSAL_SECONDS:
                raise ApprovalError("this proposal is older than a week; propose it again", code="expired")
            records = self._named(human.tenant, found.contents)
            _check_free(registers, records)
            body: dict[str, Json] = {"proposal": found.id, "contents": list(found.contents), "reason": kept}
            act = self._act(registers, ActKind.REDACTED, human, person, body, now)
            by = trail.by(human, person.id)
            told = [
                trail.redacted(act, found, call=call, contents=contents, by=by, span_id=self._span())
                for call, contents in _by_call(records)
            ]
            try:
                self._write_act(act, *told, shred=found.contents)
            except ConflictError:
                continue
            return len(found.contents)
        raise contended()

    def redactions(self, actor: Actor) -> tuple[Redaction, ...]:
        """What waits for a second person, oldest first."""
        human, _ = self._on_duty(actor, "hold", "review", "redact")
        now = self._store.now()
        waiting = self._registers(human.tenant).tenant.redactions.values()
        return tuple(each for each in waiting if now < each.at + PROPOSAL_SECONDS)

    # --- legal hold

    def hold(self, actor: Actor, *, scope: str, target: str = "", reason: str) -> Hold:
        """Put what is or will be kept of ``target`` under legal hold (``tenant``: of everything): nobody redacts it.

        Raises:
            ApprovalError: ``not_a_person``, ``not_an_approver``, ``not_on_duty`` (``hold``), ``scope_invalid``,
                ``reason_required`` or ``tampered``.
        """
        if scope not in HOLD_SCOPES or bool(target) == (scope == "tenant"):
            raise ApprovalError(
                f"name what to hold as one of {', '.join(map(repr, HOLD_SCOPES))}; 'tenant' takes no target",
                code="scope_invalid",
            )
        human, person = self._on_duty(actor, "hold")
        body: dict[str, Json] = {"scope": scope, "target": target, "reason": self._reason(reason)}
        for _ in range(ATTEMPTS):
            registers = self._registers(human.tenant)
            if (act := self._written(registers, ActKind.HOLD, human, person, body)) is not None:
                return self._registers(human.tenant).tenant.legal_holds[act.id]
        raise contended()

    def lift_hold(self, actor: Actor, hold_id: str, *, reason: str) -> bool:
        """Lift a hold; True once it is lifted. The first person proposes it (False), and another one lifts it.

        Raises:
            NotFoundError: no such hold stands.
            ApprovalError: as `hold`, and ``second_person``.
        """
        self._check_not_set_back()
        human, person = self._on_duty(actor, "hold")
        body: dict[str, Json] = {"hold": hold_id, "reason": self._reason(reason)}
        for _ in range(ATTEMPTS):
            registers = self._registers(human.tenant)
            found = registers.tenant.legal_holds.get(hold_id)
            if found is None:
                raise NotFoundError("no such hold stands; it may have been lifted already")
            if found.lift_by == person.id:
                raise ApprovalError("you proposed to lift it; a second person has to", code="second_person")
            kind = ActKind.HOLD_LIFTED if found.lift_by else ActKind.HOLD_LIFT_PROPOSED
            if self._written(registers, kind, human, person, body) is not None:
                return bool(found.lift_by)
        raise contended()

    def holds(self, actor: Actor) -> tuple[Hold, ...]:
        """What is under legal hold, oldest first."""
        human, _ = self._on_duty(actor, "redact", "review", "hold")
        return tuple(self._registers(human.tenant).tenant.legal_holds.values())

    # --- what it is about

    def _written(
        self, registers: Registers, kind: ActKind, human: Human, person: DirectoryPerson, body: dict[str, Json]
    ) -> Act | None:
        """The next act, once it stands; None where another came first."""
        act = self._act(registers, kind, human, person, body, self._store.now())
        try:
            self._write_act(act)
        except ConflictError:
            return None
        return act

    def _kept_of(self, tenant: str, scope: str, target: str) -> list[AuditRecord]:
        """Records of ``target`` that still have content beside them. A session or an actor is looked for in the whole journal."""
        found = [r for r in self._looked(scope, target) if _is(r, tenant) and _covers(scope, target, r)]
        there = self._there(tenant, [_content(record) for record in found])
        return [record for record in found if _content(record) in there]

    def _looked(self, scope: str, target: str) -> Iterable[AuditRecord]:
        if scope == "call":
            return self._whole.records(call=target)
        if scope == "record":
            log_id, _, seq = target.rpartition(":")
            number = int(seq) if seq.isdecimal() and len(seq) < 19 else 0
            return self._whole.records(log_id=log_id, after=number - 1, limit=1) if number > 0 else ()
        return self._naming()

    def _naming(self) -> Iterator[AuditRecord]:
        """Every record of the journal that names content."""
        store = self._whole
        for log_id in store.written():
            after = 0
            while page := store.stored(log_id, after, _PAGE):
                yield from (
                    stored_record(row) for row in page if isinstance(row[12], str) and _NAMES_CONTENT in row[12]
                )
                after = page[-1][1]

    def _named(self, tenant: str, contents: Iterable[str]) -> list[AuditRecord]:
        """The records of contents, looked for in the whole journal: one that names what another keeps must not free it.

        Raises:
            ApprovalError: ``tampered``, unless each is named by one record.
        """
        wanted = sorted(contents)
        names = set(wanted)
        found = [r for r in self._naming() if _is(r, tenant) and _content(r) in names]
        if sorted(map(_content, found)) != wanted:
            raise ApprovalError(
                "the journal does not name these contents once each; nothing is deleted until it was looked at "
                "(toolguard audit verify)",
                code="tampered",
            )
        return found

    def _there(self, tenant: str, ids: list[str]) -> set[str]:
        pages = (ids[at : at + 500] for at in range(0, len(ids), 500))
        return {name for page in pages for name in self._store.contents(tenant, page)}


def _is(record: AuditRecord, tenant: str) -> bool:
    return record.draft.body.get("toolguard.tenant") == tenant and bool(_content(record))


def _content(record: AuditRecord) -> str:
    return str(record.draft.body.get(CONTENT_ID, ""))


_NAMES: dict[str, Callable[[AuditRecord], object]] = {
    "record": lambda record: f"{record.log_id}:{record.seq}",
    "call": lambda record: record.draft.call,
    "session": lambda record: record.draft.body.get("toolguard.session.id"),
    "actor": lambda record: record.draft.body.get("toolguard.actor.id"),
}


def _covers(scope: str, target: str, record: AuditRecord) -> bool:
    return scope == "tenant" or _NAMES[scope](record) == target


def _check_free(registers: Registers, records: Iterable[AuditRecord]) -> None:
    """Raises ApprovalError ``on_hold``. A hold is an act of the same register: one made meanwhile comes first, or not at all."""
    holds = registers.tenant.legal_holds.values()
    for record in records:
        for hold in holds:
            if _covers(hold.scope, hold.target, record):
                raise ApprovalError(
                    f"this is under legal hold {hold.id!r}; nothing was deleted. Two persons with the duty 'hold' can lift it",
                    code="on_hold",
                )


def _by_call(records: Iterable[AuditRecord]) -> Iterator[tuple[str, list[str]]]:
    ordered = sorted(records, key=lambda record: record.draft.call)
    for call, group in groupby(ordered, key=lambda record: record.draft.call):
        yield call, [_content(record) for record in group]
