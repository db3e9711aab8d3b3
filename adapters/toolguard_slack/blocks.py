"""Cards as Slack's Block Kit. Every text is ``plain_text`` without emoji: no link, mention or date in it can act."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from toolguard.channels import STATE_WORDS, Card, Row

__all__ = ["METADATA", "dialogue", "fallback", "message", "notice_view"]

Block = dict[str, Any]
METADATA = "toolguard_approval"
"""Event type of our messages' metadata: by it a message is found again."""
_MARK = {"low": "○", "medium": "◐", "high": "●", "critical": "■"}


def message(card: Card) -> list[Block]:
    """The blocks of a message: at most 50, each text at most 3000 characters (Slack's limits)."""
    blocks: list[Block] = [_header(_title(card))]
    blocks.append(_section(f"{card.because}"))
    blocks.append(
        _fields([("Risk", _risk(card)), ("Agent", card.agent), ("Asked by", _who(card)), ("Expires", _time(card))])
    )
    blocks.append(_section(card.consequence))
    if card.decisive:
        blocks += [_section("What decides it:"), *_rows(card.decisive)]
    if card.rows:
        blocks += [_section("Arguments, identifiers masked:"), *_rows(card.rows)]
    if card.left_out:
        blocks.append(_section(f"{card.left_out} more are in the inbox. Do not approve what you have not seen."))
    if card.agent_reason:
        blocks.append(_section(f"The agent's own words, checked by nobody: {card.agent_reason}"))
    if card.evidence:
        blocks.append(_context("Why: " + "; ".join(card.evidence)))
    if card.answers:
        blocks.append(_section("\n".join(card.answers)))
    if card.talk:
        blocks.append(_context(card.talk))
    journal = f" · journal {card.stamp}" if card.stamp else ""
    blocks.append(_context(f"rules {', '.join(card.rules) or 'default'} · what is approved: {card.digest}{journal}"))
    if card.open:
        if card.inbox_only:
            blocks.append(_section(card.inbox_only))
        blocks.append(_actions(card))
    else:
        blocks.append(_section(card.sentence))
    return blocks


def _title(card: Card) -> str:
    if card.open:
        return f"{card.requester} asks to run {card.tool}"
    return f"{STATE_WORDS[card.state.value][1]}: {card.tool}"


def fallback(card: Card) -> str:
    """The text of notifications. It is markup, so nothing from the call stands in it."""
    return "An approval waits for you." if card.open else f"An approval changed: {STATE_WORDS[card.state.value][1]}."


def dialogue(card: Card, answer: str, metadata: str) -> dict[str, Any]:
    """The dialogue in which an answer is given with its reason."""
    word = "Approve once" if answer == "approve" else "Deny"
    blocks = [
        _section(f"{card.requester} asks to run {card.tool} through {card.agent}."),
        _section(card.consequence if answer == "approve" else "It will not run."),
        *_rows(card.decisive),
        _context(f"what is approved: {card.digest}"),
        {
            "type": "input",
            "block_id": "reason",
            "optional": not card.reason_required,
            "label": _text("Reason", 150),
            "hint": _text("Kept with your answer. Name no patients.", 150),
            "element": {"type": "plain_text_input", "action_id": "reason", "multiline": True, "max_length": 2000},
        },
    ]
    return {
        "type": "modal",
        "callback_id": f"toolguard.{answer}",
        "private_metadata": metadata,
        "title": _text(word, 24),
        "submit": _text(word, 24),
        "close": _text("Cancel", 24),
        "blocks": blocks,
    }


def notice_view(title: str, said: str) -> dict[str, Any]:
    """A dialogue that only says something."""
    return {"type": "modal", "title": _text(title, 24), "close": _text("Close", 24), "blocks": [_section(said)]}


def _rows(rows: tuple[Row, ...]) -> list[Block]:
    pairs = [
        (row.name or "value", row.text + (" (part hidden)" if row.hidden else "") + (" (cut)" if row.cut else ""))
        for row in rows
    ]
    return [_fields(pairs[at : at + 10]) for at in range(0, len(pairs), 10)]


def _who(card: Card) -> str:
    return f"{card.requester} ({'verified' if card.verified else 'asserted by the application'})"


def _risk(card: Card) -> str:
    return f"{_MARK.get(card.risk_level, '●')} {card.risk_level}, {card.risk_class.replace('_', ' ')}"


def _time(card: Card) -> str:
    return datetime.fromtimestamp(card.expires, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _actions(card: Card) -> Block:
    value = json.dumps({"id": card.id, "v": card.version, "c": card.call_digest, "w": card.view_digest})
    buttons = [] if card.inbox_only else [_button("Approve once…", "approve", value)]
    buttons.append(_button("Deny…", "deny", value))
    buttons.append({"type": "button", "action_id": "open", "text": _text("Open in inbox", 75), "url": card.link})
    return {"type": "actions", "block_id": "answer", "elements": buttons}


def _button(label: str, action: str, value: str) -> Block:
    return {"type": "button", "action_id": action, "text": _text(label, 75), "value": value}


def _header(text: str) -> Block:
    return {"type": "header", "text": _text(text, 150)}


def _section(text: str) -> Block:
    return {"type": "section", "text": _text(text, 3000)}


def _fields(pairs: list[tuple[str, str]]) -> Block:
    return {"type": "section", "fields": [_text(f"{name}: {text}", 2000) for name, text in pairs]}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_text(text, 2000)]}


def _text(text: str, most: int) -> dict[str, Any]:
    shown = text if len(text) <= most else f"{text[: most - 1]}…"
    return {"type": "plain_text", "text": shown or "–", "emoji": False}
