"""Packs: policies shipped with this package, included by name (``pack:hipaa``)."""

from __future__ import annotations

import re
from importlib import resources

__all__ = ["pack_names", "read_pack"]

_PACKAGE = "toolguard_policies"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def pack_names() -> tuple[str, ...]:
    """The names of every shipped pack."""
    files = resources.files(_PACKAGE).iterdir()
    return tuple(sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml")))


def read_pack(name: str) -> bytes:
    """The bytes of the pack ``name``. Raises KeyError if there is none."""
    if not _NAME.fullmatch(name) or name not in pack_names():
        raise KeyError(name)
    return (resources.files(_PACKAGE) / f"{name}.yaml").read_bytes()
