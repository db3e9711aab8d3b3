"""Other arguments an approver proposes: plain JSON in which people are named by the session's tokens only."""

from __future__ import annotations

import json

from toolguard._core.approval import Request
from toolguard._core.call import Json, canonical
from toolguard._core.flow.masking import token_findings
from toolguard._core.mask import checked, leaves, whole_leaf
from toolguard._core.steps import Origin
from toolguard.authority.inert import hides
from toolguard.errors import ApprovalError
from toolguard.ports import Detector

__all__ = ["check_proposal"]

_LONGEST = 100_000


def check_proposal(arguments: Json, request: Request, detector: Detector) -> Json:
    """A copy of ``arguments`` as they may be kept and shown to the model.

    Raises:
        BadArgumentsError: they cannot be written down exactly.
        ApprovalError: ``proposal_invalid``, ``proposal_same`` or ``proposal_identifiers``.
    """
    written = canonical(arguments)
    if not isinstance(arguments, dict) or len(written) > _LONGEST:
        raise ApprovalError(
            f"a proposal is an object of arguments by name, of at most {_LONGEST} characters", code="proposal_invalid"
        )
    asked = canonical(request.view).decode()
    if any(hides(c) and c not in asked for c in written.decode()):
        raise ApprovalError(
            "a proposal holds characters nobody can see; write it anew without them", code="proposal_invalid"
        )
    if written == canonical(request.view):
        raise ApprovalError("these are the arguments that were asked for; approve them instead", code="proposal_same")
    proposal: Json = json.loads(written)
    try:
        found = checked(proposal, detector.session().inspect(proposal, origin=Origin.USER))
    except Exception:  # noqa: BLE001 - a detector may fail in any way
        raise ApprovalError(
            "the proposal could not be checked for identifiers; try again, or deny with a reason",
            code="proposal_identifiers",
        ) from None
    shown = {(leaf.path, leaf.kind, leaf.text) for leaf in leaves(request.view)}
    tokens = token_findings(proposal)
    issued = {token for _, token in token_findings(request.view)}
    raw = [
        f
        for f in found
        if (f.path, "key" if f.key else "str", whole_leaf(proposal, f)) not in shown  # what is shown in clear may stay
        and not any((t.path, t.key) == (f.path, f.key) and t.start <= f.start and f.end <= t.end for t, _ in tokens)
    ]
    if raw or not {token for _, token in tokens} <= issued:
        raise ApprovalError(
            "a proposal names people only by the tokens this request shows; take out what identifies someone",
            code="proposal_identifiers",
        )
    return proposal
