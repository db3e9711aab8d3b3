"""Drivers: carry out the steps of a flow, in a thread or on an event loop.

`Hands` does each step; `run` and `arun` are the same loop twice. Blocking ports are moved to a thread
under asyncio when they may wait for a disk; waiting for a person and running the tool are native in both.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar, assert_never

from toolguard._core import steps as s
from toolguard._core.approval import Approval, State
from toolguard._core.audit import AuditRecord
from toolguard._core.call import Json
from toolguard._core.flow import Flow
from toolguard._core.frozen import made_fast, maker
from toolguard._core.mask import checked
from toolguard.credentials import Keychain, scrub_error
from toolguard.directory import closure
from toolguard.errors import (
    BadArgumentsError,
    ContentError,
    DetectionError,
    IdentityError,
    StoreError,
    ToolguardError,
)
from toolguard.keys.content import keep_contents
from toolguard.ports import (
    Clock,
    CredentialProvider,
    DetectorSession,
    Directory,
    GrantVerifier,
    Ids,
    Sealer,
    SessionKey,
    Sink,
    Store,
    ToolAnalysis,
)
from toolguard.references import Contents, names_of
from toolguard.register import RegisterReader
from toolguard.running import CurrentCall, current

__all__ = ["Hands", "arun", "run"]

T = TypeVar("T")
_SLOW = (
    s.Commit,
    s.Allocate,
    s.Reveal,
    s.Find,
    s.Recent,
    s.CountUses,
    s.Confirm,
    s.Recall,
    s.Locate,
    s.ReadLedger,
    s.LookUp,
    s.Digest,
)
"""Steps that may wait for a disk or another process."""
_make_ran, _make_call = maker(s.Ran), maker(CurrentCall)
log = logging.getLogger("toolguard.drive")


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """Everything one call's steps reach for.

    ``validate`` turns resolved JSON into the objects the tool would get; ``invoke`` runs the tool on them
    (it may return an awaitable under `arun`). ``wait`` is the bound, in seconds, of waiting for a person;
    ``poll`` the longest time between looks: whoever waits is told of changes, and looks by itself only in case a
    message was lost.
    """

    store: Store
    clock: Clock
    ids: Ids
    detector: DetectorSession
    analysis: ToolAnalysis
    sealer: Sealer
    directory: Directory
    verifier: GrantVerifier
    session: SessionKey
    register: RegisterReader
    confirm: Callable[[Approval], None] | None = None
    revealer: Sealer | None = None
    sink: Sink | None = None
    validate: Callable[[Json], Any] | None = None
    invoke: Callable[[Any], Any] | None = None
    providers: Mapping[str, CredentialProvider] = field(default_factory=dict)
    contents: Contents | None = None
    wait: float = 0.0
    poll: float = 30.0
    on_wait: Callable[[str], None] | None = None
    """Told of an approval's id when a call begins to wait for it; returns at once."""

    def quick(self, step: s.Step) -> Any:
        """Carry out a step that does not wait for a person and does not run the tool."""
        match step:  # the frequent ones first
            case s.Now():
                return self.clock.now()
            case s.NewId():
                return self.ids.new()
            case s.ReadRegister(fresh):
                return self.register.read(fresh=fresh)
            case s.Commit(change):
                records = self.store.commit(keep_contents(change, self.sealer))
                self._tell(records)
                return records
            case s.Inspect(value, origin, schema):
                return self._inspect(value, origin, schema)
            case s.Validate(data):
                return data if self.validate is None else self._validate(data)
            case s.Analyse(data):
                return self.analysis.analyse(data)
            case s.Allocate(needs):
                return self.store.allocate(self.session, needs, self.sealer)
            case s.Reveal(tokens):
                return self.store.values(self.session, self.sealer, tokens)
            case s.Seal(plain, context):
                return self.sealer.seal(plain, context=context)
            case s.SealDecisive(plain, context):
                return b"" if self.revealer is None else self.revealer.seal(plain, context=context)
            case s.CountUses(act):
                return self.store.uses(self.session.tenant, act)
            case s.Unseal(sealed, context):
                return self.sealer.open(sealed, context=context)
            case s.LookUp():
                return self._look_up(step)
            case s.Find(ref):
                return self.store.find(self.session.tenant, ref)
            case s.Recent(person, tool, since):
                return self.store.recent(self.session.tenant, person, tool, since)
            case s.Recall(asks):
                return self.store.tally(self.session.tenant, asks)
            case s.Locate(references):
                return {text: names_of(text) for text in references}
            case s.Confirm(approval):
                return None if self.confirm is None else self.confirm(approval)
            case s.ReadLedger(ref):
                return self.store.ledger(self.session.tenant, ref)
            case s.CheckGrant(grant):
                return self.verifier.verify(grant)
            case s.Digest(references):
                return self._contents().digests(references, self.sealer.digest_key)
            case s.Await() | s.Invoke():
                raise AssertionError("waiting and running are the driver's own")
            case _ as never:
                assert_never(never)

    def blocks(self, step: s.Step) -> bool:
        """Whether the step may wait for a disk or another process."""
        return isinstance(step, _SLOW) or (isinstance(step, s.ReadRegister) and step.fresh)

    def _tell(self, records: tuple[AuditRecord, ...]) -> None:
        """What is durable has happened, whether or not anyone can be told."""
        if self.sink is None:
            return
        try:
            self.sink.emit(records)
        except Exception as fault:  # noqa: BLE001 - a sink may fail in any way, and decides nothing
            log.warning("a sink could not take records: %s; the journal holds them", type(fault).__name__)

    def _inspect(self, value: Json, origin: s.Origin, schema: Mapping[str, Json] | None) -> Any:
        try:
            return checked(value, self.detector.inspect(value, origin=origin, schema=schema))
        except DetectionError:
            raise
        except Exception as fault:  # noqa: BLE001 - a detector may fail in any way
            raise DetectionError(
                f"the detector failed with {type(fault).__name__}, so nothing passes; mend or replace the detector"
            ) from None

    def _validate(self, data: Json) -> Any:
        assert self.validate is not None  # noqa: S101 - narrows the type; the caller has checked
        try:
            return self.validate(data)
        except ToolguardError:
            raise
        except Exception as fault:  # noqa: BLE001 - a tool's own schema may fail in any way
            raise BadArgumentsError(
                f"the arguments do not fit the tool's schema ({type(fault).__name__}); the tool did not run. "
                "If an argument holds a token the tool may not receive in a typed field, trust the tool for that "
                "type or pass the argument in the policy"
            ) from None

    def _look_up(self, step: s.LookUp) -> s.Requester | None:
        try:
            return self._requester(step)
        except ToolguardError:
            raise
        except Exception as fault:  # noqa: BLE001 - a directory may fail in any way
            raise IdentityError(
                f"the directory failed with {type(fault).__name__}, so nobody is known and the call did not run; mend it"
            ) from None

    def _requester(self, step: s.LookUp) -> s.Requester | None:
        caller, now = step.caller, self.clock.now()
        person = self.directory.person(caller.person, at=now)
        if person is None:
            return None
        asking = [person]
        if caller.on_behalf_of is not None:
            delegator = self.directory.person(caller.on_behalf_of, at=now)
            if delegator is None:
                return None
            asking.append(delegator)
        excluded = closure(self.directory, caller.tenant, caller.agent, asking, at=now)
        reachable: dict[str, int] = {}
        fallback: set[str] = set()
        for rule in step.rules:
            first, *then = rule.stages
            able = len(self._able(caller.tenant, first.approvers, excluded, now))
            if able < first.quorum and rule.fallback:
                fallback.add(rule.name)
                able = len(self._able(caller.tenant, (*first.approvers, *rule.fallback), excluded, now))
            for stage in then:
                if len(self._able(caller.tenant, stage.approvers, excluded, now)) < stage.quorum:
                    able = 0
            reachable[rule.name] = able
        return s.Requester(person=person.id, excluded=excluded, reachable=reachable, fallback=frozenset(fallback))

    def _able(self, tenant: str, entries: Iterable[str], excluded: frozenset[str], now: float) -> set[str]:
        """Distinct persons who have a seat. Who stands in for them adds none: a seat counts once, whoever sits in it."""
        able: set[str] = set()
        for entry in entries:
            kind, _, name = entry.partition(":")
            if kind == "person":
                able.add(name)
            else:
                group = entry if kind == "oncall" else name
                able.update(p.id for p in self.directory.members(tenant, group, at=now) if p.human)
        return able - excluded

    def _contents(self) -> Contents:
        if self.contents is None:
            raise ContentError(
                "this guard reads no references; make it with Guard(...) or from_config", code="content_not_bound"
            )
        return self.contents

    def _begin(self, step: s.Invoke) -> tuple[CurrentCall, Keychain | None]:
        """The call as the tool sees it, and the credentials it may ask for."""
        reach = step.reach
        if reach is None:
            return _make_call(id=step.call, idempotency_key=step.idempotency_key), None
        keychain = Keychain(
            reach,
            call=step.call,
            providers=self.providers,
            inside=lambda: current.get() is call,
            now=self.clock.now,
            new_id=self.ids.new,
            record=lambda draft: self._tell(self.store.commit(s.Change(tenant=reach.tenant, records=(draft,)))),
        )
        call = CurrentCall(
            id=step.call,
            idempotency_key=step.idempotency_key,
            keychain=keychain,
            read=lambda path: self._read(reach, keychain, path),
        )
        return call, keychain

    def _read(self, reach: s.Reach, keychain: Keychain, path: str) -> bytes:
        """What a running tool's argument refers to, if it is what was approved."""
        named = {r.path: r for r in reach.references}
        if path not in named:
            raise ContentError(
                f"tool {reach.tool!r} asked for the content of an argument that refers to none; name it under "
                "'references' of the tool in the policy",
                code="content_not_bound",
            )
        keychain.check()
        return self._contents().copy(named[path], self.sealer.digest_key, reach.bound.get(path, ""))

    def _look(self, approval_id: str) -> Approval:
        approval = self.store.get(self.session.tenant, approval_id)
        if approval is None:
            raise StoreError("the approval this call waits for is gone from the store; the call did not run")
        return approval

    def _begin_to_wait(self, approval_id: str) -> bool:
        """Whoever is to be told is told, once; what fails there does not concern the call."""
        if self.on_wait is not None:
            try:
                self.on_wait(approval_id)
            except Exception as fault:  # noqa: BLE001 - it may fail in any way, and decides nothing
                log.warning("nobody could be told that a call waits (%s)", type(fault).__name__)
        return True

    def _rest(self, deadline: float, approval: Approval) -> float:
        """Seconds to sleep before the next look; none where the bound of waiting is reached or the wait is over."""
        if approval.state is not State.PENDING:
            return 0.0
        left = deadline - self.clock.monotonic()
        return max(0.0, min(self.poll, left, approval.request.expires - self.clock.now()))


