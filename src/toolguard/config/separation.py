"""Whether agent and approval service are kept apart: what this process could do that is the service's alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from toolguard.config.file import Config

__all__ = ["Separation", "reaches", "separation_of"]

Separation = Literal["apart", "none", "waived", "unknown"]
"""``apart``: nothing of the service's was within reach. ``none``: something was. ``waived``: it was, and the configuration
accepts that by name. ``unknown``: nobody looked, because the guard was not made from a configuration file."""


def reaches(config: Config) -> tuple[str, ...]:
    """What of the service's this process could misuse, as keys of the configuration; nothing where they are kept apart.

    Whoever reads the signing key gives a yes, whoever writes the witness makes an older store pass, whoever writes the
    tokens or the directory makes themselves an approver. Root may do all of it.
    """
    service, directory = config.service, config.directory
    found = []
    if service.signing_key is not None and _readable(service.signing_key, config):
        found.append("service.signing_key")
    if _writable(config.at(service.witness)):
        found.append("service.witness")
    if directory is not None:
        found += ["directory.tokens"] if directory.tokens and _writable(config.at(directory.tokens)) else []
        found += ["directory.file"] if _writable(config.at(directory.file)) else []
    return tuple(found)


def separation_of(config: Config) -> Separation:
    """What a guard from this configuration puts on record."""
    if config.service.remote or not reaches(config):
        return "apart"
    return "waived" if config.service.separation == "waived" else "none"


def _readable(reference: str, config: Config) -> bool:
    if reference.startswith("env:"):
        return bool(os.environ.get(reference[4:]))
    return _may(config.at(reference.removeprefix("file:")), os.R_OK)


def _writable(path: Path) -> bool:
    """Also where it can be replaced: who may write the folder may put another file there."""
    return path.exists() and (_may(path, os.W_OK) or _may(path.parent, os.W_OK))


def _may(path: Path, what: int) -> bool:
    return os.access(path, what, effective_ids=os.access in os.supports_effective_ids)
