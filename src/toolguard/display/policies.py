"""Policies, and what the tools for them found: faults, remarks, cases, differences, and recorded calls judged anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from markupsafe import Markup

from toolguard._core.policy import Policy
from toolguard.display.page import View, bar, chip, counted, el, facts, join, page, section, table, tone_of
from toolguard.errors import PolicyError
from toolguard.policyfile import Problem
from toolguard.policyfile.explain import approver_text
from toolguard.policytools.cases import Result
from toolguard.policytools.coverage import RuleCoverage, share
from toolguard.policytools.difference import Change, Turn
from toolguard.policytools.remark import Remark, Severity
from toolguard.policytools.replay import Report

__all__ = ["cases_view", "difference_view", "faults_view", "lint_view", "policy_view", "replay_view"]

_SHORT = 20
_SEVERITY = ("allow", "mask", "require_approval", "deny")


def policy_view(policy: Policy) -> View:
    """A policy that loads: who owns it, its rules, what holds where none speaks, and who is asked."""
    rules = [
        el(
            "li",
            chip(rule.effect.label),
            " ",
            el("b", rule.id),
            " ",
            chip("shadow", "info") if rule.shadow else None,
            el("span", f" line {rule.line}", class_="muted") if rule.line else None,
            el("p", rule.because),
        )
        for rule in sorted(policy.rules, key=lambda r: -r.effect)
    ]
    defaults = [(f"{level.label} risk", chip(effect.label)) for level, effect in policy.defaults.by_risk.items()]
    html = page(
        policy.id,
        section(counted(len(rules), "rule"), el("ul", *rules)),
        section("Where no rule speaks", facts([*defaults, ("a tool it does not name", chip(policy.defaults.unknown_tool.label))])),
        section("Who is asked", el("ul", *(el("li", approver_text(rule)) for rule in policy.approvals.values())) if policy.approvals else None),
        section("Tools it names", join((el("code", tool.pattern) for tool in policy.tools), " ")),
        el("p", "sha256 ", el("code", policy.sha256[:16], title=policy.sha256), f" · packs: {', '.join(policy.packs)}" if policy.packs else None, class_="foot"),
        tone="ok",
        sub="It is in order." if not policy.owner else f"It is in order. {policy.owner} answers for it.",
        chips=(chip(f"version {policy.version}", ""), chip(policy.mode.value, "" if policy.mode.value == "enforce" else "info")),
    )  # fmt: skip
    lines = [f"policy {policy.id} version {policy.version} is in order, {counted(len(rules), 'rule')}"]
    return View(
        html=html, text="\n".join([*lines, *(f"  {r.id}: {r.effect.label}: {r.because}" for r in policy.rules)])
    )


def faults_view(error: PolicyError) -> View:
    """A policy that does not load: every fault with its place."""
    problems = [p for p in error.problems if isinstance(p, Problem)]
    html = page(
        "The policy does not load",
        table(
            ("where", "what is wrong, and how to mend it"),
            ((el("code", f"{p.file.rpartition('/')[2]}:{p.line}:{p.column}", title=p.file, class_="w"), join([el("b", f"{p.path}: ") if p.path else None, p.message])) for p in problems),
        )
        if problems
        else None,
        tone="bad",
        sub=counted(len(problems), "fault") if problems else str(error),
    )  # fmt: skip
    return View(html=html, text="\n".join(map(str, problems)) or str(error))


def lint_view(remarks: Iterable[Remark]) -> View:
    """What `toolguard.policytools.lint.lint` gives."""
    listed = sorted(remarks, key=lambda r: (-r.severity, r))
    counts = Counter(r.severity for r in listed)
    rows = (
        (
            el("span", chip(r.severity.label), " ", el("code", r.code), class_="w"),
            el("code", f"{r.file.rpartition('/')[2]}:{r.line}:{r.column}", title=r.file, class_="w"),
            join([el("p", r.message), el("p", r.advice, class_="muted")]),
        )
        for r in listed
    )
    html = page(
        "Lint",
        table(("remark", "where", "what, and what to do"), rows) if listed else None,
        tone=tone_of(max(counts).label) if counts else "ok",
        sub=None if listed else "Nothing to remark.",
        chips=[chip(counted(counts[s], s.label), tone_of(s.label)) for s in sorted(Severity, reverse=True) if counts[s]],
    )  # fmt: skip
    return View(html=html, text="\n".join(map(str, listed)) or "nothing to remark")


def cases_view(results: Iterable[Result], coverage: Mapping[str, tuple[RuleCoverage, ...]] | None = None) -> View:
    """What `toolguard.policytools.cases.run_files` gives, and how much of the rules the cases show."""
    listed = tuple(results)
    failed = [r for r in listed if not r.passed]
    rows = (
        (
            chip("passed" if r.passed else "failed"),
            join([el("b", r.name), *(el("p", f"{d.what}: expected ", el("b", d.expected, class_="good"), ", got ", el("b", d.got, class_="wrong")) for d in r.differences)]),
            chip(r.answer.effect),
            ", ".join(r.answer.rules) or r.answer.reason,
        )
        for r in sorted(listed, key=lambda r: r.passed)
    )  # fmt: skip
    parts = [
        section(
            f"{subject.rpartition('/')[2]}: {share(rules):.0f} % of what its rules can do is shown by a case",
            bar(share(rules) / 100, "ok" if share(rules) >= 100 else "warn"),
            el("ul", *(el("li", el("b", r.id), el("span", f" no case shows: {r.lacks}", class_="muted")) for r in rules if r.lacks))
            if any(r.lacks for r in rules)
            else None,
        )
        for subject, rules in (coverage or {}).items()
    ]  # fmt: skip
    html = page(
        "Cases",
        table(("", "case", "came out", "because of"), rows) if listed else None,
        *parts,
        tone="bad" if failed else "ok" if listed else "warn",
        sub="No case was run." if not listed else None,
        chips=[chip(f"{len(listed) - len(failed)} passed", "ok"), chip(f"{len(failed)} failed", "bad") if failed else None],
    )  # fmt: skip
    lines = [f"{'passed' if r.passed else 'FAILED'}  {r.name}" for r in listed]
    return View(html=html, text="\n".join([*lines, f"{counted(len(listed), 'case')}, {len(failed)} failed"]))


def difference_view(changes: Iterable[Change]) -> View:
    """What `toolguard.policytools.difference.difference` gives: which way each change goes."""
    listed = tuple(changes)
    counts = Counter(c.turn for c in listed)
    rows = (
        (
            chip(c.turn.value),
            join([c.part, " ", el("b", c.name), f", {c.field}" if c.field else None]),
            _value(c.before),
            _value(c.after),
        )
        for c in listed
    )
    html = page(
        "What the change means",
        table(("which way", "what", "before", "after"), rows) if listed else None,
        tone="bad" if counts[Turn.LOOSENS] else "warn" if counts[Turn.MAY_LOOSEN] else "ok",
        sub=None if listed else "The two policies say the same.",
        chips=[chip(f"{counts[t]} × {t.value}", tone_of(t.value)) for t in Turn if counts[t]],
    )
    lines = [
        f"{c.turn.value:<11} {c.part} {c.name}{f', {c.field}' if c.field else ''}: {c.before} → {c.after}"
        for c in listed
    ]
    return View(html=html, text="\n".join(lines) or "the two policies say the same")


def _value(text: str) -> Markup:
    """A short word stays whole where the other column is long."""
    return el("code", text, class_="whole" if len(text) <= _SHORT else None)


def replay_view(report: Report) -> View:
    """What `toolguard.policytools.replay.replay_all` counted."""
    total = max(report.calls, 1)
    looser = [c for c in report.changes if _SEVERITY.index(c[1]) < _SEVERITY.index(c[0])]
    rows: list[tuple[object, object, object]] = [
        (join([chip(before), " → ", chip(after)]), str(n), bar(n / total, "bad" if (before, after) in looser else "warn"))
        for (before, after), n in report.changes.most_common()
    ]  # fmt: skip
    rows.append(("the same as recorded", str(report.same), bar(report.same / total, "ok") if report.same else None))
    if report.not_replayed:
        rows.append(("hangs on what is not on record", str(report.not_replayed), bar(report.not_replayed / total)))
    if unusable := sum(report.unusable.values()):
        rows.append(("a record that cannot be used", str(unusable), bar(unusable / total)))
    tools = [
        (tool, join([chip(before), " → ", chip(after)]), str(n))
        for (tool, before, after), n in report.by_tool.most_common(20)
    ]
    html = page(
        "Recorded calls, judged anew",
        table(("outcome", "calls", ""), rows, numbers=(1,)),
        section("By tool", table(("tool", "outcome", "calls"), tools, numbers=(2,))) if tools else None,
        section("Why some cannot be told", el("ul", *(el("li", f"{why}: {counted(n, 'call')}") for why, n in report.unknown.most_common(10))) if report.unknown else None),
        tone="bad" if looser else "warn" if report.changes else "ok",
        sub=f"{counted(report.calls, 'recorded call')}: {report.replayed} replayed, {report.same} come out the same.",
        chips=[chip("some get through more easily", "bad")] if looser else (),
    )  # fmt: skip
    lines = [f"{counted(report.calls, 'recorded call')}: {report.replayed} replayed, {report.same} come out the same"]
    lines += [f"  {before} → {after}: {counted(n, 'call')}" for (before, after), n in report.changes.most_common()]
    if report.not_replayed:
        lines.append(f"  {report.not_replayed} hang on what is not on record")
    return View(html=html, text="\n".join(lines))
