"""Whether agent and approval service are kept apart: what this process could do that is the service's alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from toolguard.config.file import Config

__all__ = ["Separation", "reaches", "separation_of"]

Separation = Literal["apart", "none", "waived", "unknown"]
"""``apart``: nothing of the service's was within reach. ``none``: something was. ``waived``: it was, and the configuration
accepts that by name. ``unknown``: nobody looked, because the guard was not made from a configuration file."""

_LINKS = 40
"""Symbolic links that are followed on the way to one file, as the kernel does."""


def reaches(config: Config) -> tuple[str, ...]:
    """What of the service's this process could misuse, as keys of the configuration; nothing where they are kept apart.

    Whoever reads the signing key gives a yes, whoever writes the witness makes an older store pass, whoever writes the
    tokens or the directory makes themselves an approver, whoever reads a second factor gives its codes, whoever reads the
    keeper's login takes records out, and whoever reads a channel's secret answers in its name. Root may do all of it, and an owner may do what is forbidden for now.
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
        factors = directory.second_factors
        if factors and (_readable(factors, config) or _writable(config.at(factors))):
            found.append("directory.second_factors")
    if config.audit.keeper_url is not None and _readable(config.audit.keeper_url, config):
        found.append("audit.keeper_url")
    for name, settings in config.channels.items():
        found += [f"channels.{name}.{key}" for key in _secrets(settings, config)]
    return tuple(found)


def separation_of(config: Config) -> Separation:
    """What a guard from this configuration puts on record."""
    if not reaches(config):
        return "apart"
    return "waived" if config.service.separation == "waived" else "none"


def _secrets(settings: Mapping[str, Any], config: Config) -> Iterator[str]:
    """The settings of a channel that name a place, and this process can read what is there."""
    for key, value in settings.items():
        if isinstance(value, str) and value.startswith(("env:", "file:")) and _readable(value, config):
            yield key


def _readable(reference: str, config: Config) -> bool:
    if reference.startswith("env:"):
        return bool(os.environ.get(reference[4:]))
    path = config.at(reference.removeprefix("file:"))
    if _may(path, os.R_OK):
        return True
    way = list(_way(path))  # who owns it, or a folder that is shut, can open it
    return _is_there(path) is not False and any(_own(each) and not _may(each, os.R_OK | os.X_OK) for _, each in way)


def _writable(path: Path) -> bool:
    """Also where it can be replaced: who may write a folder on the way may put another file there."""
    there = _is_there(path)
    if there is False:
        return False
    if there and (_may(path, os.W_OK) or _own(path)):
        return True
    return any(_own(folder) or (_may(folder, os.W_OK) and _free(folder, each)) for folder, each in _way(path))


def _way(path: Path) -> Iterator[tuple[Path, Path]]:
    """(folder, what is looked up in it), from the root to ``path``, through every link on the way."""
    whole, links = Path.cwd() / path, 0
    folder, todo = Path(whole.anchor), [*reversed(whole.parts[1:])]
    while todo:
        part = todo.pop()
        if part == "..":
            folder = folder.parent
            continue
        here = folder / part
        yield folder, here
        try:
            target = here.readlink()
        except OSError:
            folder = here
            continue
        links += 1
        if links > _LINKS:
            return
        folder = Path(target.anchor) if target.is_absolute() else folder
        todo += reversed(target.parts[1:] if target.is_absolute() else target.parts)


def _is_there(path: Path) -> bool | None:
    """None: a folder on the way is shut."""
    try:
        path.stat()
    except PermissionError:
        return None
    except (OSError, ValueError):
        return False
    return True


def _free(folder: Path, inside: Path) -> bool:
    """Whether who may write ``folder`` may move what is inside: not another's, where it is sticky (as ``/tmp`` is)."""
    try:
        return not folder.stat().st_mode & stat.S_ISVTX or _own(inside)
    except OSError:
        return False


def _own(path: Path) -> bool:
    try:
        return path.lstat().st_uid == _me()
    except OSError:
        return False


def _me() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else -1


def _may(path: Path, what: int) -> bool:
    return os.access(path, what, effective_ids=os.access in os.supports_effective_ids)
