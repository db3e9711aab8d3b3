"""What a change may do, checked by every store inside its transaction. Pure: rows in, refusal or nothing out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields

from toolguard._core.approval import TRANSITIONS, Approval, State, is_expired, is_granted
from toolguard._core.audit import COMMITMENT, CONTENT_ID, Kind, Outcome
from toolguard._core.call import Json
from toolguard._core.comments import COMMENTS, comments_of
from toolguard._core.history import Limit
from toolguard._core.pruning import begin_of
from toolguard._core.register import ALL, Act, ActKind, Heads
from toolguard._core.steps import Cap, Change, Claim, LedgerRow, Prune, Settle, Standing, Update, Use
from toolguard.errors import ConflictError, HistoryLimitError, LimitError, RegisterMovedError, StoreError

__all__ = [
    "check_act",
    "check_cap",
    "check_claim",
    "check_heads",
    "check_limit",
    "check_not_ended",
    "check_not_pruned",
    "check_prune",
    "check_registers",
    "check_settle",
    "check_shape",
    "check_update",
    "check_use",
    "deadline",
    "only_records",
]


_STATE = tuple(f.name for f in fields(Change) if f.name not in ("tenant", "records", "heads"))


def only_records(change: Change) -> bool:
    """Whether a change writes records and nothing else."""
    return bool(change.records) and not any(getattr(change, name) for name in _STATE)


def check_shape(change: Change) -> None:
    """Raises StoreError unless all parts of a change are about one tenant and belong together."""
    if change.create is not None and change.create.tenant != change.tenant:
        raise StoreError("a change creates a request of another tenant; nothing was written")
    update, claim = change.update, change.claim
    check_contents(change)
    check_pruning(change)
    if change.tenant.startswith(COMMENTS) or (change.tenant == ALL and change.act is None):
        raise StoreError(f"no tenant is called {ALL!r}, or begins like the comments of one; nothing was written")
    if change.act is not None and change.act.tenant != _chain(change.act, change.tenant):
        raise StoreError("a change adds an act to another tenant's register; nothing was written")
    if change.use is not None and claim is None:
        raise StoreError("a standing approval is used by a claim, and this change makes none; nothing was written")
    if update is not None and update.approval.request.tenant != change.tenant:
        raise StoreError("a change updates an approval of another tenant; nothing was written")
    starts = update if update is not None and _starts(update) else None
    asked = claim if claim is not None and claim.asked else None
    if starts is None and asked is None:
        return
    if starts is None or asked is None or not _same_call(starts, asked):
        raise StoreError(
            "the claim of an approved call and its move to 'executing' must be one change for one call; "
            "nothing was written"
        )


def check_contents(change: Change) -> None:
    """Contents are kept with the record that commits to them, and deleted by the act that says so. Raises StoreError."""
    for draft in change.records:
        if draft.keep:
            raise StoreError("content that was not sealed reached the store; nothing was written")
        kept = draft.kept
        if kept is not None and (
            kept.tenant != change.tenant
            or draft.body.get(CONTENT_ID) != kept.id
            or not draft.body.get(COMMITMENT)
            or draft.body.get("toolguard.tenant") != kept.tenant
        ):
            raise StoreError("a change keeps content that its record does not name; nothing was written")
    act = change.act
    if change.shred and (
        act is None or act.kind is not ActKind.REDACTED or act.body.get("contents") != list(change.shred)
    ):
        raise StoreError("contents are deleted by a redaction of exactly these alone; nothing was written")


def _chain(act: Act, tenant: str) -> str:
    """Where an act belongs: comments stand apart from the register that guards claim under."""
    return comments_of(tenant) if act.kind is ActKind.COMMENT else tenant


def _starts(update: Update) -> bool:
    return update.approval.state is State.EXECUTING and update.from_state is not State.EXECUTING


def _same_call(update: Update, claim: Claim) -> bool:
    request = update.approval.request
    return (request.ref, request.call_digest) == (claim.ref, claim.call_digest)


def check_update(stored: Approval | None, update: Update, now: float) -> None:
    """The compare-and-set. ``stored`` is the row under the lock (None: not in this tenant), ``now`` the store's time.

    Raises:
        ConflictError: the row moved on, time ran out, or the step is not in the table of transitions.
    """
    after = update.approval
    if stored is None or (stored.version, stored.state) != (update.from_version, update.from_state):
        raise ConflictError("the approval has changed since it was read; read it again, nothing was written")
    if update.alive_until is not None and now >= update.alive_until:
        raise ConflictError("time ran out on the approval; make the call again to ask anew, nothing was written")
    same_state = after.state is stored.state
    if not ((stored.state, after.state) in TRANSITIONS or (same_state and stored.state.is_open)):
        raise ConflictError(
            f"an approval cannot go from {stored.state.value!r} to {after.state.value!r}; nothing was written"
        )
    if (same_state or is_granted(after.state) or after.state is State.EXECUTING) and is_expired(stored, now):
        raise ConflictError("the approval has expired; make the call again to ask anew, nothing was written")
    if after.version != update.from_version + 1 or not _same_request(stored, after):
        raise ConflictError("the approval is not the one that was read; read it again, nothing was written")


def _same_request(stored: Approval, after: Approval) -> bool:
    """The request is frozen when it is asked, and verdicts are only ever added."""
    return after.request == stored.request and after.verdicts[: len(stored.verdicts)] == stored.verdicts


def check_claim(row: LedgerRow | None, made_by_approval: bool, claim: Claim) -> None:
    """Raises ConflictError unless this claim may take the call's one execution."""
    if claim.asked:
        free = row is not None and row.standing is Standing.ASKED
    else:
        free = row is None or (row.standing is Standing.FAILED and not made_by_approval)
    if not free or (row is not None and row.call_digest != claim.call_digest):
        raise ConflictError("this call was already claimed or is not the one that was asked; it must not run")


