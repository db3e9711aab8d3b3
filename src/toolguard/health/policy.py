"""The policy: whether it loads, whether it may be put into force here, and what is wrong with it."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator

from toolguard._core.policy import Mode, Policy
from toolguard.directory import FileDirectory
from toolguard.errors import PolicyError, PolicyRefusedError, ToolguardError
from toolguard.health.finding import Finding, fault, fine, warning
from toolguard.health.place import Place, brief, quoted, said
from toolguard.policytools.lint import lint
from toolguard.policytools.reading import load_any
from toolguard.policytools.remark import Severity
from toolguard.policytools.scan import inventory
from toolguard.stores.memory import MemoryStore

__all__ = ["check"]

_MOST = 6
"""Tools named in one finding."""


def check(place: Place) -> Iterator[Finding]:
    """Loads, is signed where it must be, holds together, and names the tools there are."""
    name = _shown(place)
    try:
        place.policy = load_any(name)
    except PolicyError as wrong:
        count = len(wrong.problems)
        what = f"{count} fault{'s' if count != 1 else ''}" if count else said(wrong)
        yield fault("policy.loads", f"{name} does not load: {what}", f"toolguard policy check {shlex.quote(name)}")
        return
    policy = place.policy
    yield from _signature(place, policy, name)
    if policy.mode is Mode.SHADOW:
        yield warning(
            "policy.shadow",
            "the policy is in shadow mode: decisions are recorded and nothing is blocked",
            f"set mode: enforce in {name} once 'toolguard policy shadow' reports what you expect",
        )
    yield from _lint(place, name)
    yield from _tools(place, policy, name)


def _shown(place: Place) -> str:
    named = place.config.guard.policy
    return named if named.startswith("pack:") else brief(place.config.at(named))


def _signature(place: Place, policy: Policy, name: str) -> Iterator[Finding]:
    how = f"policy {policy.id!r} version {policy.version}, {len(policy.rules)} rule{'s' if len(policy.rules) != 1 else ''}"
    quoted = shlex.quote(name)
    try:
        loaded = place.source().load(place.open() or MemoryStore())
    except PolicyRefusedError as refused:
        mend = (
            "set [policy] name to the policy's own name, or name the right file under [guard] policy"
            if refused.reason == "other_policy"
            else f"have somebody other than its author sign it: toolguard policy sign {quoted} --key THEIR.key "
            "--signer THEM --author YOU"
        )
        yield fault("policy.signature", f"no guard takes this policy ({refused.reason}): {said(refused)}", mend)
        return
    except ToolguardError as wrong:
        yield fault(
            "policy.trusted",
            f"[policy] trusted cannot be used: {said(wrong)}",
            "copy the line 'toolguard keys policy FILE' printed",
        )
        return
    if loaded.statement is not None:
        yield fine("policy.loads", f"{how}, signed by {loaded.statement.signer}")
        return
    yield fine("policy.loads", how)
    if place.is_development:
        yield warning(
            "policy.development",
            "environment is 'development', so whoever can write the policy file changes what is allowed",
            'when it goes live: environment = "production" under [guard], and have it signed (docs/policy.md)',
        )


def _lint(place: Place, name: str) -> Iterator[Finding]:
    directory = None
    if place.config.directory is not None:
        with contextlib.suppress(ToolguardError):
            directory = FileDirectory(place.config.at(place.config.directory.file))
            directory.tenants()
    remarks = lint(name, tools=place.tools, directory=directory)
    count = {s: sum(r.severity is s for r in remarks) for s in Severity}
    options = (
        f" --directory {quoted(place.config.at(place.config.directory.file))}"
        if (place.config.directory is not None)
        else ""
    )
    mend = f"toolguard policy lint {shlex.quote(name)}{options}"
    for level, severity in ((fault, Severity.ERROR), (warning, Severity.WARNING)):
        if count[severity]:
            first = next(r for r in remarks if r.severity is severity)
            more = f" (and {count[severity] - 1} more)" if count[severity] > 1 else ""
            yield level(
                f"policy.lint_{severity.label}s", f"line {first.line}: {first.code} {first.message}{more}", mend
            )
    if not count[Severity.ERROR] and not count[Severity.WARNING]:
        yield fine("policy.lint", "lint finds nothing to mend")


def _tools(place: Place, policy: Policy, name: str) -> Iterator[Finding]:
    if not place.tools:
        return
    unnamed = sorted(e.tool.name for e in inventory(place.tools, policy) if not e.named)
    if not unnamed:
        yield fine("policy.unnamed", f"all {len(place.tools)} tools are named in the policy")
        return
    listed = ", ".join(map(ascii, unnamed[:_MOST])) + (", …" if len(unnamed) > _MOST else "")
    yield warning(
        "policy.unnamed",
        f"{len(unnamed)} of {len(place.tools)} tools are not named in the policy: {listed}; calls get "
        f"{policy.defaults.unknown_tool.label!r}",
        f"name them under tools: in {name}",
    )
