"""Decisions as the journal has them: everything a rule may ask of a call but its arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toolguard._core.audit import AuditRecord, Kind
from toolguard._core.call import Annotations, Assurance, Caller, Person, Tool, ToolIdentity
from toolguard._core.policy import Effect
from toolguard._core.risk import Evidence, Risk, RiskClass, RiskLevel
from toolguard.errors import EvidenceError
from toolguard.journal import reaching_back
from toolguard.population import taken_out
from toolguard.ports import Store

__all__ = ["Recorded", "Unusable", "decisions", "whole_since"]

_DIGEST = re.compile(r"v\d+:[0-9a-f]{64}")
_HINTS = ("read_only", "destructive", "idempotent", "open_world", "trusted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A decision nothing can be said of under another policy. ``why`` is one of few texts, for counting."""

    call: str
    at: float
    tool: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One decision. ``hidden`` names facts whose value was no plain word, so that only a digest of it was kept.

    Attributes:
        effect: what was decided, as if outside shadow mode.
        found: the risk, with who spoke for it (``tool``, ``args``, ``policy``, ``filed``) as source of the evidence.
        rules: ids of the rules that matched, shadow rules included; ``failed``: of those that could not be evaluated.
        shadow: what rules in shadow asked for, by id.
    """

    call: str
    at: float
    tool: Tool
    caller: Caller
    environment: str
    utc_offset: float
    found: Risk
    present: tuple[str, ...]
    revealed: tuple[str, ...]
    effect: Effect
    enforced: Effect
    reason: str
    rules: tuple[str, ...]
    failed: frozenset[str]
    shadow: Mapping[str, Effect]
    policy_sha256: str
    hidden: frozenset[str]


def decisions(store: Store, since: float) -> Iterator[Recorded | Unusable]:
    """Every decision since ``since`` (UTC seconds), log by log. Segments are read where some of that stands in them."""
    for record in reaching_back(store, since).records():
        if record.draft.kind is Kind.CALL_DECIDED and record.draft.at >= since:
            yield _read(record)


def whole_since(store: Store, since: float) -> Store:
    """``store``, if every record since ``since`` (UTC seconds) is at hand.

    Raises:
        EvidenceError: some were taken out of the store, and stand in segments that were not given: fewer calls would look like
            all of them.
    """
    unseen = [begin for begin in taken_out(store).values() if begin.newest >= since]
    if unseen:
        raise EvidenceError(
            f"records of this time were taken out of the store ({len(unseen)} logs); they stand in segments: name their folder "
            "with --segments, or set [audit] segments"
        )
    return store


def _read(record: AuditRecord) -> Recorded | Unusable:
    body, draft = record.draft.body, record.draft
    name = str(body.get("gen_ai.tool.name", ""))
    why = ""
    if "toolguard.policy.rule.id" not in body:
        why = "it was refused before any policy was asked"
    elif "toolguard.risk.found" not in body:
        why = "it was recorded before records said what rules ask"
    if why:
        return Unusable(call=draft.call, at=draft.at, tool=name, why=why)
    try:
        return _recorded(record, body, name)
    except (KeyError, ValueError, TypeError):
        return Unusable(call=draft.call, at=draft.at, tool=name, why="its record does not read like one of ours")


def _recorded(record: AuditRecord, body: Mapping[str, Any], name: str) -> Recorded:
    enforced = Effect[str(body["toolguard.decision.effect"]).upper()]
    would = str(body.get("toolguard.decision.would", enforced.label))
    agent, source = str(body["gen_ai.agent.name"]), str(body["toolguard.tool.source"])
    person, roles = str(body["toolguard.actor.id"]), tuple(map(str, body.get("toolguard.actor.roles", ())))
    environment, tenant = str(body["toolguard.environment"]), str(body["toolguard.tenant"])
    parts = person.split(":", 2)
    issuer, _, subject = parts if len(parts) == 3 and parts[1] == tenant else ("local", tenant, "somebody")
    plain = {
        "agent": not _DIGEST.fullmatch(agent),
        "source": not _DIGEST.fullmatch(source),
        "roles": not any(map(_DIGEST.fullmatch, roles)),
        "environment": not _DIGEST.fullmatch(environment),
        "subject": len(parts) == 3 and parts[1] == tenant,
    }
    return Recorded(
        call=record.draft.call,
        at=record.draft.at,
        tool=Tool(
            identity=ToolIdentity(source=source, name=name, digest=str(body["toolguard.tool.digest"])),
            annotations=_annotations(body.get("toolguard.tool.annotations", ())),
        ),
        caller=Caller(
            person=Person(issuer=issuer, tenant=tenant, subject=subject),
            agent=agent,
            tenant=tenant,
            roles=frozenset(roles),
            assurance=Assurance(str(body["toolguard.actor.assurance"])),
        ),
        environment=environment,
        utc_offset=float(body["toolguard.time.utc_offset"]),
        found=_risk(body),
        present=_types(body.get("toolguard.phi.entities", ())),
        revealed=_types(body.get("toolguard.phi.revealed", ())),
        effect=Effect[would.upper()],
        enforced=enforced,
        reason=str(body["toolguard.decision.reason_code"]),
        rules=tuple(map(str, body["toolguard.policy.rule.id"])),
        failed=frozenset(str(s).partition(":")[0] for s in body.get("toolguard.policy.rule.errors", ())),
        shadow={
            i: Effect[e.upper()] for i, _, e in (s.rpartition(":") for s in body.get("toolguard.policy.shadow", ()))
        },
        policy_sha256=str(body["toolguard.policy.sha256"]),
        hidden=frozenset(what for what, is_plain in plain.items() if not is_plain),
    )


def _risk(body: Mapping[str, Any]) -> Risk:
    evidence = tuple(
        Evidence(source=origin, risk_class=RiskClass(word), level=RiskLevel.of(level), text="recorded")
        for origin, word, level in (str(item).split(":") for item in body["toolguard.risk.found"])
    )
    return Risk(
        risk_class=RiskClass(body["toolguard.risk.class"]),
        level=RiskLevel.of(str(body["toolguard.risk.level"])),
        evidence=evidence,
    )


def _annotations(said: Any) -> Annotations:
    told = dict(str(item).split("=") for item in said)
    return Annotations(**{name: told[name] == "true" for name in _HINTS if name in told})


def _types(said: Any) -> tuple[str, ...]:
    pairs = (str(item).rpartition(":") for item in said)
    return tuple(name for name, _, count in pairs for _ in range(min(int(count), 1000)))
