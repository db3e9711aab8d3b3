"""The authority: reads the approval and the person anew for every verdict, signs what follows, commits it.

Each change is one transaction: compare-and-set, verdicts, acts and audit records together. A lost race is read
again and judged again, so a verdict is either part of the state, or refused with a reason and on record.
"""

from __future__ import annotations

from toolguard.authority.commenting import Commenting
from toolguard.authority.deciding import Deciding
from toolguard.authority.following import Following
from toolguard.authority.redacting import Redacting
from toolguard.authority.remote import Remote
from toolguard.authority.reviewing import Reviewing
from toolguard.authority.standing import Standing
from toolguard.authority.stats import Figures
from toolguard.authority.telling import Telling

__all__ = ["Authority"]


class Authority(Telling, Deciding, Standing, Reviewing, Redacting, Figures, Commenting, Following, Remote):
    """What the approval service runs. Thread-safe as far as its store and directory are.

    ``reading`` lists and shows; ``deciding`` takes verdicts, reveals and proposes; ``ending`` withdraws, revokes,
    resolves and sweeps; ``freezing`` freezes; ``standing`` shows and ends standing approvals; ``glass`` breaks the
    glass and reviews that; ``reviewing`` signs other reviews; ``redacting`` deletes what is kept
    beside records, and holds it; ``telling`` reminds and delivers; ``stats`` counts; ``remote`` takes
    what guards without a database ask, claim and report; ``following`` says what changes; ``commenting`` keeps what people say
    to each other. All stand on ``base``.
    """
