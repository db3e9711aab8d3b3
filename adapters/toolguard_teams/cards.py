"""Cards as Adaptive Cards 1.5. Untrusted text stands in TextRuns, which render no Markdown, and can hold no macro."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from toolguard.channels import STATE_WORDS, Card, Row

__all__ = ["MOST_BYTES", "VIEW", "card_json", "message", "notice_card"]

Block = dict[str, Any]
VIEW = "toolguard.view"
"""The verb by which a person's own view of a card is asked for: by Teams itself, or by whoever presses *Answer here*."""
MOST_BYTES = 26_000
"""Of one card as JSON. Teams takes about 28 KB with what it adds."""
_TYPE = "application/vnd.microsoft.card.adaptive"
_MARK = {"low": "○", "medium": "◐", "high": "●", "critical": "■"}
_STYLE = {"low": "emphasis", "medium": "warning", "high": "attention", "critical": "attention"}
_NARROW = 12
"""Characters of a name that stand beside its value. One word that is wider than its column would cover the value."""
_WENT_WELL = frozenset({"approved", "executing", "executed"})


def message(card: Card, *, users: tuple[str, ...] = ()) -> dict[str, Any]:
    """The activity that carries the card everybody sees: it has no buttons but the inbox's link and *Answer here*.

    Teams asks for each person's own view (`card_json` with a nonce) by ``refresh``; ``users`` are the Teams ids it asks
    for by itself (60 at most). Where it does not, in large rooms and old clients, *Answer here* asks for it.
    """
    return {
        "type": "message",
        "summary": "An approval waits for you." if card.open else "An approval changed.",
        "attachments": [{"contentType": _TYPE, "content": card_json(card, users=users, shared=True)}],
    }


def card_json(
    card: Card, *, nonce: str = "", users: tuple[str, ...] = (), hint: str = "", shared: bool = False
) -> dict[str, Any]:
    """The card, at most `MOST_BYTES` of it: arguments that do not fit are left out, and it says how many.

    With ``nonce`` it is one person's own view, with the buttons they may press; ``hint`` says why not. ``shared``: it is
    the one everybody sees.
    """
    while True:
        shown = _card(card, nonce, users, hint, shared)
        if len(json.dumps(shown)) <= MOST_BYTES:
            return shown
        if card.rows:
            card = replace(card, rows=card.rows[:-1], left_out=card.left_out + 1)
        elif card.decisive:
            card = replace(card, decisive=card.decisive[:-1], left_out=card.left_out + 1)
        else:
            card = replace(card, evidence=(), answers=card.answers[-1:], agent_reason="", left_out=card.left_out + 1)
            return _card(card, nonce, users, hint, shared)


def _card(card: Card, nonce: str, users: tuple[str, ...], hint: str, shared: bool) -> Block:
    risk = f"{_MARK.get(card.risk_level, '●')} {card.risk_level}, {card.risk_class.replace('_', ' ')}"
    who = f"{card.requester} ({'verified' if card.verified else 'asserted by the application'})"
    body: list[Block] = [
        _head(card),
        _line(card.because, weight="Bolder", spacing="Medium"),
        _fact("Risk", risk),
        _fact("Agent", card.agent),
        _fact("Asked by", who),
        _fact("Expires", datetime.fromtimestamp(card.expires, UTC).strftime("%Y-%m-%d %H:%M UTC")),
    ]
    if card.decisive:
        body.append(_group("What decides it", [_row(row) for row in card.decisive], style="emphasis"))
    if card.rows:
        body.append(_group("Arguments, identifiers masked", [_row(row) for row in card.rows]))
    if card.left_out:
        left = f"{card.left_out} more are in the inbox. Do not approve what you have not seen."
        body.append(_boxed([_line(left, weight="Bolder")], "warning"))
    if card.agent_reason:
        words = _line(card.agent_reason, italic=True, spacing="Small")
        body.append(_group("The agent's own words, checked by nobody", [words]))
    if card.evidence:
        body.append(_group("Why it is asked", [_line(f"· {each}", spacing="Small") for each in card.evidence]))
    if card.answers:
        body.append(_group("Answers", [_line(each, spacing="Small") for each in card.answers]))
    if card.talk:
        body.append(_line(card.talk, weight="Bolder"))
    journal = f" · journal {card.stamp}" if card.stamp else ""
    rules = ", ".join(card.rules) or "default"
    body.append(
        _line(f"rules {rules} · what is approved: {card.digest}{journal}", size="Small", subtle=True, rule=True)
    )
    if hint:
        body.append(_boxed([_line(hint, weight="Bolder")], "warning"))
    shown: Block = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.5",
        "fallbackText": "An approval waits for you in the inbox.",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": "Open in inbox", "url": card.link}],
    }
    if card.open:
        own = {"type": "Action.Execute", "title": "Show", "verb": VIEW, "data": {"id": card.id}}
        shown["refresh"] = {"action": own, "userIds": list(users[:60])} if users else {"action": own}
        if nonce:
            _add_answers(shown, card, nonce)
        elif shared:
            shown["actions"] = [{**own, "title": "Answer here"}, *shown["actions"]]
    return shown


