"""A moment as people write it."""

from __future__ import annotations

import datetime as dt

import typer

__all__ = ["moment"]


def moment(text: str) -> float:
    """``2026-06-01`` or ``2026-06-01T08:00:00Z`` as UTC seconds; UTC where no zone is said."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            "is no time; write 2026-06-01 or 2026-06-01T08:00:00Z (UTC where no zone is said)"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp()
