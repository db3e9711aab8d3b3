"""How far tokens count, so that each one can be read back (see `toolguard._core.vault`)."""

from __future__ import annotations

__all__ = ["MAX_INDEX", "MAX_VARIANT"]

MAX_INDEX = 999_999
"""Six digits. One more identifier of a type is refused."""
MAX_VARIANT = 675
"""``zz``. One more spelling of an identifier gets an index of its own."""
