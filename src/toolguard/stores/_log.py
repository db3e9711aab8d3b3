"""One log per process and store: its id, and the record it opens with."""

from __future__ import annotations

import os
import secrets

from toolguard._core.audit import GENESIS, Draft, Kind

__all__ = ["REGISTRY_NUMBER", "REGISTRY_PREV", "new_id", "opening"]

REGISTRY_NUMBER = "toolguard.audit.registry.number"
REGISTRY_PREV = "toolguard.audit.registry.prev"


def new_id() -> str:
    """128 random bits as 32 hex digits."""
    return secrets.token_hex(16)


def opening(log_id: str, *, now: float, epoch: str, number: int = 1, prev: str = GENESIS) -> Draft:
    """The first record of a log.

    ``number`` counts the store's logs from 1 and ``prev`` is the hash of the first record of the log before,
    so that a log that is gone, registry row and all, is missed by the one after it.
    """
    return Draft(
        kind=Kind.LOG_OPENED,
        at=now,
        started=now,
        body={
            "toolguard.audit.log_id": log_id,
            REGISTRY_NUMBER: number,
            REGISTRY_PREV: prev,
            "toolguard.store.epoch": epoch,
            "process.pid": os.getpid(),
        },
    )
