"""Approvals: whether anything asks for them, and whether people stand behind them."""

from __future__ import annotations

from collections.abc import Iterator

from toolguard._core.policy import Effect
from toolguard.directory import FileDirectory
from toolguard.policyfile.document import At
from toolguard.policytools.linted import Linted
from toolguard.policytools.remark import Remark

__all__ = ["check"]


def check(linted: Linted) -> Iterator[Remark]:
    used = _used(linted)
    for name, model in linted.parts.approvals.items():
        at: At = ("approvals", name)
        if name not in used:
            yield linted.remark("TG404", at, f"approval {name!r} is asked for by no rule and no default", key=True)
        if "expires" not in model.model_fields_set:
            yield linted.remark("TG405", at, f"approval {name!r} does not say when it expires", key=True)
        if linted.directory is None:
            continue
        yield from _entries(linted, linted.directory, (*at, "approvers"), model.approvers, model.quorum)
        for index, stage in enumerate(model.then):
            here: At = (*at, "then", index, "approvers")
            yield from _entries(linted, linted.directory, here, stage.approvers, stage.quorum)
        for index, step in enumerate(model.escalate):
            yield from _empty(linted, linted.directory, (*at, "escalate", index, "approvers"), step.approvers)
        yield from _empty(linted, linted.directory, (*at, "fallback"), model.fallback or [])


def _used(linted: Linted) -> set[str]:
    policy = linted.policy
    asking = [r for r in policy.rules if r.effect is Effect.REQUIRE_APPROVAL or r.approval is not None]
    erring = any(r.when is not None and r.on_error is Effect.REQUIRE_APPROVAL for r in policy.rules)
    used = {r.approval for r in asking if r.approval is not None}
    by_default = Effect.REQUIRE_APPROVAL in (policy.defaults.unknown_tool, *policy.defaults.by_risk.values())
    if by_default or erring or any(r.approval is None for r in asking):
        used.add(policy.defaults.approval)
    return used


def _entries(linted: Linted, directory: FileDirectory, at: At, entries: list[str], quorum: int) -> Iterator[Remark]:
    yield from _empty(linted, directory, at, entries)
    for tenant in _tenants(linted, directory, entries):
        people = {p for entry in entries for p in _people(directory, tenant, entry, linted.now)}
        where = f"in tenant {tenant!r} "
        if len(people) < quorum:
            message = f"{where}{len(people)} could decide, and the quorum is {quorum}"
            yield linted.remark("TG402", at, message)
        elif len(people) == quorum and not any(e.startswith("oncall:") for e in entries):
            who = ", ".join(repr(p) for p in sorted(people))
            whose = "not their own calls" if len(people) == 1 else "all of them together, so nobody a call of their own"
            yield linted.remark("TG403", at, f"{where}only {who} could decide, and {whose}")


def _empty(linted: Linted, directory: FileDirectory, at: At, entries: list[str]) -> Iterator[Remark]:
    for entry in dict.fromkeys(entries):
        if entry.startswith("oncall:"):
            continue  # who is on call changes by the hour; 'people coverage' tells of gaps
        if not any(_people(directory, tenant, entry, linted.now) for tenant in directory.tenants()):
            yield linted.remark("TG401", at, f"the directory has nobody for {entry!r}")


def _tenants(linted: Linted, directory: FileDirectory, entries: list[str]) -> list[str]:
    """Tenants in which somebody could decide: in one where nobody could, the policy is not meant."""
    return [t for t in directory.tenants() if any(_people(directory, t, e, linted.now) for e in entries)]


def _people(directory: FileDirectory, tenant: str, entry: str, at: float) -> frozenset[str]:
    kind, _, name = entry.partition(":")
    if kind == "person":
        found = directory.find(name, tenant=tenant, at=at)
        return frozenset() if found is None else frozenset({found.id})
    members = directory.members(tenant, entry if kind == "oncall" else name, at=at)
    return frozenset(m.id for m in members if m.human)
