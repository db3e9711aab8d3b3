"""Judging calls without running anything: the guard's own flow, on a memory store, at any local time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from toolguard._core.call import Annotations, Caller, CallRef, Json, Tool, ToolIdentity
from toolguard._core.flow import Judged, Setting, Suspension, judge, mask_value
from toolguard._core.history import Before
from toolguard._core.policy import Decision, Handling, Policy, ToolPlan
from toolguard._core.records import Scope
from toolguard.bound import PLAIN
from toolguard.config import assemble
from toolguard.drive import Hands, run
from toolguard.errors import ToolguardError
from toolguard.ports import Aiming, Origin, SessionKey
from toolguard.register import RegisterReader
from toolguard.said import Said
from toolguard.stores import SystemClock

__all__ = ["Answer", "Call", "Judge", "local_seconds"]

_SOME_DAY = dt.datetime(2026, 3, 4, tzinfo=dt.UTC).timestamp()  # a Wednesday, where only the hour is given


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call to judge. ``at`` is its local time in seconds, as if local time were UTC; None: now."""

    tool: Tool
    args: Json = field(repr=False)
    caller: Caller
    environment: str = "production"
    at: float | None = None
    session: Mapping[str, Json] = field(default_factory=dict, repr=False)
    before: Before = field(default_factory=Before)
    said: tuple[tuple[Origin, Json], ...] = field(default=(), repr=False)
    """What the model had read before: whose words, and which."""


def local_seconds(*, hour: int = 12, moment: dt.datetime | None = None) -> float:
    """A local time as `Call.at` takes it: ``moment`` (naive), or ``hour`` of some working day."""
    return _SOME_DAY + hour * 3600 if moment is None else moment.replace(tzinfo=dt.UTC).timestamp()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the guard would do. ``refused`` is the code of an error that ends a call before any decision: a denial."""

    decision: Decision | None
    refused: str = ""
    plan: ToolPlan
    present: frozenset[str] = frozenset()
    revealed: frozenset[str] = frozenset()
    """Types of the real values that would reach the tool."""

    @property
    def effect(self) -> str:
        return "deny" if self.decision is None else self.decision.would.label

    @property
    def reason(self) -> str:
        if self.decision is None:
            return self.refused
        return self.decision.reason_code

    @property
    def rules(self) -> tuple[str, ...]:
        """Ids of every rule that matched, shadow rules included."""
        return () if self.decision is None else tuple(f.id for f in self.decision.fired)

    @property
    def approvals(self) -> tuple[str, ...]:
        return () if self.decision is None else tuple(r.name for r in self.decision.approver_rules)

    def handling(self, path: str) -> Handling:
        """How the argument at a dotted ``path`` is handled in the end: by the tool's entry and what rules withhold."""
        names = path.split(".")
        withheld = {} if self.decision is None else self.decision.obligations.args
        shorter = {".".join(names[:n]) for n in range(1, len(names) + 1)}
        if any(withheld.get(name) is Handling.MASK for name in ("*", *shorter)):
            return Handling.MASK
        return self.plan.handling(tuple(names))


class _Clock(SystemClock):
    """Stands still at ``at``, which is moved from call to call; runs while there is none."""

    at: float | None = None

    def now(self) -> float:
        return super().now() if self.at is None else self.at


class Judge:
    """Judges calls under one policy, as a guard would. Not thread-safe. Use it as a context manager."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._clock = _Clock()
        self._parts = assemble(policy, clock=self._clock)
        self._plans: dict[tuple[ToolIdentity, Annotations], ToolPlan] = {}
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._parts.close()

    def judge(self, call: Call) -> Answer:
        """The answer to ``call``. Each call is a session of its own."""
        return self._judge(call, masked=False)[0]

    def explained(self, call: Call) -> tuple[Answer, Json]:
        """The answer, and the arguments with every identifier masked."""
        return self._judge(call, masked=True)

    def _judge(self, call: Call, *, masked: bool) -> tuple[Answer, Json]:
        setting, hands = self._set(call)
        try:
            judged = run(judge(setting, call.args), hands)
        except ToolguardError as refusal:
            return Answer(decision=None, refused=refusal.code, plan=setting.plan), None
        shown = run(mask_value(call.args, Origin.MODEL), hands) if masked else None
        return _answer(judged, setting.plan), shown

    def _set(self, call: Call) -> tuple[Setting, Hands]:
        parts, caller = self._parts, call.caller
        self._clock.at = call.at
        self._count += 1
        session = f"call-{self._count}"
        known = (call.tool.identity, call.tool.annotations)
        plan = self._plans.get(known) or self._plans.setdefault(known, self.policy.plan(call.tool))
        analysis = parts.analyser.tool(call.tool)
        sealer = parts.sealer(caller.tenant)
        said = Said()
        for origin, words in call.said:
            said.message(words, origin)
        setting = Setting(
            scope=Scope.of(caller, session=session, digest_key=sealer.digest_key, trace_id="", parent_id=""),
            policy=self.policy,
            plan=plan,
            risk=analysis.static,
            ref=CallRef(run=session, call_id="1"),
            environment=call.environment,
            suspension=Suspension.RAISE,
            on_wait_timeout="withdraw",
            shape=PLAIN,
            utc_offset=parts.utc_offset() if call.at is None else 0.0,
            session_facts=call.session,
            before=call.before,
            trace=said.tracer(analysis if isinstance(analysis, Aiming) else None, plan),
        )
        hands = Hands(
            store=parts.store,
            clock=parts.clock,
            ids=parts.ids,
            detector=parts.detector.session(),
            analysis=analysis,
            sealer=sealer,
            directory=parts.directory,
            verifier=parts.verifier,
            session=SessionKey(tenant=caller.tenant, session=session),
            register=RegisterReader(parts.store, parts.verifier, caller.tenant),
        )
        return setting, hands


def _answer(judged: Judged, plan: ToolPlan) -> Answer:
    return Answer(
        decision=judged.decision,
        plan=plan,
        present=frozenset(f.type for f in judged.present),
        revealed=frozenset(f.type for f in judged.revealed),
    )
