"""The approval authority: what the approval service runs. Verdicts, signatures, withdrawals and expiry."""

from toolguard._core.approval import Answer, Approval, Grant, Request, State, Verdict, is_expired
from toolguard._core.call import Person
from toolguard._core.policy import ApproverRule
from toolguard.authority.access import Actor, Human, Service
from toolguard.authority.authority import Authority, Page
from toolguard.authority.inert import hides, shown, visible

__all__ = [
    "Actor",
    "Answer",
    "Approval",
    "ApproverRule",
    "Authority",
    "Grant",
    "Human",
    "Page",
    "Person",
    "Request",
    "Service",
    "State",
    "Verdict",
    "hides",
    "is_expired",
    "shown",
    "visible",
]
