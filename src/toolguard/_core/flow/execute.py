"""Running a permitted call once, on exactly the objects that arrived: the second half."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, cast

from toolguard._core.approval import (
    Approval,
    State,
    is_expired,
    is_granted,
    move,
)
from toolguard._core.audit import Kind, Outcome
from toolguard._core.call import Json, canonical, freeze
from toolguard._core.decide import decide
from toolguard._core.flow.ask import ask
from toolguard._core.flow.authorise import deny
from toolguard._core.flow.claim import abandon, commit_claim
from toolguard._core.flow.contents import reach, same_contents
from toolguard._core.flow.ends import decided, expire, invalidate, refused
from toolguard._core.flow.history import claim_limits, claim_marks, recall, result_limits, result_marks
from toolguard._core.flow.items import most_items
from toolguard._core.flow.masking import mask, token_findings, tokenise
from toolguard._core.flow.setting import Done, Flow, Judged, Permit, Setting
from toolguard._core.frozen import maker
from toolguard._core.history import Limit, Mark
from toolguard._core.mask import Finding
from toolguard._core.policy import Effect, Handling
from toolguard._core.records import with_content
from toolguard._core.register import Heads
from toolguard._core.scrub import scrub
from toolguard._core.steps import (
    NEW_ID,
    NOW,
    Change,
    Claim,
    Commit,
    Find,
    Inspect,
    Invoke,
    LedgerRow,
    Origin,
    Ran,
    ReadLedger,
    Reveal,
    Seal,
    Settle,
    Standing,
    Unseal,
    Update,
    make_commit,
)
from toolguard._core.vault import Namespace, canonical_form, tokens_in
from toolguard.errors import (
    ConflictError,
    DeniedError,
    HistoryLimitError,
    InvalidatedError,
    LimitError,
    ReplayError,
    ResultWithheldError,
    ToolFailedError,
    ToolguardError,
)

__all__ = ["execute"]

_make_change, _make_claim, _make_settle = maker(Change), maker(Claim), maker(Settle)
_make_invoke, _make_done = maker(Invoke), maker(Done)


def execute(setting: Setting, permit: Permit, passed: object, *, again: bool = True) -> Flow[Done]:
    """Run a permitted call once, on exactly the objects in ``passed``.

    Where others used up meanwhile what a rule lets through, it is judged ``again``, once.

    Raises:
        NotAllowedError, Suspended: it may not run any more; that is recorded.
        InvalidatedError: ``passed`` is not what was judged.
        ReplayError: the call was already claimed.
        ToolFailedError: the tool ran and raised.
        ResultWithheldError: the tool ran, but its result cannot be shown or recorded.
    """
    trail, judged, approval = permit.trail, permit.judged, permit.approval
    if trail.tool.identity != setting.tool.identity or trail.ref != setting.ref:
        yield from abandon(setting, permit, Outcome.DENIED, "permit")
        raise InvalidatedError("this permit is for another tool or call; the call did not run", call_id=trail.call)
    if judged.decision.policy_sha256 != setting.policy.sha256:
        yield from abandon(setting, permit, Outcome.INVALIDATED, "policy_changed")
        raise InvalidatedError(
            f"the policy changed after this call of {setting.tool.name!r} was judged; it did not run, make it again",
            code="policy_changed",
            call_id=trail.call,
        )
    if not _is_judged(judged, passed):
        yield from _changed_after(setting, permit, "arguments_changed")
    if approval is not None and not (yield from same_contents(setting, judged, approval)):
        yield from _changed_after(setting, permit, "content_changed")
    now: float = yield NOW
    if approval is not None and is_granted(approval.state) and is_expired(approval, now):
        yield from expire(setting, trail, approval)
    new: str = yield NEW_ID
    span = new[:16]
    request = approval.request if approval else None
    began = trail.executing(
        at=now, span_id=span, link_id=trail.span_id, request=request, args_digest=judged.args_digest
    )
    records = (*permit.pending, began)
    running = None
    if approval is not None and not is_granted(approval.state):
        return (yield from _already(setting, permit))
    if approval is not None:
        running = move(approval, State.EXECUTING, now=now, lease_until=now + setting.lease)
    claim = _make_claim(ref=setting.ref, call_digest=judged.call_digest, asked=approval is not None)
    update = _update(approval, running)
    marks, limits = claim_marks(setting, judged.traces, trail.call), claim_limits(judged.decision, judged.traces)

    def change(heads: Heads) -> Change:
        return _make_change(
            tenant=setting.tenant,
            records=records,
            claim=claim,
            heads=heads,
            update=update,
            use=permit.basis.use if permit.basis is not None else None,
            marks=marks,
            limits=limits,
        )

    try:
        yield from commit_claim(setting, permit, change)
    except HistoryLimitError:
        return (yield from _judged_again(setting, permit, passed, again))
    except LimitError:
        yield from abandon(setting, permit, Outcome.DENIED, "standing_used_up")
        raise DeniedError(
            f"nothing was left of the standing approval for {setting.tool.name!r}; the call did not run",
            code="standing_used_up",
            model_text="This call did not run. Make it again to ask for an approval.",
            call_id=trail.call,
        ) from None
    except ConflictError:
        return (yield from _already(setting, permit))
    if not _is_judged(judged, passed):  # while the claim was written, whoever else holds them may have changed them
        yield from _end(setting, permit, running, span, now, Kind.CALL_FAILED, error="arguments_changed")
        raise _not_judged(setting, permit)
    try:
        ran: Ran = yield _make_invoke(passed, trail.call, judged.call_digest, reach(setting, permit, span, now))
    except BaseException as fault:
        with suppress(Exception):  # a record that cannot be written must not hide the interruption; recovery adds it
            left, error = (yield from _left(setting, permit)), type(fault).__name__
            yield from _end(setting, permit, running, span, now, Kind.CALL_INDETERMINATE, error=error, marks=left)
        raise
    if ran.error is not None and isinstance(ran.error, setting.pauses):
        yield from _paused(setting, permit, running, span, now)
        raise ran.error
    if ran.error is not None:
        yield from _failed(setting, permit, running, span, now, ran.error)
    return (yield from _returned(setting, permit, running, span, now, ran))


def _judged_again(setting: Setting, permit: Permit, passed: object, again: bool) -> Flow[Done]:
    """Other calls came first, and a limit is reached that kept a rule from matching: what does the policy say now?"""
    trail, judged = permit.trail, permit.judged
    if not again or judged.traces is None:
        yield from abandon(setting, permit, Outcome.DENIED, "history_limit")
        raise _too_many(setting, permit)
    try:
        traces = yield from recall(judged.traces)
    except ToolguardError as fault:
        yield from abandon(setting, permit, Outcome.DENIED, fault.code)
        raise
    decision = decide(setting.policy, setting.plan, traces.facts)
    withheld = judged.decision.obligations.args
    judged = replace(judged, decision=decision, traces=traces)
    same = decision.obligations.args == withheld
    if decision.effect is Effect.DENY:
        yield from deny(setting, trail, judged)
    if same and decision.effect is Effect.REQUIRE_APPROVAL:
        trail, approval = yield from ask(setting, trail, judged)
        permit = Permit(trail=trail, judged=judged, pending=(), approval=approval)
    elif same and permit.approval is None and permit.basis is None:
        at: float = yield NOW
        permit = replace(permit, judged=judged, pending=(decided(trail, judged, Outcome.ALLOWED, at),))
    else:  # what the tool would get is not what was judged, or what let it run is not what would now
        yield from abandon(setting, permit, Outcome.DENIED, "history_limit")
        raise _too_many(setting, permit)
    return (yield from execute(setting, permit, passed, again=False))


def _too_many(setting: Setting, permit: Permit) -> DeniedError:
    return DeniedError(
        f"other calls came first and reached a limit that the policy sets for {setting.tool.name!r}; the call did not run",
        code="history_limit",
        model_text="Other calls came first, and a limit is reached. This call did not run.",
        call_id=permit.trail.call,
    )


def _is_judged(judged: Judged, passed: object) -> bool:
    """Whether ``passed`` is, now, exactly what was judged."""
    try:
        return judged.arguments.holds(passed)
    except Exception:  # noqa: BLE001 - objects that cannot be read are not the ones that were
        return False


def _update(before: Approval | None, after: Approval | None) -> Update | None:
    if before is None or after is None:
        return None
    return Update(
        approval=after,
        from_version=before.version,
        from_state=before.state,
        alive_until=before.grant_expires if is_granted(before.state) else None,
    )


def _changed_after(setting: Setting, permit: Permit, why: str) -> Flow[None]:
    """The objects that arrived, or what they refer to, are not what was judged."""
    if permit.approval is not None:
        yield from invalidate(setting, permit.trail, permit.approval, why)
    yield from abandon(setting, permit, Outcome.INVALIDATED, why)
    raise _not_judged(setting, permit)


def _not_judged(setting: Setting, permit: Permit) -> InvalidatedError:
    return InvalidatedError(
        f"the arguments of {setting.tool.name!r} changed after they were judged; the call did not run, make a new one",
        call_id=permit.trail.call,
    )


def _already(setting: Setting, permit: Permit) -> Flow[Done]:
    """The claim was lost. The ledger says whether this very call ran, and may give its result again."""
    row: LedgerRow | None = yield ReadLedger(setting.ref)
    same = row is not None and row.call_digest == permit.judged.call_digest
    if row is not None and same and setting.replays and row.standing is Standing.EXECUTED and row.result:
        kept: bytes = yield Unseal(row.result, _ledger_context(setting))
        again = json.loads(kept)
        there = tuple(found for found, _ in token_findings(again))
        names = dict.fromkeys(tokens_in(again), "")  # what means nothing to this session is nobody it has seen
        if names and permit.judged.traces is not None:
            names |= yield Reveal(frozenset(names))
        marks = yield from result_marks(setting, permit.judged.traces, again, there, shown=True, names=names)
        if marks:  # it may be another session that reads it now
            yield Commit(Change(tenant=setting.tenant, marks=marks))
        return Done(value=again, call=permit.trail.call, replayed=True, seen=again)
    if permit.approval is not None and row is not None and same and row.standing is Standing.ASKED:
        found: Approval | None = yield Find(setting.ref)
        if found is not None and found.state not in (State.EXECUTING, State.EXECUTED) and not is_granted(found.state):
            yield from abandon(setting, permit, Outcome.DENIED, f"already_{found.state.value}")
            raise (yield from refused(setting, found, permit.trail.call))
    yield from abandon(setting, permit, Outcome.DENIED, "replay")
    raise ReplayError(
        f"this call of {setting.tool.name!r} was already carried out or tried once; it did not run again",
        call_id=permit.trail.call,
    )


def _ledger_context(setting: Setting) -> str:
    return f"{setting.tenant}/result/{setting.ref.ref}"


def _paused(setting: Setting, permit: Permit, running: Approval | None, span: str, started: float) -> Flow[None]:
    """Something inside the tool waits. An allowed call may be made again; an approved one has used its approval."""
    yield from _end(setting, permit, running, span, started, Kind.CALL_FAILED, error="paused")


def _failed(
    setting: Setting, permit: Permit, running: Approval | None, span: str, started: float, error: Exception
) -> Flow[None]:
    kind = _kind(error)
    try:
        text = str(error)[:4096]
        masked, found = yield from mask(text, Origin.RESULT, None, keep_tokens=False, own=_own(permit))
        marks = yield from result_marks(setting, permit.judged.traces, text, found, shown=True)
    except Exception:  # noqa: BLE001 - whatever fails here, the message is withheld
        masked, marks = "", ()
    yield from _end(setting, permit, running, span, started, Kind.CALL_FAILED, error=kind, marks=marks)
    raise ToolFailedError(
        f"tool {setting.tool.name!r} ran and failed with {kind}; its message is in .original",
        error_type=kind,
        masked_message=cast("str", masked),
        original=error,
    )


def _kind(error: BaseException) -> str:
    """An exception's class. One made up at run time may be named after anything."""
    name = type(error).__name__
    return name if name.isidentifier() and len(name) <= 64 else "Exception"


