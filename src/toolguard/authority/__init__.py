"""The approval authority: what the approval service runs. Verdicts, signatures, acts, withdrawals and expiry."""

from toolguard._core.approval import (
    Answer,
    Approval,
    Assured,
    Grant,
    Request,
    StandingTerms,
    State,
    Vary,
    Verdict,
    is_expired,
)
from toolguard._core.approver import Escalation, Stage, StandingLimits
from toolguard._core.audit import AuditRecord
from toolguard._core.call import Assurance, CallRef, Person
from toolguard._core.comments import Comment, Side
from toolguard._core.policy import ApproverRule
from toolguard._core.register import BreakGlass, Freeze, Hold, Redaction, StandingApproval
from toolguard._core.steps import Notice
from toolguard.authority.access import Actor, Human, Service
from toolguard.authority.authority import Authority
from toolguard.authority.deciding import Revealed
from toolguard.authority.glass import Review
from toolguard.authority.inert import hides, shown, visible
from toolguard.authority.reading import Page
from toolguard.authority.remote import Ended
from toolguard.authority.standing import StandingView
from toolguard.authority.stats import ApproverStats, Favours, Stats, near_duplicates, stats_of

__all__ = [
    "Actor",
    "Answer",
    "Approval",
    "ApproverRule",
    "ApproverStats",
    "Assurance",
    "Assured",
    "AuditRecord",
    "Authority",
    "BreakGlass",
    "CallRef",
    "Comment",
    "Ended",
    "Escalation",
    "Favours",
    "Freeze",
    "Grant",
    "Hold",
    "Human",
    "Notice",
    "Page",
    "Person",
    "Request",
    "Revealed",
    "Redaction",
    "Review",
    "Service",
    "Side",
    "Stage",
    "StandingApproval",
    "StandingLimits",
    "StandingTerms",
    "StandingView",
    "State",
    "Stats",
    "Vary",
    "Verdict",
    "hides",
    "is_expired",
    "near_duplicates",
    "shown",
    "stats_of",
    "visible",
]