def run(flow: Flow[T], hands: Hands) -> T:
    """Drive a flow in this thread. Works inside a running event loop (notebooks); it blocks it."""
    send: Any = None
    fault: BaseException | None = None
    while True:
        try:
            step = flow.send(send) if fault is None else flow.throw(fault)
        except StopIteration as stop:
            result: T = stop.value
            return result
        except ToolguardError as refused:
            raise _bare(refused) from None
        send, fault = None, None
        try:
            if isinstance(step, s.Invoke):
                send = _invoke(hands, step)
            elif isinstance(step, s.Await):
                send = _await(hands, step.approval_id)
            else:
                send = hands.quick(step)
        except BaseException as raised:  # noqa: BLE001 - the flow decides what a failure means
            fault = raised


async def arun(flow: Flow[T], hands: Hands) -> T:
    """Drive a flow on the running event loop. Cancelling it while the tool runs leaves the call indeterminate."""
    send: Any = None
    fault: BaseException | None = None
    closing = False
    while True:
        try:
            step = flow.send(send) if fault is None else flow.throw(fault)
        except StopIteration as stop:
            result: T = stop.value
            return result
        except ToolguardError as refused:
            raise _bare(refused) from None
        closing = closing or isinstance(fault, GeneratorExit)  # nothing can be awaited any more
        send, fault = None, None
        try:
            if isinstance(step, s.Invoke):
                send = await _ainvoke(hands, step)
            elif isinstance(step, s.Await):
                send = await _aawait(hands, step.approval_id)
            elif not closing and (hands.store.blocking or isinstance(step, s.Digest)) and hands.blocks(step):
                send = await _unbroken(hands, step)
            else:
                send = hands.quick(step)
        except BaseException as raised:  # noqa: BLE001 - the flow decides what a failure means
            fault = raised