def _own(permit: Permit) -> frozenset[str]:
    """What the model wrote itself into this call, in canonical form."""
    names = permit.judged.names
    if not names:
        return frozenset()
    return frozenset(canonical_form(t.type, v) for t, v in names.items() if t.namespace is Namespace.MODEL)


def _returned(
    setting: Setting, permit: Permit, running: Approval | None, span: str, started: float, ran: Ran
) -> Flow[Done]:
    value = ran.value
    judged = permit.judged
    try:
        plain, masked, found = yield from _mask_result(setting, permit, ran)
        marks = yield from result_marks(setting, judged.traces, plain, found, shown=True)
        kept = yield from _keep(setting, value, masked)
        shown = setting.shape.close(value, masked)
    except Exception as fault:  # noqa: BLE001 - the tool has run: whatever fails now, its result is withheld
        left = yield from _left(setting, permit)
        error = type(fault).__name__
        yield from _end(
            setting, permit, running, span, started, Kind.CALL_RETURNED, withheld=True, error=error, marks=left
        )
        raise (fault if isinstance(fault, ResultWithheldError) else _withheld(setting, permit)) from None
    told: Json = masked if permit.judged.decision.obligations.results is not Handling.PASS else None
    limits = result_limits(judged.decision, judged.traces, marks)
    end = partial(_end, setting, permit, running, span, started, Kind.CALL_RETURNED)
    try:
        yield from end(found=found, result=kept, told=told, marks=marks, limits=limits)
    except HistoryLimitError:
        unseen = tuple(mark for mark in marks if mark.kind != "patient")
        yield from end(withheld=True, error="history_limit", marks=unseen)
        raise ResultWithheldError(
            f"tool {setting.tool.name!r} ran, but its result is about more patients than the policy lets anybody see "
            "and is withheld; ask for fewer",
            call_id=permit.trail.call,
        ) from None
    return _make_done(value=shown, call=permit.trail.call, seen=masked)


