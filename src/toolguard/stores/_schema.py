"""What a database says of its schema."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Schema"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What a database holds. ``version`` 0: nothing of ours. ``facts`` say more, for people."""

    version: int
    latest: int
    epoch: str = ""
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def pending(self) -> int:
        """How many migrations it lacks."""
        return self.latest - self.version
