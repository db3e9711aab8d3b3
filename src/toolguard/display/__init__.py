"""How notebooks show what a guard says: HTML for light and dark, without a script, with every value escaped.

Most objects show themselves: let a cell end with a `Decision`, an `Approval`, a `Suspended`, a `Policy` … What is a list
has a view of its own here: `tools_view`, `trace_view`, `lint_view`, `cases_view`, `difference_view`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from toolguard._core.approval import Approval
from toolguard._core.flow.marked import MarkedText
from toolguard._core.policy import Decision, Policy
from toolguard._core.risk import Risk
from toolguard.display.approvals import approval_view, suspended_view
from toolguard.display.decisions import decision_view, explanation_view, risk_view
from toolguard.display.guards import approval, cases, check, compare, lint, replay, scan, trace, verified
from toolguard.display.journals import verify_view
from toolguard.display.masked import marked_view, seen_view
from toolguard.display.page import View
from toolguard.display.policies import (
    cases_view,
    difference_view,
    faults_view,
    lint_view,
    policy_view,
    replay_view,
)
from toolguard.display.timeline import trace_view
from toolguard.display.tools import tools_view
from toolguard.errors import PolicyError, Suspended
from toolguard.journal import VerifyReport
from toolguard.policyfile import Explanation
from toolguard.policytools.replay import Report

__all__ = [
    "View",
    "approval",
    "approval_view",
    "cases",
    "cases_view",
    "check",
    "compare",
    "decision_view",
    "difference_view",
    "explanation_view",
    "faults_view",
    "lint",
    "lint_view",
    "marked_view",
    "policy_view",
    "replay",
    "replay_view",
    "risk_view",
    "scan",
    "seen_view",
    "suspended_view",
    "tools_view",
    "trace",
    "trace_view",
    "verified",
    "verify_view",
    "view",
]

_VIEWS: Mapping[type, Callable[..., View]] = {
    Approval: approval_view,
    Decision: decision_view,
    Explanation: explanation_view,
    MarkedText: marked_view,
    Policy: policy_view,
    PolicyError: faults_view,
    Report: replay_view,
    Risk: risk_view,
    Suspended: suspended_view,
    VerifyReport: verify_view,
}


def view(shown: object) -> View:
    """An object as it is shown. Raises TypeError for one that has no view."""
    for kind in type(shown).__mro__:
        found = _VIEWS.get(kind)
        if found is not None:
            return found(shown)
    raise TypeError(f"there is no view of a {type(shown).__name__!r}; toolguard.display lists those there are")
