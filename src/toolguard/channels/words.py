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
    "not_your_turn": "Another stage has to be complete before yours. You can deny it already.",
    "step_up_required": "This needs your second factor: type the code your authenticator app shows now.",
    "wrong_code": "The code was wrong, too old or used already. Wait for the next one.",
    "reveal_required": "Reveal what decides this call, and look at it, before you approve.",
    "reveal_off": "The policy lets nobody see this in clear.",
    "standing_refused": "A yes to this call cannot stand for so long, or for so many calls. Approve it once.",
    "proposal_invalid": "A proposal is an object of arguments by name. Look at what you wrote.",
    "proposal_same": "These are the arguments that were asked for. Approve them, or change one.",
    "proposal_identifiers": "Name people only by the tokens this request shows, and take out what else identifies someone.",
    "not_requester": "Only who asked can take a request back. You can deny it.",
    "not_in_emergency_role": "The glass cannot be broken for this: the policy does not name you, or does not allow it here.",
    "never_in_emergency": "Exports, deletions, payments and privileges wait for an approval even in an emergency.",
    "no_subject": "The call names no single patient, so it waits for an approval even in an emergency.",
    "requester_not_verified": "Who asks is not verified, so this waits for an approval even in an emergency.",
    "evidence_required": "Say how you know what became of it.",
    "not_on_duty": "The directory gives this duty to someone else.",
    "frozen": "This agent is frozen: nothing of it can be approved until a second person lifts that. You can deny it.",
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