def _left(setting: Setting, permit: Permit) -> Flow[tuple[Mark, ...]]:
    """What a call leaves behind whose result nobody could look at, or may see: it wrote what it wrote all the same."""
    try:
        return (yield from result_marks(setting, permit.judged.traces, None, None, shown=False))
    except Exception:  # noqa: BLE001 - its names cannot be looked up now; what was known beforehand is written already
        return ()


def _withheld(setting: Setting, permit: Permit) -> ResultWithheldError:
    return ResultWithheldError(
        f"tool {setting.tool.name!r} ran, but its result could not be masked or recorded and is withheld; do not retry",
        call_id=permit.trail.call,
    )


def _mask_result(setting: Setting, permit: Permit, ran: Ran) -> Flow[tuple[Json, Json, tuple[Finding, ...]]]:
    """The result as JSON, the same masked, and the identifiers in it."""
    plain = scrub(freeze(setting.shape.open(ran.value)).data, ran.secrets)
    wanted = permit.judged.decision.obligations
    if wanted.max_result_chars is not None and len(canonical(plain)) > wanted.max_result_chars:
        raise ResultWithheldError(
            f"tool {setting.tool.name!r} ran, but its result is longer than the {wanted.max_result_chars} characters "
            "the policy allows and is withheld; ask for less, or raise max_result_chars",
            call_id=permit.trail.call,
        )
    if wanted.max_results is not None and most_items(plain) > wanted.max_results:
        raise ResultWithheldError(
            f"tool {setting.tool.name!r} ran, but its result has more than the {wanted.max_results} items the policy "
            "allows and is withheld; ask for fewer, or raise max_results",
            call_id=permit.trail.call,
        )
    origin = Origin.TRUSTED if setting.plan.rule.trusted_results else Origin.RESULT
    if wanted.results is Handling.PASS:
        planted = tuple(f for f, _ in token_findings(plain))
        there: tuple[Finding, ...] = ()
        if permit.judged.traces is not None:  # patients count also where they are shown
            there = yield Inspect(plain, origin, setting.shape.schema)
        return plain, (yield from tokenise(plain, planted, Namespace.PROTECTED)), there
    schema, masking = setting.shape.schema, setting.policy.masking
    masked, found = yield from mask(plain, origin, schema, keep_tokens=False, own=_own(permit), masking=masking)
    return plain, masked, found


