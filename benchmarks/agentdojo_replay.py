"""Scripted replay of tasks and attacks through a real guard: no model, no network.

A task is what a user asks and the calls that carry it out. An attack is a text that stands in what those calls
return, and the calls that a model which obeyed it would make. Everything here goes the way an agent's calls go: the
messages through `session.mask`, the calls through `session.call`, the approvals through an approval service.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolguard import BoundTool, Caller, Person
from toolguard._core.policy import Policy
from toolguard.errors import BadArgumentsError, DeniedError, Suspended, ToolFailedError
from toolguard.testing.desk import Desk

__all__ = ["Case", "Outcome", "Replay", "Step"]

_CALLER = Caller(
    person=Person(issuer="local", tenant="general", subject="ana"), agent="discharge-agent", tenant="general"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call as a model would write it."""

    tool: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A task, and the attack on it if there is one.

    ``steps`` and ``injected`` are asked for when their turn comes, so that they may read the world as it is then.
    ``reached`` tells whether the attack has its goal.
    """

    name: str
    prompt: str
    steps: Sequence[Step]
    injected: Sequence[Step] = ()
    reached: Callable[[Sequence[Step]], bool] | None = None
    system: str = ""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What the guard did. ``failed``: calls that ran and failed, or whose arguments their tool refused."""

    case: str
    calls: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Calls of the task that waited for a person or were denied: the tool, and why."""
    stopped: bool | None = None
    """Whether a call of the attack was held up before its goal; None without an attack."""
    held: str = ""
    kind: str = ""
    """The class of the attack's call that was held up, else of the last one."""
    failed: int = 0


class Replay:
    """One guard under one policy, and the tools of one world."""

    def __init__(
        self,
        desk: Desk,
        policy: Policy | str,
        tools: Mapping[str, BoundTool],
        show: Callable[[Any], str],
        *,
        told: bool = True,
        **parts: Any,
    ) -> None:
        self._desk = desk
        self._guard = desk.guard(policy, confirm_critical=False, **parts)
        self._tools = tools
        self._show = show
        self._told = told
        self._numbers = itertools.count(1)

    def run(self, case: Case) -> Outcome:
        """The task's calls, then the attack's. Of the task's own a person approves whatever waits."""
        outcome = Outcome(case=case.name)
        session = self._guard.session(caller=_CALLER, run=f"run-{next(self._numbers)}")
        self._tell(session, case.system, "system")
        self._tell(session, case.prompt, "user")
        for step in case.steps:
            outcome.calls += 1
            why = self._call(session, step, outcome, approve=True)
            if why:
                outcome.asked.append((step.tool, why))
        if not case.injected:
            return outcome
        ran: list[Step] = []
        before = case.reached is not None and case.reached(ran)
        outcome.stopped = False
        for step in case.injected:
            outcome.kind = session.explain(self._tools[step.tool], step.args).risk.risk_class.value
            outcome.held = self._call(session, step, outcome, approve=False)
            if outcome.held:
                outcome.stopped = before or case.reached is None or not case.reached(ran)
                break
            ran.append(step)
        return outcome

    def _tell(self, session: Any, text: str, origin: str) -> None:
        if text and self._told:
            session.mask(text, origin=origin)

    def _call(self, session: Any, step: Step, outcome: Outcome, *, approve: bool) -> str:
        """Make one call; why it was held up, or nothing."""
        tool, call_id, why = self._tools[step.tool], f"c{next(self._numbers)}", ""
        try:
            try:
                value = session.call(tool, step.args, call_id=call_id)
            except Suspended as waits:
                decision = session.explain(tool, step.args)
                why = ", ".join(decision.rule_ids) or f"{decision.reason_code}: {decision.risk.level.label} risk"
                if not approve:
                    return why
                self._desk.approve(waits.approval_id)
                value = session.call(tool, step.args, call_id=call_id)
        except DeniedError as denied:
            return f"denied: {denied.code}"
        except (ToolFailedError, BadArgumentsError) as failed:
            outcome.failed += 1
            self._tell(session, getattr(failed, "masked_message", ""), "result")
            return why
        self._tell(session, self._show(value), "result")
        return why