def check_not_ended(kind: str, body: str) -> None:
    """One record of an approved call that is to run. Raises ConflictError if it says that the call ran or may not.

    An approval that ran or was refused never runs later; where its row says otherwise, the row was set back.
    """
    try:
        facts = json.loads(body)
        outcome = facts.get("toolguard.decision.outcome")
    except (ValueError, AttributeError, RecursionError):
        outcome = None
    if kind != Kind.APPROVAL_RESOLVED or outcome not in (Outcome.APPROVED, Outcome.BREAK_GLASS):
        raise ConflictError("the journal says that this call ran already or was refused; it must not run")


def check_not_pruned(is_asked: bool, is_pruned: bool) -> None:
    """Raises ConflictError where records were taken out of this journal, and it does not tell that the call was asked.

    What may still run is never taken out; so where a row says that a call whose records are gone may, it was set back.
    """
    if is_pruned and not is_asked:
        raise ConflictError(
            "the journal does not tell that this call was asked: its records are in segments; it must not run"
        )


def check_pruning(change: Change) -> None:
    """Records are taken out by a change that does nothing else, and only such a change says that any were. Raises StoreError."""
    told = [draft for draft in change.records if draft.kind is Kind.AUDIT_PRUNED]
    if change.prune is None and not told:
        return
    others = any(getattr(change, name) for name in _STATE if name != "prune")
    if (change.prune is not None and (others or change.tenant)) or (told and change.prune is None):
        raise StoreError("records are taken out by a change of its own, which says so; nothing was written")


def check_registers(stored: Mapping[str, int], prune: Prune) -> None:
    """Raises RegisterMovedError if a register is not as long as it was when holds were looked for."""
    if stored != prune.acts:
        raise RegisterMovedError("a register of acts has moved on since holds were looked for; nothing was taken out")


def check_prune(prune: Prune, bodies: Iterable[Mapping[str, Json]]) -> None:
    """``bodies`` are of records of pruning. Raises StoreError unless one of them tells of what ``prune`` takes out."""
    begins = (begin_of(body) for body in bodies)
    if not any(b is not None and b.log_id == prune.log_id and b.last >= prune.upto for b in begins):
        raise StoreError("no record of pruning tells of what is to be taken out; nothing was taken out")


def check_settle(row: LedgerRow | None, settle: Settle) -> Standing:
    """Where the call stands after ``settle``; ConflictError unless it is executing."""
    if row is None or row.standing is not Standing.EXECUTING:
        raise ConflictError("this call is not executing, so its end cannot be recorded; nothing was written")
    return Standing.EXECUTED if settle.ok else Standing.FAILED


def check_heads(stored: Heads, seen: Heads) -> None:
    """Raises RegisterMovedError if the registers are not the ones the claim was judged by."""
    if stored != seen:
        raise RegisterMovedError(
            "the register of acts has moved on since it was read; read it again, nothing was written"
        )


def check_act(head: int, act: Act) -> None:
    """Raises ConflictError unless ``act`` is the next of a register that ends at ``head``."""
    if act.n != head + 1:
        raise ConflictError("another act was recorded first; read the register again, nothing was written")


def check_use(used: int, use: Use, now: float) -> None:
    """Raises LimitError where no use is left, or time ran out."""
    if used >= use.most or now >= use.until:
        raise LimitError("nothing is left of this standing approval; ask anew, nothing was written")


def check_cap(asked: int, cap: Cap) -> None:
    """Raises LimitError where as many requests stand as may."""
    if asked >= cap.most:
        raise LimitError(
            f"this {cap.by} has asked {asked} times already, which is the most the policy allows; nothing was written"
        )


def check_limit(counted: int, limit: Limit) -> None:
    """Raises HistoryLimitError where what stands and what is added are more than may be."""
    if counted + limit.adds > limit.most:
        raise HistoryLimitError(
            f"other calls came first, and with this one more than {limit.most} would count; nothing was written"
        )


def deadline(approval: Approval) -> float | None:
    """When time runs out on it as it stands (UTC seconds); None where no time limit applies."""
    if approval.state is State.PENDING:
        return approval.request.expires
    if is_granted(approval.state):
        return approval.grant_expires if approval.grant_expires is not None else approval.changed
    if approval.state is State.EXECUTING:
        return approval.lease_until
    return None