def _keep(setting: Setting, value: Any, masked: Json) -> Flow[bytes]:
    """The masked result, sealed, for a framework that may ask for it again; b"" where nobody will, or it is not JSON."""
    plain = value is None or isinstance(value, str | int | float | bool | list | dict)
    if not plain or not setting.replays:
        return b""
    sealed: bytes = yield Seal(json.dumps(masked).encode(), _ledger_context(setting))
    return sealed


_ENDS = {
    Kind.CALL_RETURNED: Outcome.EXECUTED,
    Kind.CALL_FAILED: Outcome.FAILED,
    Kind.CALL_INDETERMINATE: Outcome.INDETERMINATE,
}


def _end(
    setting: Setting,
    permit: Permit,
    running: Approval | None,
    span: str,
    started: float,
    kind: Kind,
    *,
    error: str = "",
    found: tuple[Finding, ...] = (),
    withheld: bool = False,
    result: bytes = b"",
    marks: tuple[Mark, ...] = (),
    limits: tuple[Limit, ...] = (),
    told: Json = None,
) -> Flow[None]:
    """The last record of a call, with the end of its approval and its ledger row, in one transaction."""
    now: float = yield NOW
    to = State.INDETERMINATE if kind is Kind.CALL_INDETERMINATE else State.EXECUTED
    record = permit.trail.ended(
        kind,
        _ENDS[kind],
        at=now,
        started=started,
        span_id=span,
        link_id=permit.trail.span_id,
        request=running.request if running else None,
        error_type=error,
        found=found,
        withheld=withheld,
    )
    if told is not None and (setting.scope.content or setting.scope.keep):
        record = with_content(record, setting.scope, "gen_ai.tool.call.result", told)
    settle = None
    if kind is not Kind.CALL_INDETERMINATE:
        settle = _make_settle(ref=setting.ref, ok=kind is Kind.CALL_RETURNED, result=result)
    ended = move(running, to, now=now, outcome="error" if kind is Kind.CALL_FAILED else "ok") if running else None
    change = _make_change(
        tenant=setting.tenant,
        records=(record,),
        settle=settle,
        update=_update(running, ended),
        marks=marks,
        limits=limits,
        announce=running.id if running else None,
    )
    try:
        try:
            yield make_commit(change)
        except HistoryLimitError:
            raise
        except ConflictError:
            yield from _end_after_sweep(setting, running, ended, change)
    except Exception as fault:
        if kind is Kind.CALL_INDETERMINATE or isinstance(fault, HistoryLimitError):
            raise
        raise _withheld(setting, permit) from None


def _end_after_sweep(setting: Setting, running: Approval | None, ended: Approval | None, change: Change) -> Flow[None]:
    """The tool outran its lease and was taken for lost meanwhile. It was not: here is how it ended."""
    swept: Approval | None = (yield Find(setting.ref)) if running else None
    if swept is None or ended is None or swept.state is not State.INDETERMINATE or ended.state is not State.EXECUTED:
        raise ConflictError("the call's row was changed while its tool ran; look at the audit trail")
    after = move(swept, State.EXECUTED, now=ended.changed, outcome=ended.outcome)
    yield Commit(replace(change, update=_update(swept, after)))
