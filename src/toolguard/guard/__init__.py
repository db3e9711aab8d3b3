"""The guard: the enforcement point. A `Guard` is made once, a `Session` per run and caller."""

from toolguard.guard.guard import Guard
from toolguard.guard.session import Session, current_session

__all__ = ["Guard", "Session", "current_session"]
