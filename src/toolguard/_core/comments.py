"""What people said to each other about a request: acts of a chain of their own, which nothing that decides reads.

A comment is signed and chained as every act is, but never stands in the register that guards fold: a guard, of this version
or an earlier one, neither reads nor needs it, its claims are not held up by it, and no comment can become a verdict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from toolguard._core.acts import ALL, Act, ActKind
from toolguard._core.call import Json
from toolguard.errors import TamperedError

__all__ = ["COMMENTS", "LONGEST", "Comment", "Side", "comment_of", "comments_of", "tidy"]

COMMENTS = f"{ALL}comments/"
"""Begins the name of every chain of comments. No real tenant's name does."""
LONGEST = 2000
"""Characters of a comment, before identifiers are masked."""
_GAP = re.compile(r"\n(?:[^\S\n]*\n){2,}")


class Side(StrEnum):
    """Where the person stood when they said it."""

    ASKING = "asking"
    """On the asking side: the requester, or who owns or delegates the agent. They approve nothing of it."""
    APPROVER = "approver"
    """The request was theirs to decide at that moment."""
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One person's words on one request. ``text`` is masked and may hold anything else: show it inert.

    ``digest`` is the SHA-256 of the signed act, ``n`` its place in the tenant's comments, ``at`` UTC seconds.
    """

    id: str
    n: int
    approval: str
    person: str
    side: Side
    text: str
    at: float
    digest: str


def comments_of(tenant: str) -> str:
    """The name of the tenant's chain of comments, where a register has its tenant's."""
    return COMMENTS + tenant


def tidy(text: str) -> str:
    """As it is kept: line ends are one, no more than one line stays empty in a row, none at the ends."""
    return _GAP.sub("\n\n", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def comment_of(act: Act, *, tenant: str, n: int, last: str) -> Comment:
    """The comment in an act, which has to be the one after number ``n`` with hash ``last``.

    Raises:
        TamperedError: it is not, or is no comment.
    """
    body: Mapping[str, Json] = act.body
    approval, text = body.get("approval"), body.get("text")
    follows = (act.tenant, act.n, act.prev) == (comments_of(tenant), n + 1, last)
    if not follows or act.kind is not ActKind.COMMENT or not isinstance(approval, str) or not isinstance(text, str):
        raise _tampered()
    try:
        side = Side(str(body.get("side")))
    except ValueError:
        raise _tampered() from None
    return Comment(
        id=act.id, n=act.n, approval=approval, person=act.person, side=side, text=text, at=act.at, digest=act.hash
    )


def _tampered() -> TamperedError:
    return TamperedError(
        "the comments in the store do not hold together: they were edited, or belong to another service; none is shown "
        "until that is looked at (toolguard audit verify)"
    )