def _bare(refused: ToolguardError) -> ToolguardError:
    """The error without what it came from: that may hold values, and error reporters walk the chain."""
    refused.__context__ = refused.__cause__ = None
    return refused


async def _unbroken(hands: Hands, step: s.Step) -> Any:
    """A store step in a thread; a cancellation waits until the step has ended, so that its outcome is known."""
    task = asyncio.ensure_future(asyncio.to_thread(hands.quick, step))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _await(hands: Hands, approval_id: str) -> Approval:
    deadline = hands.clock.monotonic() + hands.wait
    told, waiting = threading.Event(), False
    stop = hands.store.watch(hands.session.tenant, approval_id, told.set)
    try:
        while True:
            told.clear()  # before the look: what happens after it is told again
            approval = hands._look(approval_id)
            rest = hands._rest(deadline, approval)
            if not rest:
                return approval
            waiting = waiting or hands._begin_to_wait(approval_id)
            told.wait(rest)
    finally:
        stop()


async def _aawait(hands: Hands, approval_id: str) -> Approval:
    deadline = hands.clock.monotonic() + hands.wait
    loop, told, waiting = asyncio.get_running_loop(), asyncio.Event(), False

    def wake() -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
            loop.call_soon_threadsafe(told.set)

    stop = hands.store.watch(hands.session.tenant, approval_id, wake)
    try:
        while True:
            told.clear()
            approval = await asyncio.to_thread(hands._look, approval_id)
            rest = hands._rest(deadline, approval)
            if not rest:
                return approval
            waiting = waiting or hands._begin_to_wait(approval_id)
            with suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), rest)
    finally:
        stop()


