"""Cards as Adaptive Cards 1.5. Untrusted text stands in TextRuns, which render no Markdown, and can hold no macro."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from toolguard.channels import STATE_WORDS, Card, Row

__all__ = ["VIEW", "card_json", "message", "notice_card"]

Block = dict[str, Any]
VIEW = "toolguard.view"
"""The verb by which Teams asks for a person's own view of a card."""
_TYPE = "application/vnd.microsoft.card.adaptive"
_MARK = {"low": "○", "medium": "◐", "high": "●", "critical": "■"}


def message(card: Card, *, users: tuple[str, ...] = ()) -> dict[str, Any]:
    """The activity that carries the card everybody sees: it has no buttons but the inbox's link.

    Teams asks for each person's own view (`card_json` with a nonce) by ``refresh``; ``users`` are the Teams ids it asks
    for by itself (60 at most).
    """
    return {
        "type": "message",
        "summary": "An approval waits for you." if card.open else "An approval changed.",
        "attachments": [{"contentType": _TYPE, "content": card_json(card, users=users)}],
    }


def card_json(card: Card, *, nonce: str = "", users: tuple[str, ...] = (), hint: str = "") -> dict[str, Any]:
    """The card. With ``nonce`` it is one person's own view, with the buttons they may press; ``hint`` says why not."""
    body: list[Block] = [
        _line(_title(card), size="Large", weight="Bolder"),
        _line(card.because),
        _facts(
            [
                ("Risk", f"{_MARK.get(card.risk_level, '●')} {card.risk_level}, {card.risk_class.replace('_', ' ')}"),
                ("Agent", card.agent),
                ("Asked by", f"{card.requester} ({'verified' if card.verified else 'asserted by the application'})"),
                ("Expires", datetime.fromtimestamp(card.expires, UTC).strftime("%Y-%m-%d %H:%M UTC")),
            ]
        ),
        _line(card.consequence),
    ]
    if card.decisive:
        body += [_line("What decides it", weight="Bolder"), *_rows(card.decisive)]
    if card.rows:
        body += [_line("Arguments, identifiers masked", weight="Bolder"), *_rows(card.rows)]
    if card.left_out:
        body.append(
            _line(f"{card.left_out} more are in the inbox. Do not approve what you have not seen.", color="Warning")
        )
    if card.agent_reason:
        body.append(_line(f"The agent's own words, checked by nobody: {card.agent_reason}", subtle=True))
    body += [_line(f"Why: {each}", subtle=True) for each in card.evidence]
    body += [_line(each) for each in card.answers]
    journal = f" · journal {card.stamp}" if card.stamp else ""
    rules = ", ".join(card.rules) or "default"
    body.append(_line(f"rules {rules} · what is approved: {card.digest}{journal}", subtle=True))
    if not card.open:
        body.append(_line(card.sentence, weight="Bolder"))
    if hint:
        body.append(_line(hint, color="Attention", weight="Bolder"))
    shown: Block = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.5",
        "fallbackText": "An approval waits for you in the inbox.",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": "Open in inbox", "url": card.link}],
    }
    if card.open:
        refresh: Block = {"action": {"type": "Action.Execute", "title": "Show", "verb": VIEW, "data": {"id": card.id}}}
        if users:
            refresh["userIds"] = list(users[:60])
        shown["refresh"] = refresh
        if nonce:
            _add_answers(shown, card, nonce)
    return shown


def _add_answers(shown: Block, card: Card, nonce: str) -> None:
    data = {"id": card.id, "v": card.version, "c": card.call_digest, "w": card.view_digest, "n": nonce}
    if card.inbox_only:
        shown["body"].append(_line(card.inbox_only, weight="Bolder"))
    shown["body"].append(
        {
            "type": "Input.Text",
            "id": "reason",
            "label": "Reason (name no patients)" if card.reason_required else "Reason (optional; name no patients)",
            "isMultiline": True,
            "maxLength": 2000,
            "isRequired": card.reason_required,
            "errorMessage": "Say in a few words why.",
        }
    )
    answers = [{"type": "Action.Execute", "title": "Deny", "verb": "deny", "data": data}]
    if not card.inbox_only:
        answers.insert(0, {"type": "Action.Execute", "title": "Approve once", "verb": "approve", "data": data})
    shown["actions"] = [*answers, *shown["actions"]]


def notice_card(said: str) -> dict[str, Any]:
    """A card that only says something."""
    return {"type": "AdaptiveCard", "version": "1.5", "fallbackText": "Not for you.", "body": [_line(said)]}


def _title(card: Card) -> str:
    return (
        f"{card.requester} asks to run {card.tool}" if card.open else f"{STATE_WORDS[card.state.value][1]}: {card.tool}"
    )


def _line(text: str, *, size: str = "", weight: str = "", color: str = "", subtle: bool = False) -> Block:
    run: Block = {"type": "TextRun", "text": _inert(text) or "–"}
    if size:
        run["size"] = size
    if weight:
        run["weight"] = weight
    if color:
        run["color"] = color
    if subtle:
        run["isSubtle"] = True
    return {"type": "RichTextBlock", "inlines": [run]}


def _rows(rows: tuple[Row, ...]) -> list[Block]:
    return [
        _facts(
            [(row.name or "value", row.text + (" (part hidden)" if row.hidden else "") + (" (cut)" if row.cut else ""))]
        )
        for row in rows
    ]


def _facts(pairs: list[tuple[str, str]]) -> Block:
    """Pairs as runs: a FactSet would render Markdown in its values."""
    inlines: list[Block] = []
    for at, (name, text) in enumerate(pairs):
        inlines.append({"type": "TextRun", "text": f"{'' if at == 0 else chr(10)}{_inert(name)}: ", "weight": "Bolder"})
        inlines.append({"type": "TextRun", "text": _inert(text)})
    return {"type": "RichTextBlock", "inlines": inlines}


def _inert(text: str) -> str:
    """Hidden characters are spelled out by the card already; here ``{{DATE(…)}}`` is broken, which Teams rewrites."""
    while "{{" in text or "}}" in text:
        text = text.replace("{{", "{ {").replace("}}", "} }")
    return text
