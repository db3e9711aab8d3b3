"""What a flow works with: the setting of one call, its judgement, the permit to run it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from toolguard._core.approval import Approval
from toolguard._core.audit import Draft, Outcome
from toolguard._core.call import Arguments, CallRef, Json, Tool
from toolguard._core.condition import Facts
from toolguard._core.frozen import made_fast
from toolguard._core.history import Ask, Before, By
from toolguard._core.mask import Finding
from toolguard._core.policy import Decision, Policy, ToolPlan
from toolguard._core.provenance import UNTRACED, Provenance
from toolguard._core.records import Scope, Trail
from toolguard._core.risk import Risk
from toolguard._core.steps import Step, Use
from toolguard._core.vault import Token
from toolguard.errors import Suspended

__all__ = [
    "DEFAULT_PAUSES",
    "Basis",
    "Done",
    "Flow",
    "Judged",
    "Permit",
    "ResultShape",
    "Setting",
    "Suspension",
    "Traces",
]

DEFAULT_PAUSES: tuple[type[BaseException], ...] = (Suspended,)

T = TypeVar("T")
Flow: TypeAlias = Generator[Step, Any, T]


class Suspension(StrEnum):
    """What happens to a call that waits for a person."""

    BLOCK = "block"
    RAISE = "raise"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultShape:
    """How a tool's result becomes JSON and back. ``close`` puts masked JSON into the result's own shape.

    ``schema`` is the JSON Schema of what ``open`` gives, where the tool declares one.
    """

    open: Callable[[Any], Json]
    close: Callable[[Any, Json], Any]
    schema: Mapping[str, Json] | None = None


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Everything that is fixed for one call before it begins.

    ``utc_offset`` and ``lease`` are in seconds. ``on_wait_timeout`` is ``withdraw`` or ``suspend``. With
    ``replays`` a call that already ran gives its recorded result again instead of an error (the tool does
    not run); frameworks that re-run a whole step need it. ``pauses`` are exceptions that are no failure of
    the tool but a pause inside it.
    """

    scope: Scope
    policy: Policy
    plan: ToolPlan
    risk: Risk
    ref: CallRef
    environment: str
    suspension: Suspension
    on_wait_timeout: str
    shape: ResultShape
    lease: float = 300.0
    replays: bool = False
    confirms: bool = True
    """Whether the approval service can be asked about a critical call, or need not be."""
    apart: bool = True
    """Whether nobody found that this process could do what is the approval service's alone, or that is accepted."""
    remote: bool = False
    """Whether approvals stand at a service elsewhere: confirming one is then claiming it there, and no yes but its own counts."""
    pauses: tuple[type[BaseException], ...] = DEFAULT_PAUSES
    utc_offset: float = 0.0
    agent_reason: str = field(default="", repr=False)
    session_facts: Mapping[str, Json] = field(default_factory=dict)
    lineage: tuple[str, ...] = ()
    """The session and those it belongs to, as subjects of marks; empty for the session alone."""
    before: Before | None = None
    """What is taken for the time before the call, instead of what the store holds; None where a call is real."""
    pointers: Callable[[Json], tuple[str, ...]] | None = field(default=None, repr=False)
    """Arguments that look like references (a path, a URL), so that people can be told whose contents nothing binds."""
    trace: Callable[[Json, Json], Provenance] | None = field(default=None, repr=False)
    """Where the deciding values came from: of what the tool would get, looked up as the model wrote it."""

    @property
    def tool(self) -> Tool:
        return self.plan.tool

    @property
    def tenant(self) -> str:
        return self.scope.caller.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What one judged call has to do with the time before and after it.

    Attributes:
        facts: what was judged, to judge it again under a fresh history.
        subjects: whose marks count and are written, by whose calls a rule counts.
        patients: those the arguments are about.
        references: digests of the names of what the arguments refer to.
        writes: names of what the call may write to; they hold paths, and are never kept.
    """

    facts: Facts = field(repr=False)
    now: float
    subjects: Mapping[By, tuple[str, ...]]
    patients: frozenset[str] = frozenset()
    references: tuple[str, ...] = ()
    writes: tuple[str, ...] = field(default=(), repr=False)
    asks: tuple[tuple[object, tuple[Ask, ...]], ...] = ()


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the tool would get, and the machine's answer to exactly that."""

    decision: Decision
    arguments: Arguments
    passed: Any = field(repr=False)
    args_digest: str
    call_digest: str
    present: tuple[Finding, ...]
    revealed: tuple[Finding, ...]
    hidden: tuple[Finding, ...]
    """Of ``revealed``, what an approver sees as tokens: all but what the model wrote where the policy passes it."""
    masked: int
    released: tuple[Token, ...]
    entered: Json
    """The arguments as the model wrote them, identifiers replaced by tokens."""
    names: Mapping[Token, str] = field(repr=False)
    stands: Mapping[Token, Token] = field(default_factory=dict)
    """Surrogates in ``arguments``, and the tokens they stand for."""
    provenance: Provenance = UNTRACED
    environment: str = ""
    utc_offset: float = 0.0
    traces: Traces | None = None
    """None where the policy asks nothing of the time before a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What lets a call run without a question of its own: a standing approval, or broken glass."""

    use: Use
    outcome: Outcome
    reason_code: str


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """A call that may run once: these arguments, now. ``pending`` are records that go down with the claim."""

    trail: Trail
    judged: Judged
    pending: tuple[Draft, ...]
    approval: Approval | None = None
    basis: Basis | None = None

    @property
    def passed(self) -> Any:
        """The objects the tool is to get."""
        return self.judged.passed

    @property
    def view(self) -> Json:
        """The arguments as the model wrote them, masked."""
        return self.judged.entered


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A finished call. ``value`` is masked; ``replayed`` says it came from the ledger and the tool did not run."""

    value: Any = field(repr=False)
    call: str
    replayed: bool = False
    seen: Json = field(default=None, repr=False)
    """``value`` as JSON, masked: what of it the model will see."""
