"""A session: one caller, one run, one vault. Everything a caller does goes through it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from toolguard import drive
from toolguard._core.approval import Approval
from toolguard._core.audit import Outcome
from toolguard._core.call import Caller, CallRef, Json, Tool
from toolguard._core.flow import Clear, Done, Flow, Permit, Setting, Suspension
from toolguard._core.flow import abandon as abandon_flow
from toolguard._core.flow import authorise as authorise_flow
from toolguard._core.flow import execute as execute_flow
from toolguard._core.flow import judge as judge_flow
from toolguard._core.flow import mask_value as mask_flow
from toolguard._core.flow import reveal_text as reveal_flow
from toolguard._core.flow.forget import OPEN_STATES
from toolguard._core.flow.forget import invalidate_open as forget_flow
from toolguard._core.flow.marked import MarkedText, mask_marked
from toolguard._core.flow.masking import Meanings
from toolguard._core.flow.reveal import disclose as disclose_flow
from toolguard._core.flow.setting import DEFAULT_PAUSES
from toolguard._core.flow.typed import Surrogate
from toolguard._core.flow.typed import surrogates_for as surrogates_flow
from toolguard._core.frozen import maker
from toolguard._core.history import TAINTS, Mark
from toolguard._core.policy import Decision
from toolguard._core.records import Scope, label
from toolguard._core.steps import Change, Origin
from toolguard._core.vault import Token
from toolguard.bound import BoundTool
from toolguard.config import Parts
from toolguard.drive import Hands
from toolguard.errors import ConfigError, IdentityError, InvalidatedError
from toolguard.guard.known import Known
from toolguard.ports import SessionKey, Term, TraceContext
from toolguard.retention import WEEK
from toolguard.said import Said
from toolguard.streams import MaskStream, RevealStream

if TYPE_CHECKING:
    from toolguard.guard.guard import Guard

__all__ = ["MOST_SESSIONS", "Session", "current_session", "entered_session"]

_sessions: ContextVar[tuple[Session, ...]] = ContextVar("toolguard_sessions", default=())
"""Sessions entered here, innermost last; a tuple, since tasks and threads enter one session side by side."""
MOST_SESSIONS = 16
"""How many sessions one may stand for: itself and those it belongs to."""
_BELONGS = "belongs"
_REVEAL = Tool.describe(
    "toolguard.reveal",
    source="toolguard",
    description="Show protected values in clear to the person behind the session.",
    schema={"type": "object", "properties": {"purpose": {"type": "string"}, "types": {"type": "array"}}},
)


def current_session() -> Session:
    """The session this code runs in.

    Raises:
        IdentityError: there is none; nobody is known to be behind the call.
    """
    sessions = _sessions.get()
    if not sessions:
        raise IdentityError(
            "no session: nobody is known to be behind this call; open one with guard.session(caller=...) around it"
        )
    return sessions[-1]


def entered_session() -> Session | None:
    """The session this code runs in, if it runs in one."""
    sessions = _sessions.get()
    return sessions[-1] if sessions else None


def _suspension(word: str) -> Suspension:
    try:
        return Suspension(word)
    except ValueError:
        raise ConfigError(
            f"suspend is {word!r}; use 'block' or 'raise' (LangGraph's own pause is mode='interrupt' of guard_tools)"
        ) from None


def _origin(word: Origin | str) -> Origin:
    try:
        return Origin(word)
    except ValueError:
        raise ConfigError(f"origin is {word!r}; use one of {', '.join(repr(o.value) for o in Origin)}") from None


_make_ref, _make_setting, _make_hands = maker(CallRef), maker(Setting), maker(Hands)
_EXPLAINED = CallRef(run="explain", call_id="explain")
"""`Session.explain` makes no call; it needs no reference of its own."""


class Session:
    """One caller, one run, one vault. Use it as a context manager, or pass it where a session is asked for."""

    def __init__(
        self,
        guard: Guard,
        caller: Caller,
        *,
        run: str | None,
        id: str | None,
        suspend: str | None,
        wait: float | None,
        parent: Session | None = None,
        inner: bool = False,
    ) -> None:
        parts = guard.parts
        self.guard = guard
        self.caller = caller
        self.run = run or parts.ids.new()
        self.id = id or self.run
        self.suspension = _suspension(suspend or parts.suspend)
        self.wait = parts.wait if wait is None else wait
        if self.wait < 0:
            raise ConfigError(f"wait is {self.wait!r} seconds; give a bound that is not negative")
        self._sealer = parts.sealer(caller.tenant)
        self._key = SessionKey(tenant=caller.tenant, session=label(self.id, self._sealer.digest_key))
        self._finds = parts.detector
        self._detector = parts.detector.session()
        self._said: Said = parent._said.inner() if inner and parent is not None else guard.said_in(self._key)
        self._register = guard.register_of(caller.tenant)
        self._trace = TraceContext(trace_id=parts.ids.new(), span_id="")
        self._scope = self._scope_in(self._trace)
        self._calls = 0
        self._numbers = itertools.count(1)
        self._run_label = label(self.run, self._sealer.digest_key)
        self._half: tuple[BoundTool, Parts, Setting, Hands] | None = None
        self._masking: tuple[Known, Parts, Hands] | None = None
        self._week = 0 if parts.retention is None else parts.retention.used(self._key)
        if id is not None or run is not None:
            self._recall()
        self._lineage = self._belongs(parent, known=id is None and run is None)

    def _renew(self) -> None:
        """Another policy finds other identifiers: detection begins anew, with what this session has masked so far."""
        self._finds = self.guard.parts.detector
        self._detector = self._finds.session()
        self._scope = self._scope_in(self._trace)
        self._recall()

    def _recall(self) -> None:
        """What this session masked before, perhaps in another process, is known again."""
        values = self.guard.parts.store.values(self._key, self._sealer)
        self._detector.learn(Term(type=t.type, value=v) for t, v in values.items() if not t.namespace)

    def _belongs(self, parent: Session | None, *, known: bool) -> tuple[str, ...]:
        """The session and those it belongs to, now or when it was opened before, as subjects of marks."""
        own = f"session:{self._key.session}"
        parts = self.guard.parts
        above = () if parent is None or parent._key.tenant != self._key.tenant else parent._lineage
        watched = parts.policy.watch.anything
        before = parts.store.marked(self._key.tenant, own, _BELONGS) if watched and not known else ()
        lineage = tuple(dict.fromkeys((own, *before, *above)))
        if len(lineage) > MOST_SESSIONS and not watched:
            return lineage[:MOST_SESSIONS]
        if len(lineage) > MOST_SESSIONS:
            raise ConfigError(f"a session belongs to more than {MOST_SESSIONS - 1} others; nest sessions less deep")
        marks = tuple(Mark(subject=own, kind=_BELONGS, value=s) for s in lineage[1:] if s not in before)
        if marks and watched:
            parts.store.commit(Change(tenant=self._key.tenant, marks=marks))
        return lineage

    # --- binding -------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        _sessions.set((*_sessions.get(), self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        entered = _sessions.get()
        for place in reversed(range(len(entered))):
            if entered[place] is self:  # sessions may end in another order than they began
                _sessions.set((*entered[:place], *entered[place + 1 :]))
                return

    # --- calls ---------------------------------------------------------------------------------------

    def call(
        self,
        tool: BoundTool | Callable[..., Any],
        arguments: Mapping[str, Any] | None = None,
        *,
        call_id: str | None = None,
        ordinal: int = 0,
        reason: str = "",
    ) -> Any:
        """Classify, decide, wait where a person must decide, run once, mask the result.

        Args:
            tool: a `BoundTool`, or a plain function with annotations.
            arguments: by name, as the model wrote them.
            call_id: the provider's call id; without one every attempt is a new call.
            ordinal: the call's position in its message.
            reason: the agent's own words on why; masked, and shown to approvers as untrusted.

        Returns:
            The masked result.

        Raises:
            NotAllowedError, Suspended, BadArgumentsError, DetectionError, StoreError: the tool did not run.
            ToolFailedError, ResultWithheldError: it ran; see there.
            ConfigError: the tool is a coroutine function.
        """
        bound = self._bound(tool)
        if bound.awaits:
            raise ConfigError(f"tool {bound.tool.name!r} is a coroutine function; use session.acall")
        ref = self.ref(call_id, ordinal)
        permit = self.authorise(bound, arguments or {}, ref=ref, reason=reason)
        try:
            return self.execute(bound, permit).value
        except InvalidatedError as fault:
            if fault.code != "policy_changed":
                raise
        permit = self.authorise(bound, arguments or {}, ref=ref, reason=reason)
        return self.execute(bound, permit).value

    async def acall(
        self,
        tool: BoundTool | Callable[..., Any],
        arguments: Mapping[str, Any] | None = None,
        *,
        call_id: str | None = None,
        ordinal: int = 0,
        reason: str = "",
    ) -> Any:
        """`call` on the event loop; the tool may be a coroutine function."""
        bound = self._bound(tool)
        ref = self.ref(call_id, ordinal)
        permit = await self.aauthorise(bound, arguments or {}, ref=ref, reason=reason)
        try:
            return (await self.aexecute(bound, permit)).value
        except InvalidatedError as fault:
            if fault.code != "policy_changed":
                raise
        permit = await self.aauthorise(bound, arguments or {}, ref=ref, reason=reason)
        return (await self.aexecute(bound, permit)).value

    def ref(self, call_id: str | None = None, ordinal: int = 0) -> CallRef:
        """The reference of a call; a new one where the provider gave no id."""
        return _make_ref(run=self.run, call_id=call_id or f"tg-{self.guard.parts.ids.new()}", ordinal=ordinal)

    def _kept(self, ref: CallRef) -> CallRef:
        """The reference as it is kept: ids come from outside and may hold anything, so odd ones are digested."""
        key = self._sealer.digest_key
        run = self._run_label if ref.run is self.run else label(ref.run, key)
        call_id = label(ref.call_id, key)
        return (
            ref if run is ref.run and call_id is ref.call_id else CallRef(run=run, call_id=call_id, ordinal=ref.ordinal)
        )

    # --- the two halves, for adapters ----------------------------------------------------------------

    def authorise(
        self,
        bound: BoundTool,
        raw: object,
        *,
        ref: CallRef,
        reason: str = "",
        replays: bool = False,
        suspend: str | None = None,
    ) -> Permit:
        """The first half of a call: a permit to run it once, or an error that says why not."""
        setting, hands = self._first(bound, ref, reason, replays, suspend)
        return drive.run(authorise_flow(setting, raw), hands)

    async def aauthorise(
        self,
        bound: BoundTool,
        raw: object,
        *,
        ref: CallRef,
        reason: str = "",
        replays: bool = False,
        suspend: str | None = None,
    ) -> Permit:
        setting, hands = self._first(bound, ref, reason, replays, suspend)
        return await drive.arun(authorise_flow(setting, raw), hands)

    def execute(
        self,
        bound: BoundTool,
        permit: Permit,
        passed: object = None,
        *,
        replays: bool = False,
        pauses: tuple[type[BaseException], ...] = (),
    ) -> Done:
        """The second half: claim, run, mask. ``passed`` are the objects that really go to the tool."""
        setting, hands = self._second(bound, permit.trail.ref, replays, pauses)
        flow = execute_flow(setting, permit, permit.passed if passed is None else passed)
        return self._returned(setting, drive.run(flow, hands))

    async def aexecute(
        self,
        bound: BoundTool,
        permit: Permit,
        passed: object = None,
        *,
        replays: bool = False,
        pauses: tuple[type[BaseException], ...] = (),
    ) -> Done:
        setting, hands = self._second(bound, permit.trail.ref, replays, pauses)
        flow = execute_flow(setting, permit, permit.passed if passed is None else passed)
        return self._returned(setting, await drive.arun(flow, hands))

    def abandon(self, bound: BoundTool, permit: Permit, why: str) -> None:
        """Write down that a permitted call did not run after all. ``why`` is a code."""
        setting, hands = self._setting(bound, permit.trail.ref, "", False, None)
        drive.run(abandon_flow(setting, permit, Outcome.DENIED, why), hands)

    async def aabandon(self, bound: BoundTool, permit: Permit, why: str) -> None:
        setting, hands = self._setting(bound, permit.trail.ref, "", False, None)
        await drive.arun(abandon_flow(setting, permit, Outcome.DENIED, why), hands)

    def explain(self, tool: BoundTool | Callable[..., Any], arguments: Mapping[str, Any] | None = None) -> Decision:
        """What would be decided, without asking, running or recording anything."""
        bound = self._bound(tool)
        setting, hands = self._setting(bound, _EXPLAINED, "", False, None)
        return drive.run(judge_flow(setting, arguments or {}), hands).decision

    # --- taint ---------------------------------------------------------------------------------------

    def taint(self, word: str = "untrusted") -> None:
        """Note for ever that this session, and those it belongs to, saw ``untrusted`` content, or ``phi``.

        Results of guarded tools say so themselves; this is for what an application puts into the context by itself.
        """
        if word not in TAINTS:
            raise ConfigError(f"taint is {word!r}; use one of {', '.join(map(repr, sorted(TAINTS)))}")
        marks = tuple(Mark(subject=subject, kind="taint", value=word) for subject in self._lineage)
        self.guard.parts.store.commit(Change(tenant=self._key.tenant, marks=marks))

    def taints(self) -> frozenset[str]:
        """What this session, and those it belongs to, have seen, as far as the policy has it noted."""
        store = self.guard.parts.store
        return frozenset(t for subject in self._lineage for t in store.marked(self._key.tenant, subject, "taint"))

    # --- context -------------------------------------------------------------------------------------

    def mask(
        self, value: Json, *, origin: Origin | str = Origin.USER, schema: Mapping[str, Json] | None = None
    ) -> Json:
        """``value`` (text or any JSON) with every identifier found replaced by its token."""
        hands = self._hands(_NOTHING, self.guard.know(_REVEAL))
        came = _origin(origin)
        masked = drive.run(mask_flow(value, came, schema, self.guard.parts.policy.masking), hands)
        return self._told(masked, came)

    def marked(self, text: str, *, origin: Origin | str = Origin.USER) -> MarkedText:
        """``text`` masked as by `mask`, with every place where something was replaced: its kind, score and finder."""
        hands = self._hands(_NOTHING, self.guard.know(_REVEAL))
        came = _origin(origin)
        marked = drive.run(mask_marked(text, came, self.guard.parts.policy.masking), hands)
        self._told(marked.text, came)
        return marked

    async def amask(
        self, value: Json, *, origin: Origin | str = Origin.USER, schema: Mapping[str, Json] | None = None
    ) -> Json:
        hands = self._hands(_NOTHING, self.guard.know(_REVEAL))
        came = _origin(origin)
        masked = await drive.arun(mask_flow(value, came, schema, self.guard.parts.policy.masking), hands)
        return self._told(masked, came)

    def surrogates(self, value: Json, schema: Json) -> tuple[Surrogate, ...]:
        """What a model may write for the tokens in ``value`` where an answer of ``schema`` (JSON Schema) holds none.

        `reveal` turns them back as it does tokens. None where the policy says ``masking: {typed: refuse}``.
        """
        hands = self._hands(_NOTHING, self.guard.know(_REVEAL))
        return drive.run(surrogates_flow(value, schema, self.guard.parts.policy.masking), hands)

    async def asurrogates(self, value: Json, schema: Json) -> tuple[Surrogate, ...]:
        hands = self._hands(_NOTHING, self.guard.know(_REVEAL))
        return await drive.arun(surrogates_flow(value, schema, self.guard.parts.policy.masking), hands)

    def reveal(self, text: str, *, purpose: str) -> Clear:
        """``text`` in clear for the person behind this session, if the policy allows ``toolguard.reveal`` for it.

        Args:
            purpose: a short code such as ``treatment``; it is recorded.

        Raises:
            DeniedError: the policy does not let this caller see it.
        """
        setting, hands = self._setting(_NOTHING, self.ref(), "", False, None)
        return drive.run(reveal_flow(setting, text, purpose), hands)

    async def areveal(self, text: str, *, purpose: str) -> Clear:
        setting, hands = self._setting(_NOTHING, self.ref(), "", False, None)
        return await drive.arun(reveal_flow(setting, text, purpose), hands)

    def stream_reveal(self, *, purpose: str, json: bool = False) -> RevealStream:
        """A stream (text deltas, or with ``json`` the deltas of a tool call's arguments) in clear for the person.

        It holds back only what may be the beginning of a token. Each token is decided upon and recorded once, as by
        `reveal`.
        """
        setting, hands = self._setting(_NOTHING, self.ref(), "", False, None)

        def disclose(tokens: frozenset[Token]) -> Meanings:
            return drive.run(disclose_flow(self._again(setting), tokens, purpose), hands)

        async def adisclose(tokens: frozenset[Token]) -> Meanings:
            return await drive.arun(disclose_flow(self._again(setting), tokens, purpose), hands)

        return RevealStream(disclose, adisclose, json=json)

    def _again(self, setting: Setting) -> Setting:
        """The same for one more call."""
        return replace(setting, ref=self._kept(self.ref()))

    def stream_mask(self, *, origin: Origin | str = Origin.USER, json: bool = False) -> MaskStream:
        """A stream (text deltas, or with ``json`` JSON text) masked on its way.

        It holds back the sentence that has not ended, 128 characters at most; of JSON the string that has not ended.
        """
        hands = self._hands(_NOTHING, self.guard.know(_REVEAL))
        self._said.message("", _origin(origin))  # that something was heard; what, the messages of the next turn tell

        async def arun(flow: Flow[Any]) -> Any:
            return await drive.arun(flow, hands)

        masking = self.guard.parts.policy.masking
        return MaskStream(lambda flow: drive.run(flow, hands), arun, _origin(origin), masking, json=json)

    def forget(self) -> int:
        """Purge this session's tokens; how many there were. Tokens in old text then mean nothing.

        What waits for an approval in this session is invalidated first, and what the session learned is forgotten.
        """
        hands = self._hands(_NOTHING, self.guard.know(_REVEAL))
        drive.run(forget_flow(self._scope, self._open_approvals()), hands)
        count = self.guard.parts.store.purge(self._key)
        self._detector = self.guard.parts.detector.session()
        self._said = self.guard.said_in(self._key, new=True)
        return count

    async def aforget(self) -> int:
        return await asyncio.to_thread(self.forget)

    def _open_approvals(self) -> tuple[Approval, ...]:
        """Approvals of this session under which a call may still run."""
        store, found, last = self.guard.parts.store, list[Approval](), None
        while page := store.list(self._key.tenant, states=OPEN_STATES, limit=500, before=last):
            found += [a for a in page if a.request.session == self._key.session]
            last = page[-1].request.id
        return tuple(found)

    # --- provenance ----------------------------------------------------------------------------------

    @property
    def cold(self) -> bool:
        """Whether nobody has told this process anything of the conversation yet; `mask` its messages to tell."""
        return self._said.cold

    def _told(self, masked: Json, origin: Origin) -> Json:
        self._said.message(masked, origin)
        return masked

    def _returned(self, setting: Setting, done: Done) -> Done:
        self._said.result(setting, done.seen)
        return done

    # --- inside --------------------------------------------------------------------------------------

    def _bound(self, tool: BoundTool | Callable[..., Any]) -> BoundTool:
        if not isinstance(tool, BoundTool) and hasattr(tool, "name") and hasattr(tool, "description"):
            raise ConfigError(
                f"{tool.name!r} is a {type(tool).__name__}, and a session calls plain functions; guard a framework's tools "
                "with its adapter, as toolguard_langchain.guard_tools does, and call what that gives"
            )
        return tool if isinstance(tool, BoundTool) else self.guard._bound(tool)

    def _first(
        self, bound: BoundTool, ref: CallRef, reason: str, replays: bool, suspend: str | None
    ) -> tuple[Setting, Hands]:
        """What the first half of a call works with; kept for its second half, until another call begins."""
        self._count()
        setting, hands = self._setting(bound, ref, reason, replays, suspend)
        if not (reason or suspend):
            self._half = (bound, self.guard.parts, setting, hands)
        return setting, hands

    def _second(
        self, bound: BoundTool, ref: CallRef, replays: bool, pauses: tuple[type[BaseException], ...]
    ) -> tuple[Setting, Hands]:
        """What the first half of this very call worked with, where it would be made the same again; else made anew."""
        half, self._half = self._half, None
        if half is not None and half[2].ref is ref and half[0] is bound and half[1] is self.guard.parts and not pauses:
            _, parts, setting, hands = half
            if (
                setting.plan is self.guard.know(bound.tool).plan
                and setting.replays is replays
                and setting.suspension is self.suspension
                and setting.scope is self._scope
                and parts.detector is self._finds
                and hands.detector is self._detector
                and hands.wait == self.wait
                and (parts.tracing is None or parts.tracing.current() is None)
            ):
                return setting, hands
        return self._setting(bound, ref, "", replays, None, pauses)

    def _setting(
        self,
        bound: BoundTool,
        ref: CallRef,
        reason: str,
        replays: bool,
        suspend: str | None,
        pauses: tuple[type[BaseException], ...] = (),
    ) -> tuple[Setting, Hands]:
        parts = self.guard.parts
        known = self.guard.know(bound.tool)
        hands = self._hands(bound, known)
        trace = (parts.tracing.current() if parts.tracing else None) or self._trace
        setting = _make_setting(
            scope=self._scope if trace is self._trace else self._scope_in(trace),
            policy=known.policy,
            plan=known.plan,
            risk=known.analysis.static,
            ref=self._kept(ref),
            environment=parts.environment,
            suspension=_suspension(suspend) if suspend else self.suspension,
            on_wait_timeout=parts.on_wait_timeout,
            shape=bound.shape,
            utc_offset=parts.utc_offset(),
            agent_reason=reason,
            confirms=parts.confirm is not None or not parts.confirm_critical,
            apart=parts.separation != "none",
            remote=parts.remote,
            session_facts={"id": self.id, "run": self.run, "calls": self._calls},
            lineage=self._lineage,
            replays=replays,
            lease=parts.lease,
            pauses=(*DEFAULT_PAUSES, *pauses) if pauses else DEFAULT_PAUSES,
            pointers=None if known.pointing is None else known.pointing.pointers,
            trace=self._said.tracer(known.aiming, known.plan),
        )
        return setting, hands

    def _hands(self, bound: BoundTool, known: Known) -> Hands:
        parts = self.guard.parts
        if parts.detector is not self._finds:
            self._renew()
        if parts.retention is not None and parts.clock.now() // WEEK != self._week:
            self._week = parts.retention.used(self._key)
        if bound is _NOTHING and self._masking is not None:
            of, parts_of, hands = self._masking
            if of is known and parts_of is parts and hands.detector is self._detector and hands.wait == self.wait:
                return hands
        hands = _make_hands(
            store=parts.store,
            clock=parts.clock,
            ids=parts.ids,
            detector=self._detector,
            analysis=known.analysis,
            sealer=self._sealer,
            directory=parts.directory,
            verifier=parts.verifier,
            session=self._key,
            register=self._register,
            confirm=parts.confirm,
            revealer=parts.revealer(self._key.tenant) if parts.revealer is not None else None,
            sink=parts.sink,
            validate=bound.validate,
            invoke=bound.invoke,
            providers=parts.credentials,
            contents=parts.contents,
            wait=self.wait,
            on_wait=parts.on_wait,
        )
        if bound is _NOTHING:
            self._masking = (known, parts, hands)
        return hands

    def _count(self) -> None:
        """One more call in this session and process; what a policy reads as ``session.calls``."""
        self._calls = next(self._numbers)

    def _scope_in(self, trace: TraceContext) -> Scope:
        return Scope.of(
            self.caller,
            session=self._key.session,
            digest_key=self._sealer.digest_key,
            trace_id=trace.trace_id,
            parent_id=trace.span_id,
            detector_version=self.guard.parts.detector.version,
            content=self.guard.parts.content,
            keep=self.guard.parts.keep,
        )


_NOTHING = BoundTool(tool=_REVEAL, invoke=lambda passed: None)
