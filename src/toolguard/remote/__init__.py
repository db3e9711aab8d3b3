"""A guard without a database: its own journal and vault here, its approvals at the service, over HTTPS."""

from toolguard.remote.link import Link
from toolguard.remote.store import RemoteStore

__all__ = ["Link", "RemoteStore"]
