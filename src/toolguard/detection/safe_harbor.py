"""The ZIP table of HIPAA Safe Harbor, for those who detect; it stands in the core, where operators use it."""

from toolguard._core.safe_harbor import zip3

__all__ = ["zip3"]
