"""What a request means, in plain words: constants by risk class and state, never text from a call."""

from __future__ import annotations

__all__ = ["CONSEQUENCE", "HINTS", "STATE_WORDS", "duration"]

CONSEQUENCE: dict[str, str] = {
    "read": "It reads data. What has been read cannot be taken back.",
    "write": "It changes data. Whether that can be undone depends on the tool.",
    "communication": "It sends something to someone. What has been sent cannot be called back.",
    "financial": "It moves money or makes a commitment. Undoing it may need the other side.",
    "exfiltration": "It hands data to another place. What has left cannot be called back.",
    "privilege": "It changes who may do what.",
    "code_execution": "It runs code. What the code does may not be undoable.",
    "destructive": "It deletes or overwrites. This may not be undoable.",
}

STATE_WORDS: dict[str, tuple[str, str, str]] = {
    "pending": ("○", "Waiting", "Waiting for an answer."),
    "approved": ("✓", "Approved once", "Approved. It has not run yet; an approver can still deny it."),
    "break_glass": (
        "!",
        "Emergency",
        "A person broke the glass: it may run once without an approval, and is reviewed.",
    ),
    "executing": ("▸", "Running", "Approved, and running now."),
    "executed": ("✓", "Carried out", "Approved and carried out. The approval is used up."),
    "denied": ("✕", "Denied", "Denied. It did not run."),
    "expired": ("–", "Expired", "Nobody's answer came in time. It did not run."),
    "withdrawn": ("←", "Withdrawn", "Taken back by who asked. It did not run."),
    "superseded": ("→", "Replaced", "Replaced by another request. It did not run."),
    "undeliverable": ("!", "Undeliverable", "There was nobody to ask. It did not run."),
    "revoked": ("✕", "Revoked", "The approval was taken back before it ran."),
    "invalidated": ("✕", "Invalidated", "The call was no longer what had been approved. It did not run."),
    "indeterminate": ("?", "Unclear", "It was running when contact was lost. It may or may not have run."),
}
"""State → (mark, word, sentence)."""

HINTS: dict[str, str] = {
    "self_approval": "You asked for this, or answer for the agent that did. Someone else has to decide.",
    "not_an_approver": "You are not among the approvers of this request at this moment.",
    "decided": "Someone was faster. Below is how it stands now.",
    "expired": "The time for an answer has run out. The agent has to ask again.",
    "stale": "The request has changed since you opened it. Below is how it stands now: look again.",
    "reason_required": "Say in a few words why. The reason is kept with your answer.",
    "tampered": "The stored record does not carry the service's signature. Have the database looked at.",
    "conflict": "Several people answered at the same moment. Look again.",
}


def duration(seconds: float) -> str:
    """``58 min``, ``2 h 5 min``, ``40 s``."""
    left = max(0, int(seconds))
    if left < 60:
        return f"{left} s"
    if left < 3600:
        return f"{left // 60} min"
    if left < 86400:
        return f"{left // 3600} h {left % 3600 // 60} min"
    return f"{left // 86400} d {left % 86400 // 3600} h"