def _invoke(hands: Hands, step: s.Invoke) -> s.Ran:
    assert hands.invoke is not None  # noqa: S101 - narrows the type; a flow that invokes is given a tool
    call, keychain = hands._begin(step)
    mark = current.set(call)
    try:
        value = hands.invoke(step.passed)
        if inspect.iscoroutine(value):
            value.close()
            ran = s.Ran(error=TypeError("this tool is asynchronous and was not run; use acall"))
        else:
            ran = _make_ran(value=value)
    except Exception as error:  # noqa: BLE001 - what the tool raises is its result
        ran = s.Ran(error=error)
    except BaseException as interruption:
        if keychain is not None:
            _clean(interruption, keychain.close())
        raise
    finally:
        current.reset(mark)
    return _ended(ran, keychain.close()) if keychain else ran


async def _ainvoke(hands: Hands, step: s.Invoke) -> s.Ran:
    assert hands.invoke is not None  # noqa: S101 - narrows the type; a flow that invokes is given a tool
    call, keychain = hands._begin(step)
    mark = current.set(call)
    try:
        value = hands.invoke(step.passed)
        ran = _make_ran(value=await value if inspect.isawaitable(value) else value)
    except Exception as error:  # noqa: BLE001 - what the tool raises is its result
        ran = s.Ran(error=error)
    except BaseException as interruption:
        # torn down, nothing can be awaited any more; cancelled, what was acquired is still given back first
        if keychain is not None:
            _clean(
                interruption, keychain.close() if isinstance(interruption, GeneratorExit) else await _aclose(keychain)
            )
        raise
    finally:
        with suppress(ValueError):  # torn down from another context, which never had the mark
            current.reset(mark)
    return _ended(ran, await _aclose(keychain)) if keychain else ran


async def _aclose(keychain: Keychain) -> frozenset[str]:
    """Give credentials back in a thread: an issuer may be slow. A cancellation waits until that is done."""
    if not keychain.holds:
        return keychain.close()
    task = asyncio.ensure_future(asyncio.to_thread(keychain.close))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _clean(interruption: BaseException, secrets: frozenset[str]) -> None:
    if secrets:
        scrub_error(interruption, secrets)


def _ended(ran: s.Ran, secrets: frozenset[str]) -> s.Ran:
    """What the tool gave, with the credentials it held: taken out of its exception here, of its result by the flow."""
    if not secrets:
        return ran
    if ran.error is not None:
        return s.Ran(error=scrub_error(ran.error, secrets))
    return s.Ran(value=ran.value, secrets=secrets)
