"""Approvals and pauses: where a question stands, how long there still is, who may answer, and what an answer is bound to."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from markupsafe import Markup

from toolguard._core.approval import Answer, Approval, Verdict, is_expired
from toolguard._core.call import Json
from toolguard.channels import CONSEQUENCE, STATE_WORDS, duration
from toolguard.display.page import View, chip, el, facts, join, page, section, tone_of
from toolguard.errors import Suspended
from toolguard.policyfile.explain import approver_text
from toolguard.report.words import date, minute

__all__ = ["approval_view", "suspended_view"]


def approval_view(approval: Approval, *, now: float | None = None) -> View:
    now = time.time() if now is None else now
    request = approval.request
    late = is_expired(approval, now)
    state = "expired" if late else approval.state.value
    mark, word, sentence = STATE_WORDS[state]
    until = request.expires if approval.state.value == "pending" else approval.grant_expires
    hidden = frozenset(request.hidden)
    html = page(
        request.tool,
        section(
            "What decides it",
            facts(
                (name, join([el("b", value), el("span", " (shown in part)", class_="muted") if name in hidden else None]))
                for name, value in request.decisive.items()
            )
            if request.decisive
            else None,
        ),
        section("Other arguments, masked" if request.decisive else "Arguments, masked", _arguments(request.view, request.decisive)),
        section(
            "Question",
            facts(
                [
                    ("asked by", join([el("b", request.requester_person), f" through {request.agent} ({request.assurance.value})"])),
                    ("asked at", minute(request.created) + " UTC"),
                    ("time left", None if until is None or late or not approval.state.is_open else _left(until, now)),
                    ("risk", join([chip(request.risk_level), " ", request.risk_class.replace("_", " ")])),
                    ("because", request.because),
                    ("the agent says", el("q", request.agent_reason) if request.agent_reason else None),
                    ("needs", join((approver_text(rule) for rule in request.approver_rules), "; ")),
                ]
            ),
        ),
        section("Answers", el("ul", *(_verdict(v) for v in approval.verdicts)) if approval.verdicts else None),
        el(
            "p",
            "An answer is bound to call ",
            _digest(request.call_digest),
            " and view ",
            _digest(request.view_digest),
            " · request ",
            el("code", request.id),
            class_="foot",
        ),
        tone=tone_of(state),
        sub=sentence if state != "pending" else f"{sentence} {CONSEQUENCE.get(request.risk_class, '')}",
        chips=(chip(f"{mark} {word}", tone_of(state)),),
    )  # fmt: skip
    left = "" if until is None or late or not approval.state.is_open else f", {_left(until, now)}"
    lines = [
        f"{request.tool}: {word}{left}",
        f"  asked by {request.requester_person} through {request.agent}, because: {request.because}",
        *(f"  {name}: {value}" for name, value in request.decisive.items()),
        *(f"  {v.person} said {v.answer.value}" for v in approval.verdicts),
        f"  call digest {request.call_digest}",
        f"  request {request.id}",
    ]
    return View(html=html, text="\n".join(lines))


def suspended_view(paused: Suspended, *, now: float | None = None) -> View:
    now = time.time() if now is None else now
    late = now >= paused.expires_at
    word = "expired" if late else "pending"
    told = (
        "Nobody's answer came in time. Make the call again to ask anew."
        if late
        else "Nothing has run. Make the same call again, with the same call id, once a person has decided."
    )
    html = page(
        f"{paused.tool} waits for a person" if not late else f"{paused.tool} was not answered",
        section(
            "Where it stands",
            facts(
                [
                    ("time left", _left(paused.expires_at, now)),
                    ("request", el("code", paused.approval_id)),
                    ("bound to call", _digest(paused.call_digest)),
                ]
            ),
        ),
        tone=tone_of(word),
        sub=told,
        chips=(chip("○ Waiting" if not late else "– Expired", tone_of(word)),),
    )
    lines = [
        f"{paused.tool} waits for a person: {_left(paused.expires_at, now)}",
        f"  request {paused.approval_id}",
        f"  call digest {paused.call_digest}",
    ]
    return View(html=html, text="\n".join(lines))


def _arguments(view: Json, decisive: Mapping[str, str]) -> Markup:
    """Every argument that is not shown above just as it is."""
    if not isinstance(view, dict):
        return el("code", _said(view))
    rows = [(name, el("code", _said(value))) for name, value in view.items() if decisive.get(name) != value]
    return facts(rows) if rows else Markup("")


def _said(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _verdict(verdict: Verdict) -> Markup:
    word = "approved" if verdict.answer is Answer.APPROVE else "denied"
    return el(
        "li",
        el("b", verdict.person),
        " ",
        chip(word),
        el("span", f" {minute(verdict.at)} UTC · {verdict.channel}", class_="muted"),
        el("p", verdict.reason) if verdict.reason else None,
    )


def _left(until: float, now: float) -> str:
    if now >= until:
        return "none: the time is over"
    day = f"{date(until)} " if date(until) != date(now) else ""
    return f"{duration(until - now)}, until {day}{minute(until)[-5:]} UTC"


def _digest(digest: str) -> Markup:
    """The beginning of a digest, in groups that two people can compare; the whole of it hovers."""
    body = digest.partition(":")[2] or digest
    return el("code", f"{body[:8]} {body[8:16]} {body[16:24]} …", title=digest)
