"""Drafts of audit records: the one place that says which facts of a call are written down.

Keys are those of the spans. Everything here is an id, an enum, a count, a keyed digest or a time; tool and
rule names come from the application and the policy, never from the model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from toolguard._core.approval import Approval, Request
from toolguard._core.audit import Draft, Kind, Outcome
from toolguard._core.call import Annotations, Caller, CallRef, Json, Tool, ToolIdentity, canonical, keyed_digest
from toolguard._core.frozen import made_fast, maker
from toolguard._core.history import NO_HISTORY, History
from toolguard._core.mask import Finding
from toolguard._core.policy import Decision
from toolguard._core.risk import Risk, RiskClass, RiskLevel
from toolguard._core.vault import Token

__all__ = ["Scope", "Trail", "approval_body", "counts", "found_risk", "label", "with_content"]

MOST_KEPT = 65_536
"""Characters of arguments or of a result that are kept, where they are."""
MOST_SHOWN = 4096
"""Characters of arguments or of a result that a span shows, where it shows them."""
_make_draft = maker(Draft)
_SAFE = re.compile(r"[A-Za-z0-9_.:\-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Who and where: what every record of a session shares."""

    caller: Caller
    session: str
    digest_key: bytes = field(repr=False)
    trace_id: str
    parent_id: str
    detector_version: str = ""
    base: Mapping[str, Json] = field(default_factory=dict)
    """What every record of the session says, worked out once."""
    content: bool = False
    """Whether spans may show masked arguments and results (`Draft.aside`)."""
    keep: bool = False
    """Whether the same is kept beside records, sealed (`Draft.keep`)."""

    @classmethod
    def of(
        cls,
        caller: Caller,
        *,
        session: str,
        digest_key: bytes,
        trace_id: str,
        parent_id: str,
        detector_version: str = "",
        content: bool = False,
        keep: bool = False,
    ) -> Scope:
        base = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.type": "function",
            "gen_ai.agent.name": label(caller.agent, digest_key),
            "toolguard.tenant": caller.tenant,
            "toolguard.session.id": label(session, digest_key),
            "toolguard.actor.id": label(caller.person.ref.replace("|", ":"), digest_key),
            "toolguard.actor.assurance": caller.assurance.value,
        }
        return cls(
            caller=caller,
            session=session,
            digest_key=digest_key,
            trace_id=trace_id,
            parent_id=parent_id,
            detector_version=detector_version,
            base=base,
            content=content,
            keep=keep,
        )


def label(text: str, key: bytes) -> str:
    """``text`` if it is a plain identifier, else a keyed digest: ids from outside may hold anything."""
    return text if _SAFE.fullmatch(text) else keyed_digest(key, "toolguard.label", text.encode("utf-8", "replace"))


def found_risk(risk: Risk) -> list[str]:
    """``["args:destructive:high", "tool:write:medium"]``: who spoke for which class and level, the first one first.

    ``policy`` is the policy's word on a tool's risk, ``filed`` a class it files the tool under.
    """
    said = _spoken(tuple([(e.source, e.risk_class, e.level) for e in risk.evidence]))
    return list(said) or [f"tool:{risk.risk_class.value}:{risk.level.label}"]


@lru_cache(maxsize=1024)
def _spoken(evidence: tuple[tuple[str, RiskClass, RiskLevel], ...]) -> tuple[str, ...]:
    named = ((_ORIGIN.get(source, source.partition(".")[0]), kind, level) for source, kind, level in evidence)
    return tuple(dict.fromkeys(f"{origin}:{kind.value}:{level.label}" for origin, kind, level in named))


@lru_cache(maxsize=1024)
def _known(
    tool: ToolIdentity, annotations: Annotations, roles: frozenset[str], environment: str, key: bytes
) -> Mapping[str, Json]:
    """What is the same for every call of a tool by a caller."""
    said: dict[str, Json] = {
        "toolguard.tool.source": label(tool.source, key),
        "toolguard.tool.digest": tool.digest,
        "toolguard.environment": label(environment, key),
    }
    if roles:
        said["toolguard.actor.roles"] = sorted(label(role, key) for role in roles)
    if hints := annotations.said:
        said["toolguard.tool.annotations"] = list(hints)
    return said


