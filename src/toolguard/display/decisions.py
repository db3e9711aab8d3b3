"""Decisions and explanations: what was decided, which rules said so, and what speaks for the risk."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from toolguard._core.policy import Decision
from toolguard._core.risk import Evidence, Risk, RiskLevel
from toolguard.display.page import View, bar, chip, el, facts, join, page, section, table, tone_of
from toolguard.policyfile import Explanation
from toolguard.policyfile.explain import RuleNote, approver_text, obligations_text, rule_notes

__all__ = ["decision_view", "evidence_table", "explanation_view", "risk_view"]

_TITLE = {
    "allow": "Allowed",
    "mask": "Allowed, masked",
    "require_approval": "Waits for a person",
    "deny": "Denied",
}


def _rules(notes: Iterable[RuleNote], said: str) -> Markup:
    return join(
        el(
            "li",
            chip(note.effect),
            " ",
            el("b", note.id),
            " ",
            chip("shadow", "info") if note.shadow else None,
            el("span", f" line {note.line}", class_="muted") if note.line else None,
            el("p", note.because) if note.because != said else None,
            el("p", f"It could not be evaluated ({note.error}), so it counts as matched.", class_="wrong") if note.error else None,
            el("p", "reads ", *(el("code", path) for path in note.reads), class_="muted") if note.reads else None,
            el("p", f"controls: {', '.join(note.controls)}", class_="muted") if note.controls else None,
        )
        for note in notes
    )  # fmt: skip


def evidence_table(evidence: Iterable[Evidence]) -> Markup:
    """What was seen, the gravest first, with a bar for how grave."""
    seen = sorted(dict.fromkeys(evidence), key=lambda e: -e.level)
    if not seen:
        return Markup("")
    return table(
        ("what was seen", "where", "speaks for", "how grave"),
        (
            (e.text, el("code", e.source), e.risk_class.value.replace("_", " "), _level(e.level))
            for e in seen
        ),
    )  # fmt: skip


def _level(level: RiskLevel) -> Markup:
    return join([chip(level.label), bar(level / RiskLevel.CRITICAL, tone_of(level.label))])


def _lines(items: Iterable[str]) -> Markup:
    found = [el("li", item) for item in items]
    return el("ul", *found) if found else Markup("")


def decision_view(decision: Decision) -> View:
    notes = rule_notes(decision)
    word = decision.effect.label
    shadow = decision.effect is not decision.would
    html = page(
        _TITLE[word],
        section(
            "Rules that matched",
            el("ul", _rules(notes, decision.because)) if notes else _lines(["None: the default decided."]),
        ),
        section("Evidence of risk", evidence_table(decision.risk.evidence)),
        section("Who must approve", _lines(approver_text(rule) for rule in decision.approver_rules)),
        section("If it runs", _lines(obligations_text(decision))),
        section("Known of the time before", _lines(decision.history.told())),
        _policy_foot(decision.policy_id, decision.policy_version, decision.policy_sha256, decision.reason_code),
        tone=tone_of(word),
        sub=decision.because,
        chips=(
            chip(f"{decision.risk.level.label} risk", tone_of(decision.risk.level.label)),
            chip(decision.risk.risk_class.value, ""),
            chip(f"outside shadow mode: {decision.would.label}", "info") if shadow else None,
        ),
    )
    lines = [
        f"{_TITLE[word]}: {decision.because}",
        f"  risk: {decision.risk.level.label}, {decision.risk.risk_class.value.replace('_', ' ')}",
        *(f"  rule {n.id} (line {n.line}) asks for {n.effect}{' in shadow' if n.shadow else ''}: {n.because}" for n in notes),
        *(f"  evidence: {text}" for text in dict.fromkeys(e.text for e in decision.risk.evidence)),
        *(f"  approval by {approver_text(rule)}" for rule in decision.approver_rules),
    ]  # fmt: skip
    return View(html=html, text="\n".join(lines))


def explanation_view(told: Explanation) -> View:
    html = page(
        _TITLE[told.effect],
        section("Rules that matched", el("ul", _rules(told.rules, told.approver.split("\n", 1)[0])) if told.rules else _lines(["None: the default decided."])),
        section("Evidence of risk", _lines(told.evidence)),
        section("What the rules read, masked", facts((path, el("code", repr(value))) for path, value in told.values.items()) if told.values else None),
        section("Who must approve", _lines(told.approvers)),
        section("If it runs", _lines(told.obligations)),
        section("What the model is told", el("p", told.model)),
        _policy_foot(told.policy_id, told.policy_version, told.policy_sha256, told.reason_code),
        tone=tone_of(told.effect),
        sub=told.approver.split("\n", 1)[0],
        chips=(chip(told.risk, tone_of(told.risk.rpartition(", ")[2])), chip(f"outside shadow mode: {told.would}", "info") if told.would != told.effect else None),
    )  # fmt: skip
    return View(html=html, text=told.auditor)


def risk_view(risk: Risk) -> View:
    kind = risk.risk_class.value.replace("_", " ")
    html = page(
        f"{risk.level.label.capitalize()} risk",
        section("Evidence", evidence_table(risk.evidence)),
        tone=tone_of(risk.level.label),
        chips=(chip(kind, ""),),
    )
    texts = dict.fromkeys(e.text for e in risk.evidence)
    return View(html=html, text="\n".join([f"{risk.level.label} risk, {kind}", *(f"  {text}" for text in texts)]))


def _policy_foot(id: str, version: str, sha256: str, reason: str) -> Markup:
    return el(
        "p",
        "Decided by ",
        el("b", id),
        f" version {version}, sha256 ",
        el("code", sha256[:12], title=sha256),
        f" · reason code {reason}",
        class_="foot",
    )
