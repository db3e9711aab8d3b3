"""The widget: a card that says where a question stands, and links to the page where it is answered.

It has no way to answer. Whatever runs in the kernel can reach everything in the notebook's own page, press its buttons
and read what is typed there; so the notebook's page gets neither the approver's credential nor a button that decides.
Approve and Deny open the service's own page in a window of its own, where the approver is signed in and confirms.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from toolguard.channels import STATE_WORDS, Card

__all__ = ["ApprovalWidget"]

_STATIC = Path(__file__).parent / "static"
_MAY_MOVE = frozenset({"pending", "approved", "break_glass", "executing"})


class ApprovalWidget(anywidget.AnyWidget):
    """One approval. Everything here goes from the kernel to the page; what comes back is not listened to."""

    _esm = _STATIC / "approval.js"
    _css = _STATIC / "approval.css"
    card = traitlets.Dict().tag(sync=True)

    def __init__(self, card: Card) -> None:
        super().__init__(card=_shown(card))

    def show(self, card: Card) -> bool:
        """Say where it stands now; whether that may still change. May be called from any thread."""
        shown = _shown(card)
        if shown != self.card:
            self.card = shown
        return shown["state"] in _MAY_MOVE

    def _repr_mimebundle_(self, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and a line of text for where none can be drawn."""
        data, metadata = super()._repr_mimebundle_(**more) or ({}, {})
        told = f"{self.card['tool']}: {self.card['word']}. Answer it at {self.card['link']}"
        return {**data, "text/plain": told}, metadata


def _shown(card: Card) -> dict[str, Any]:
    mark, word, sentence = STATE_WORDS[card.state.value]
    decisive = {(row.name, row.text) for row in card.decisive}
    return {
        "state": card.state.value,
        "mark": mark,
        "word": word,
        "sentence": sentence,
        "open": card.open,
        "vetoable": card.state.value in ("pending", "approved"),
        "tool": card.tool,
        "requester": card.requester,
        "agent": card.agent,
        "verified": card.verified,
        "risk": f"{card.risk_level} · {card.risk_class.replace('_', ' ')}",
        "level": card.risk_level,
        "consequence": card.consequence,
        "because": card.because,
        "says": card.agent_reason,
        "decisive": [[row.name, row.text + (" (shown in part)" if row.hidden else "")] for row in card.decisive],
        "rows": [[row.name, row.text] for row in card.rows if (row.name, row.text) not in decisive],
        "left_out": card.left_out,
        "answers": list(card.answers),
        "expires": card.expires,
        "digest": card.digest,
        "link": card.link,
    }