_ORIGIN = {
    "policy.category": "filed",
    **dict.fromkeys(("name", "description", "annotation", "schema"), "tool"),
}


def counts(types: Iterable[str]) -> list[str]:
    """``["MRN:1", "PERSON:2"]``: types and counts, the only thing said of identifiers."""
    return [f"{name}:{n}" for name, n in sorted(Counter(types).items())]


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """One call's records. ``span_id`` is its evaluate span; the others hang from it."""

    scope: Scope
    tool: Tool
    ref: CallRef
    call: str
    span_id: str
    started: float
    base: Mapping[str, Json] = field(default_factory=dict)

    @classmethod
    def begin(cls, scope: Scope, tool: Tool, ref: CallRef, *, call: str, started: float, policy: str = "") -> Trail:
        """``policy`` is the SHA-256 of the policy the call is judged by; every record of the call says it."""
        base = {
            **scope.base,
            "gen_ai.tool.name": tool.name,
            "gen_ai.tool.call.id": ref.call_id,
            "gen_ai.conversation.id": ref.run,
            "toolguard.call.id": call,
        }
        if policy:
            base["toolguard.policy.sha256"] = policy
        return _make_trail(scope=scope, tool=tool, ref=ref, call=call, span_id=call[:16], started=started, base=base)

    def draft(
        self, kind: Kind, *, at: float, started: float, span_id: str, body: Mapping[str, Json], link_id: str = ""
    ) -> Draft:
        return _make_draft(
            kind=kind,
            at=at,
            started=started,
            call=self.call,
            trace_id=self.scope.trace_id,
            span_id=span_id,
            parent_id=self.scope.parent_id if span_id == self.span_id else self.span_id,
            link_id=link_id,
            body={**self.base, **body},
        )

    def decided(
        self,
        decision: Decision,
        outcome: Outcome,
        *,
        at: float,
        args_digest: str,
        present: Iterable[Finding],
        masked: int,
        released: Iterable[Token],
        basis: tuple[str, str] | None = None,
        revealed: Iterable[Finding] = (),
        origins: Iterable[str] = (),
        environment: str = "",
        utc_offset: float = 0.0,
    ) -> Draft:
        """`Kind.CALL_DECIDED`: the evaluate span. ``basis`` is (reason code, act) where an act lets the call run.

        With what a policy may ask of a call but its values, so that another policy can be tried on it later.
        """
        types = [f.type for f in present]
        body: dict[str, Json] = {
            "toolguard.decision.outcome": outcome.value,
            "toolguard.decision.effect": decision.effect.label,
            "toolguard.decision.reason_code": decision.reason_code,
            "toolguard.risk.level": decision.risk.level.label,
            "toolguard.risk.class": decision.risk.risk_class.value,
            "toolguard.policy.id": decision.policy_id,
            "toolguard.policy.version": decision.policy_version,
            "toolguard.policy.sha256": decision.policy_sha256,
            "toolguard.policy.rule.id": [f.id for f in decision.fired],
            "toolguard.args.hmac": args_digest,
        }
        body |= self._asked(decision, environment, utc_offset)
        if decision.history is not NO_HISTORY:
            body |= _remembered(decision.history)
        if reaching := [f.type for f in revealed]:
            body["toolguard.phi.revealed"] = counts(reaching)
        if came := sorted(origins):
            body["toolguard.args.origins"] = came
        if decision.fired and (controls := decision.controls):
            body["toolguard.policy.controls"] = list(controls)
        if decision.obligations.log == "full":
            body |= _evidence(decision)
        if types or masked:
            body["toolguard.phi.entities"] = counts(types)
            body["toolguard.phi.count"] = len(types)
            body["toolguard.phi.masked"] = masked
            body["toolguard.phi.released"] = counts(t.type for t in released)
        if self.scope.detector_version:
            body["toolguard.phi.detector.version"] = self.scope.detector_version
        if basis is not None:
            body["toolguard.decision.reason_code"], body["toolguard.act.id"] = basis
        if decision.would is not decision.effect:
            body["toolguard.decision.would"] = decision.would.label
        return self.draft(Kind.CALL_DECIDED, at=at, started=self.started, span_id=self.span_id, body=body)

    def _asked(self, decision: Decision, environment: str, utc_offset: float) -> dict[str, Json]:
        """What rules ask of a call, besides what is on record anyway."""
        key, tool, caller = self.scope.digest_key, self.tool, self.scope.caller
        body: dict[str, Json] = {
            **_known(tool.identity, tool.annotations, caller.roles, environment, key),
            "toolguard.time.utc_offset": int(utc_offset),
            "toolguard.risk.found": found_risk(decision.risk),
        }
        if decision.fired:
            if shadow := [f"{f.id}:{f.effect.label}" for f in decision.fired if f.shadow]:
                body["toolguard.policy.shadow"] = shadow
            if failed := [f"{f.id}:{f.error}" for f in decision.fired if f.error]:
                body["toolguard.policy.rule.errors"] = failed
        return body

    def refused(self, reason_code: str, *, at: float, error_type: str = "") -> Draft:
        """`Kind.CALL_DECIDED` where no decision could be reached: denied, with the fault's class."""
        body: dict[str, Json] = {
            "toolguard.decision.outcome": Outcome.DENIED.value,
            "toolguard.decision.effect": "deny",
            "toolguard.decision.reason_code": reason_code,
        }
        if error_type:
            body["error.type"] = error_type
        return self.draft(Kind.CALL_DECIDED, at=at, started=self.started, span_id=self.span_id, body=body)

    def not_run(self, outcome: Outcome, reason_code: str, *, at: float, span_id: str) -> Draft:
        """`Kind.CALL_NOT_RUN`: a call that was let through did not run after all."""
        body = {"toolguard.decision.outcome": outcome.value, "toolguard.decision.reason_code": reason_code}
        return self.draft(Kind.CALL_NOT_RUN, at=at, started=at, span_id=span_id, body=body)

    def executing(self, *, at: float, span_id: str, link_id: str, request: Request | None, args_digest: str) -> Draft:
        """`Kind.CALL_EXECUTING`. ``args_digest`` is that of the objects really passed."""
        body: dict[str, Json] = {
            "toolguard.execution.span_id": span_id,
            "toolguard.args.hmac": args_digest,
            **_asked(request),
        }
        return self.draft(Kind.CALL_EXECUTING, at=at, started=at, span_id=span_id, link_id=link_id, body=body)

    def ended(
        self,
        kind: Kind,
        outcome: Outcome,
        *,
        at: float,
        started: float,
        span_id: str,
        link_id: str = "",
        request: Request | None = None,
        error_type: str = "",
        found: Iterable[Finding] = (),
        withheld: bool = False,
    ) -> Draft:
        """The execute_tool span: returned, failed or indeterminate."""
        body: dict[str, Json] = {"toolguard.decision.outcome": outcome.value, **_asked(request)}
        types = [f.type for f in found]
        if types:
            body["toolguard.phi.entities"] = counts(types)
            body["toolguard.phi.count"] = len(types)
        if withheld:
            body["toolguard.result.withheld"] = True
        if error_type:
            body["error.type"] = error_type
        return self.draft(kind, at=at, started=started, span_id=span_id, link_id=link_id, body=body)

    def credential(
        self, kind: Kind, name: str, provider: str, reason_code: str, *, at: float, span_id: str, parent_id: str
    ) -> Draft:
        """`Kind.CREDENTIAL_RELEASED` and its kin, under the execution's span. Tools name credentials: see `label`."""
        body: dict[str, Json] = {
            **self.base,
            "toolguard.credential.name": label(name, self.scope.digest_key),
            "toolguard.credential.provider": provider,
        }
        if reason_code:
            body["toolguard.decision.reason_code"] = reason_code
        return Draft(
            kind=kind,
            at=at,
            started=at,
            call=self.call,
            trace_id=self.scope.trace_id,
            span_id=span_id,
            parent_id=parent_id,
            body=body,
        )

    def requested(self, request: Request, *, span_id: str) -> Draft:
        return self.draft(
            Kind.APPROVAL_REQUESTED,
            at=request.created,
            started=request.created,
            span_id=span_id,
            body=approval_body(request, Outcome.PENDING),
        )

    def resolved(self, approval: Approval, outcome: Outcome, reason_code: str, *, at: float, span_id: str) -> Draft:
        """`Kind.APPROVAL_RESOLVED` by the guard (withdrawn, expired, invalidated): the wait span."""
        body = {
            **approval_body(approval.request, outcome),
            "toolguard.decision.reason_code": reason_code,
            "toolguard.approval.decided_at": at,
            "toolguard.approval.wait_s": max(0.0, at - approval.request.created),
        }
        return self.draft(
            Kind.APPROVAL_RESOLVED,
            at=at,
            started=approval.request.created,
            span_id=span_id,
            link_id=approval.request.span_id,
            body=body,
        )


