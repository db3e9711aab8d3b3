"""The register of acts: what the approval service did beyond single verdicts, signed and chained, never deleted.

Freezing, voiding a yes, letting a yes stand, breaking the glass: each is an act. A guard folds the acts of its
tenant (and of ``ALL``, which concern every tenant) into a `Register` and claims nothing under another one than the
store has at that moment. Whoever can write to the store but cannot sign can neither add an act nor take one out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from toolguard._core.acts import ALL, START, Act, ActKind, act_of, act_payload, tampered
from toolguard._core.approval import StandingTerms, Vary
from toolguard._core.frozen import made_fast, maker
from toolguard._core.risk import RiskLevel
from toolguard._core.spelling import plain

__all__ = [
    "ALL",
    "START",
    "UNREAD",
    "Act",
    "ActKind",
    "BreakGlass",
    "Freeze",
    "Heads",
    "Hold",
    "Redaction",
    "Register",
    "Registers",
    "StandingApproval",
    "act_of",
    "act_payload",
    "make_heads",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """``agent`` is frozen (``""``: every agent) in ``tenant`` (``ALL``: in every tenant)."""

    id: str
    tenant: str
    agent: str
    person: str
    at: float
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingApproval:
    """A yes that stands: which calls, whose, how long and how often.

    ``fixed`` are keyed digests of the arguments that must be the same; any argument that stands neither there nor in
    ``terms.vary`` is one too many. ``rules`` is the digest of the approver rules it was given under, ``asked_by`` are
    the policy rules that asked, ``classes`` what the call was found to do: another rule, or another kind of effect, is
    another question.
    """

    id: str
    approval: str
    person: str
    agent: str
    session: str
    tool: str
    tool_ref: str
    level: RiskLevel
    rules: str
    asked_by: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    fixed: Mapping[str, str]
    terms: StandingTerms
    begins: float
    expires: float
    approvers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlass:
    """An emergency: ``person`` may, until ``expires``, read and write what concerns one patient (``subject``).

    ``by`` is who broke the glass for them.
    """

    id: str
    approval: str
    person: str
    agent: str
    subject: str
    call_digest: str
    begins: float
    expires: float
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What is kept of ``target`` (see `Redaction`) stays. ``lift_by`` has proposed to lift it, ``""``: nobody has."""

    id: str
    scope: str
    target: str
    person: str
    at: float
    reason: str = ""
    lift_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """``person`` proposed to delete ``contents``: all that was kept then of ``target``.

    ``scope``: ``record`` (target ``LOG:NUMBER``), ``call``, ``session``, ``person``; of a hold also ``tenant``.
    """

    id: str
    scope: str
    target: str
    contents: tuple[str, ...]
    person: str
    at: float
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """The acts of one tenant up to ``n``, folded. ``last`` is the hash of the last one."""

    tenant: str
    n: int = 0
    last: str = START
    freezes: Mapping[str, Freeze] = field(default_factory=dict)
    void: frozenset[str] = frozenset()
    standing: Mapping[str, StandingApproval] = field(default_factory=dict)
    glass: Mapping[str, BreakGlass] = field(default_factory=dict)
    reviewed: frozenset[str] = frozenset()
    """Acts and calls that somebody else has looked at."""
    editors: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Run → who proposed other arguments in it: they approve nothing that comes of it."""
    legal_holds: Mapping[str, Hold] = field(default_factory=dict)
    redactions: Mapping[str, Redaction] = field(default_factory=dict)
    """Those that were proposed and not carried out."""
    restored: float = 0.0
    """When a store that had been set back was last taken into use again (UTC seconds)."""

    def holds(self, act: str) -> bool:
        """Whether the yes that a standing approval or broken glass came of still holds: they fall with it."""
        made = self.standing.get(act) or self.glass.get(act)
        return made is not None and made.approval not in self.void

    def add(self, act: Act) -> Register:
        """The register with the next act.

        Raises:
            TamperedError: it is not the next one, or says what no act says.
        """
        if (act.tenant, act.n, act.prev) != (self.tenant, self.n + 1, self.last):
            raise tampered()
        try:
            after = _FOLDS[act.kind](self, act)
        except (KeyError, TypeError, ValueError):
            raise tampered() from None
        return replace(after, n=act.n, last=act.hash)


def _freeze(register: Register, act: Act) -> Register:
    freeze = Freeze(
        id=act.id,
        tenant=act.tenant,
        agent=_text(act, "agent"),
        person=act.person,
        at=act.at,
        reason=_text(act, "reason"),
    )
    return replace(register, freezes={**register.freezes, act.id: freeze})


def _unfreeze(register: Register, act: Act) -> Register:
    lifted = _text(act, "freeze")
    if lifted not in register.freezes:
        raise ValueError
    return replace(register, freezes={k: f for k, f in register.freezes.items() if k != lifted})


def _void(register: Register, act: Act) -> Register:
    return replace(register, void=register.void | {_text(act, "approval")})


def _standing(register: Register, act: Act) -> Register:
    body = act.body
    terms = body["terms"]
    made = StandingApproval(
        id=act.id,
        approval=_text(act, "approval"),
        person=_text(act, "requester"),
        agent=_text(act, "agent"),
        session=_text(act, "session"),
        tool=_text(act, "tool"),
        tool_ref=_text(act, "tool_ref"),
        level=RiskLevel.of(_text(act, "level")),
        rules=_text(act, "rules"),
        asked_by=frozenset(str(name) for name in body.get("asked_by", ())),
        classes=frozenset(str(name) for name in body.get("classes", ())),
        fixed={str(k): str(v) for k, v in body["fixed"].items()},
        terms=StandingTerms(
            seconds=float(terms["seconds"]),
            uses=int(terms["uses"]),
            session_only=bool(terms["session_only"]),
            vary=tuple(
                Vary(argument=str(v["argument"]), at_most=None if v["at_most"] is None else float(v["at_most"]))
                for v in terms["vary"]
            ),
        ),
        begins=act.at,
        expires=float(body["expires"]),
        approvers=tuple(str(p) for p in body["approvers"]),
    )
    return replace(register, standing={**register.standing, act.id: made})


def _standing_ended(register: Register, act: Act) -> Register:
    ended = _text(act, "standing")
    return replace(register, standing={k: s for k, s in register.standing.items() if k != ended})


def _break_glass(register: Register, act: Act) -> Register:
    glass = BreakGlass(
        id=act.id,
        approval=_text(act, "approval"),
        person=_text(act, "requester"),
        agent=_text(act, "agent"),
        subject=_text(act, "subject"),
        call_digest=_text(act, "call_digest"),
        begins=act.at,
        expires=float(act.body["expires"]),
        by=act.person,
        reason=_text(act, "reason"),
    )
    return replace(register, glass={**register.glass, act.id: glass})


def _reviewed(register: Register, act: Act) -> Register:
    subject = "subject" if "subject" in act.body else "break_glass"  # what acts said before calls could be reviewed
    return replace(register, reviewed=register.reviewed | {_text(act, subject)})


def _proposed(register: Register, act: Act) -> Register:
    run = _text(act, "run")
    return replace(register, editors={**register.editors, run: register.editors.get(run, frozenset()) | {act.person}})


def _restored(register: Register, act: Act) -> Register:
    return replace(register, restored=max(register.restored, act.at))


def _hold(register: Register, act: Act) -> Register:
    hold = Hold(
        id=act.id,
        scope=_text(act, "scope"),
        target=_text(act, "target"),
        person=act.person,
        at=act.at,
        reason=_text(act, "reason"),
    )
    return replace(register, legal_holds={**register.legal_holds, act.id: hold})


def _hold_lift_proposed(register: Register, act: Act) -> Register:
    hold = register.legal_holds[_text(act, "hold")]
    return replace(register, legal_holds={**register.legal_holds, hold.id: replace(hold, lift_by=act.person)})


def _hold_lifted(register: Register, act: Act) -> Register:
    hold = register.legal_holds[_text(act, "hold")]
    if hold.lift_by in ("", act.person):
        raise ValueError  # it takes two
    return replace(register, legal_holds={k: h for k, h in register.legal_holds.items() if k != hold.id})


def _redaction_proposed(register: Register, act: Act) -> Register:
    proposed = Redaction(
        id=act.id,
        scope=_text(act, "scope"),
        target=_text(act, "target"),
        contents=tuple(str(name) for name in act.body["contents"]),
        person=act.person,
        at=act.at,
        reason=_text(act, "reason"),
    )
    return replace(register, redactions={**register.redactions, act.id: proposed})


def _redacted(register: Register, act: Act) -> Register:
    proposed = register.redactions[_text(act, "proposal")]
    if proposed.person == act.person or list(proposed.contents) != act.body["contents"]:
        raise ValueError  # it takes two, who mean the same
    return replace(register, redactions={k: r for k, r in register.redactions.items() if k != proposed.id})


def _kept(register: Register, act: Act) -> Register:
    """An act that changes nothing a guard looks at."""
    return register


def _text(act: Act, name: str) -> str:
    value = act.body[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


_FOLDS = {
    ActKind.FREEZE: _freeze,
    ActKind.UNFREEZE: _unfreeze,
    ActKind.VOID: _void,
    ActKind.STANDING: _standing,
    ActKind.STANDING_ENDED: _standing_ended,
    ActKind.BREAK_GLASS: _break_glass,
    ActKind.REVIEWED: _reviewed,
    ActKind.PROPOSED: _proposed,
    ActKind.RESOLVED: _kept,
    ActKind.RESTORED: _restored,
    ActKind.HOLD: _hold,
    ActKind.HOLD_LIFT_PROPOSED: _hold_lift_proposed,
    ActKind.HOLD_LIFTED: _hold_lifted,
    ActKind.REDACTION_PROPOSED: _redaction_proposed,
    ActKind.REDACTED: _redacted,
}


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """How far the two registers that concern a call have been read."""

    tenant: int = 0
    all: int = 0


make_heads = maker(Heads)
UNREAD = Heads()
"""Nothing of either was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registers:
    """What concerns one tenant: its own register and the one of all tenants."""

    tenant: Register
    all: Register

    @classmethod
    def empty(cls, tenant: str) -> Registers:
        return cls(tenant=Register(tenant=tenant), all=Register(tenant=ALL))

    @property
    def heads(self) -> Heads:
        return make_heads(tenant=self.tenant.n, all=self.all.n)

    def holds(self, act: str) -> bool:
        """Whether a standing approval or broken glass still lets calls run.

        What came of a yes falls with it; what was made before the store was set back falls with that, as nobody knows
        how often it was used or whether it was ended since.
        """
        made = self.tenant.standing.get(act) or self.tenant.glass.get(act)
        return made is not None and made.begins > self.all.restored and self.tenant.holds(act)

    def frozen(self, agent: str) -> Freeze | None:
        """The freeze that holds ``agent``, if one does; spelling the name another way frees nobody."""
        if not (self.all.freezes or self.tenant.freezes):
            return None
        name = plain(agent)
        for register in (self.all, self.tenant):
            for freeze in register.freezes.values():
                if not freeze.agent or plain(freeze.agent) == name:
                    return freeze
        return None
