"""Packs: policies shipped beside this package, included by name (``pack:hipaa``)."""

from __future__ import annotations

import toolguard_policies

__all__ = ["pack_names", "read_pack"]


def pack_names() -> tuple[str, ...]:
    """The names of every shipped pack."""
    return toolguard_policies.names()


def read_pack(name: str) -> bytes:
    """The bytes of the pack ``name``. Raises KeyError if there is none."""
    return toolguard_policies.read(name)