def _add_answers(shown: Block, card: Card, nonce: str) -> None:
    data = {"id": card.id, "v": card.version, "c": card.call_digest, "w": card.view_digest, "n": nonce}
    if card.inbox_only:
        shown["body"].append(_boxed([_line(card.inbox_only, weight="Bolder")], "warning"))
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


def _head(card: Card) -> Block:
    """Who asks for what and what that does, or how it ended: coloured, and never by colour alone."""
    if card.open:
        title, below = f"{card.requester} asks to run {card.tool}", card.consequence
        style = _STYLE.get(card.risk_level, "attention")
    else:
        mark, word, _ = STATE_WORDS[card.state.value]
        title, below = f"{mark} {word}: {card.tool}", card.sentence
        style = "good" if card.state.value in _WENT_WELL else "emphasis"
    lines = [_line(title, size="Large", weight="Bolder"), _line(below, spacing="Small")]
    return {**_boxed(lines, style), "bleed": True}


def _boxed(items: list[Block], style: str) -> Block:
    return {"type": "Container", "style": style, "items": items}


def _group(title: str, items: list[Block], *, style: str = "") -> Block:
    """Lines that belong together, under a title of ours."""
    head = _line(title, size="Small", weight="Bolder", subtle=True)
    found: Block = {"type": "Container", "spacing": "Medium", "items": [head, *items]}
    return {**found, "style": style} if style else found


def _fact(name: str, text: str) -> Block:
    return _pair([_run(name, subtle=True)], [_run(text)])


def _row(row: Row) -> Block:
    """An argument: what is its own text stands in another type than what we say of it."""
    said = [_run(row.text, mono=True)]
    if row.hidden:
        said.append(_run(" part hidden", subtle=True, italic=True))
    if row.cut:
        said.append(_run(" cut, the rest is in the inbox", subtle=True, italic=True))
    name = _run(row.name or "value", size="Small", mono=True, subtle=True)
    if len(row.name.encode()) <= _NARROW:
        return _pair([name], said)
    lines = [
        {"type": "RichTextBlock", "inlines": [name]},
        {"type": "RichTextBlock", "inlines": said, "spacing": "None"},
    ]
    return {"type": "Container", "spacing": "Small", "items": lines}


def _pair(name: list[Block], text: list[Block]) -> Block:
    """Two columns: a FactSet would render Markdown in its values."""
    columns = [
        {"type": "Column", "width": width, "items": [{"type": "RichTextBlock", "inlines": runs}]}
        for width, runs in (("92px", name), ("stretch", text))
    ]
    return {"type": "ColumnSet", "spacing": "Small", "columns": columns}


def _line(text: str, *, spacing: str = "", rule: bool = False, **look: Any) -> Block:
    found: Block = {"type": "RichTextBlock", "inlines": [_run(text, **look)]}
    if spacing:
        found["spacing"] = spacing
    if rule:
        found["separator"] = True
    return found


def _run(
    text: str, *, size: str = "", weight: str = "", subtle: bool = False, italic: bool = False, mono: bool = False
) -> Block:
    run: Block = {"type": "TextRun", "text": _inert(text) or "–"}
    if size:
        run["size"] = size
    if weight:
        run["weight"] = weight
    if subtle:
        run["isSubtle"] = True
    if italic:
        run["italic"] = True
    if mono:
        run["fontType"] = "Monospace"
    return run


def _inert(text: str) -> str:
    """Hidden characters are spelled out by the card already; here ``{{DATE(…)}}`` is broken, which Teams rewrites."""
    while "{{" in text or "}}" in text:
        text = text.replace("{{", "{ {").replace("}}", "} }")
    return text