_make_trail = maker(Trail)


def _evidence(decision: Decision) -> dict[str, Json]:
    """What led to a decision, where a rule asks for a full record: ids, sources and codes, never a value."""
    said = sorted({f"{e.source}:{e.risk_class.value}:{e.level.label}" for e in decision.risk.evidence})
    return {
        "toolguard.risk.evidence": said,
        "toolguard.policy.rule.effects": [f"{f.id}:{f.effect.label}" for f in decision.fired],
        "toolguard.policy.rule.errors": [f"{f.id}:{f.error}" for f in decision.fired if f.error],
    }


def with_content(draft: Draft, scope: Scope, name: str, masked: Json) -> Draft:
    """The draft with masked content under ``name``, as far as spans may show it and as far as it is kept."""
    text = canonical(masked).decode()
    if scope.content:
        draft = replace(draft, aside={name: _cut(text, MOST_SHOWN)})
    return replace(draft, keep=canonical({name: _cut(text, MOST_KEPT)}).decode()) if scope.keep else draft


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def _asked(request: Request | None) -> dict[str, Json]:
    """What an execution says of the question it ran on: enough to show it where that question is shown."""
    if request is None:
        return {}
    return {"toolguard.approval.id": request.id, "toolguard.approval.requested_at": request.created}


def _remembered(history: History) -> dict[str, Json]:
    """What was known of the time before the call: words and counts."""
    body: dict[str, Json] = {}
    if history.taints:
        body["toolguard.session.taints"] = sorted(history.taints)
    if history.labels:
        body["toolguard.args.labels"] = sorted(history.labels)
    if history.counts:
        body["toolguard.history.counts"] = [t for t in history.told() if not t.startswith(("taint:", "label:"))]
    return body


def approval_body(request: Request, outcome: Outcome) -> dict[str, Json]:
    """What every record about an approval says of it."""
    return {
        "toolguard.approval.id": request.id,
        "toolguard.actor.person": request.requester_person,
        "toolguard.decision.outcome": outcome.value,
        "toolguard.args.hmac": request.args_digest,
        "toolguard.call.hmac": request.call_digest,
        "toolguard.view.hmac": request.view_digest,
        "toolguard.risk.level": request.risk_level,
        "toolguard.policy.sha256": request.policy_sha256,
        "toolguard.approval.requested_at": request.created,
        "toolguard.approval.expires_at": request.expires,
        "toolguard.approver.quorum": max((r.quorum for r in request.approver_rules), default=0),
        "toolguard.approval.channel": ",".join(sorted({r.channel for r in request.approver_rules})),
    }
