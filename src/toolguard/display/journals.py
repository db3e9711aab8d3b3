"""What verifying the journal found: whether it holds together, log by log, and what does not."""

from __future__ import annotations

from toolguard.display.page import View, chip, counted, el, facts, page, section, table
from toolguard.journal import VerifyReport
from toolguard.report.words import figure

__all__ = ["verify_view"]

_SHOWN = 50
_WORDS = {
    0: ("The journal holds together", "ok"),
    1: ("Something was changed", "bad"),
    2: ("Something is missing", "warn"),
}


def verify_view(report: VerifyReport) -> View:
    title, tone = _WORDS[report.exit_code]
    faults = [(f.log_id[:12] or "registry of logs", str(f.seq), f.code) for f in report.faults]
    faults += [(f"approval {s.approval[:12]}", "", s.code) for s in report.states]
    faults += [(f"act {a.act[:12]}", "", a.code) for a in report.acts]
    faults += [(f"content {c.content[:12]}", "", c.code) for c in report.contents]
    faults += [(f"anchor {a.name}", "", code) for a in report.anchors for code in a.codes]
    signed = "their signatures hold" if report.signed else "whose signatures were not checked: no pinned key was given"
    held = facts(
        [
            ("records", figure(report.records)),
            ("logs", figure(len(report.logs))),
            ("approvals", figure(report.approvals)),
            ("checkpoints", f"{figure(report.checkpoints)}, {signed}" if report.checkpoints else "none"),
            ("anchors", ", ".join(a.name for a in report.anchors) or "none was consulted: a cut together with its checkpoints is not seen"),
            ("running", f"{len(report.running)} execution(s) without an end" if report.running else ""),
            ("kept content", f"{figure(report.kept)}, {figure(report.redacted)} redacted" if report.kept or report.redacted else ""),
        ]
    )  # fmt: skip
    logs = table(
        ("log", "records", ""),
        (
            (el("code", log.log_id[:16], title=log.log_id), figure(log.records), chip(counted(len(log.faults), "fault"), "bad") if log.faults else chip("ok"))
            for log in report.logs[:_SHOWN]
        ),
        numbers=(1,),
    )  # fmt: skip
    html = page(
        title,
        section("What does not hold", table(("where", "record", "code"), faults[:_SHOWN], numbers=(1,))) if faults else None,
        section("What was read", held),
        section("Logs", logs),
        el("p", f"{len(report.logs) - _SHOWN} more logs are not shown.", class_="foot") if len(report.logs) > _SHOWN else None,
        tone=tone,
        sub=f"{figure(report.records)} records were read, each with its hash, its place in the chain and the approval it speaks of.",
        chips=[chip(counted(len(faults), "fault"), "bad")] if faults else (),
    )  # fmt: skip
    lines = [
        f"{title.lower()}: {figure(report.records)} records in {len(report.logs)} logs, {report.approvals} approvals"
    ]
    return View(html=html, text="\n".join([*lines, *(f"  {where} {seq} {code}" for where, seq, code in faults)]))
