"""What a channel shows of an approval: enough to decide on, short enough for a chat, nothing that could act by itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from toolguard.authority import Approval, State, Verdict, is_expired, visible
from toolguard.channels.words import CONSEQUENCE, STATE_WORDS

__all__ = ["MAX_ROWS", "MAX_TEXT", "Card", "Row", "card_of"]

MAX_ROWS = 10
"""Arguments that are shown; what is left out is told and stands in the inbox."""
MAX_TEXT = 256
"""Characters of one argument that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One argument, masked. ``cut`` says that there is more of it; ``hidden`` that part of it is not shown in clear."""

    name: str
    text: str = field(repr=False)
    cut: bool = False
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """An approval as a channel shows it. All text is masked, and every hidden character in it is spelled out.

    Attributes:
        inbox_only: why it can be approved in the inbox alone (``""``: it can be approved in a chat).
        left_out: how many arguments are not shown.
        digest: what is approved, in short; the same in every channel.
        version, call_digest, view_digest: what a verdict has to name. They give no authority.
        stamp: the journal's, to be kept with the message (`Authority.stamp`); ``""`` where there is none.
        comments: how many comments it has, which are read in the inbox.
    """

    id: str
    state: State
    tenant: str
    requester: str
    verified: bool
    agent: str
    tool: str
    risk_level: str
    risk_class: str
    consequence: str
    because: str
    rules: tuple[str, ...]
    evidence: tuple[str, ...]
    decisive: tuple[Row, ...]
    rows: tuple[Row, ...]
    left_out: int
    agent_reason: str = field(repr=False)
    answers: tuple[str, ...]
    expires: float
    link: str
    inbox_only: str
    reason_required: bool
    digest: str
    version: int
    call_digest: str
    view_digest: str
    stamp: str = ""
    comments: int = 0

    @property
    def talk(self) -> str:
        """How many comments there are and where, in plain words; ``""`` where there is none."""
        return (
            f"{self.comments} {'comment' if self.comments == 1 else 'comments'} in the inbox" if self.comments else ""
        )

    @property
    def open(self) -> bool:
        """Whether it still waits for an answer."""
        return self.state is State.PENDING

    @property
    def sentence(self) -> str:
        """Where it stands, in plain words."""
        return STATE_WORDS[self.state.value][2]


def card_of(approval: Approval, *, requester: str, link: str, now: float, stamp: str = "", comments: int = 0) -> Card:
    """The card of ``approval`` at ``now`` (UTC seconds); ``requester`` is their name, ``link`` the inbox's page of it,
    ``stamp`` the journal's and ``comments`` how many it has (`Authority.comments_on`).
    """
    request = approval.request
    rows = _rows(request.view)
    return Card(
        id=approval.id,
        state=State.EXPIRED if is_expired(approval, now) else approval.state,
        tenant=request.tenant,
        requester=_line(requester),
        verified=request.assurance.value == "verified",
        agent=_line(request.agent),
        tool=_line(request.tool),
        risk_level=request.risk_level,
        risk_class=request.risk_class,
        consequence=CONSEQUENCE.get(request.risk_class, "It does something this service has no words for."),
        because=_line(request.because, 1000),
        rules=tuple(_line(rule) for rule in request.rules[:8]),
        evidence=tuple(_line(each) for each in request.evidence[:4]),
        decisive=tuple(
            _row(name, value, hidden=name in request.hidden)
            for name, value in list(request.decisive.items())[:MAX_ROWS]
        ),
        rows=rows[:MAX_ROWS],
        left_out=max(0, len(rows) - MAX_ROWS) + (1 if request.truncated else 0),
        agent_reason=_line(request.agent_reason, 500),
        answers=tuple(_answer(verdict) for verdict in approval.verdicts[-5:]),
        expires=request.expires,
        link=link,
        inbox_only=_inbox_only(approval),
        reason_required=any(rule.reason_required for rule in request.approver_rules),
        digest=f"{_short(request.call_digest)} {_short(request.view_digest)}",
        version=approval.version,
        call_digest=request.call_digest,
        view_digest=request.view_digest,
        stamp=stamp,
        comments=comments,
    )


def _short(digest: str) -> str:
    """The beginning of a digest, without its version."""
    return digest.rpartition(":")[2][:8]


def _inbox_only(approval: Approval) -> str:
    request = approval.request
    if request.risk_level == "critical":
        return "Critical calls are approved in the inbox, signed in."
    if any(rule.step_up for rule in request.approver_rules):
        return "This needs a second factor, so it is approved in the inbox."
    if request.hidden and request.sealed_decisive and any(rule.reveal for rule in request.approver_rules):
        return "What decides this call is hidden here, and has to be seen before it is approved: open it in the inbox."
    return ""


def _rows(view: Any) -> tuple[Row, ...]:
    pairs = view.items() if isinstance(view, dict) else [("", view)]
    return tuple(_row(str(name), value) for name, value in pairs)


def _row(name: str, value: Any, *, hidden: bool = False) -> Row:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    shown = visible(text, keep="\n").replace("\n", " ⏎ ")
    return Row(name=_line(name, 80), text=_cut(shown, MAX_TEXT), cut=len(shown) > MAX_TEXT, hidden=hidden)


def _line(text: str, most: int = 200) -> str:
    """One line: line ends and hidden characters are spelled out, so that nothing can be pushed out of sight."""
    return _cut(visible(text), most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _answer(verdict: Verdict) -> str:
    said = "approved once" if verdict.answer.value == "approve" else "denied"
    return _line(f"{verdict.person} {said}" + (f": {verdict.reason}" if verdict.reason else ""), 300)
