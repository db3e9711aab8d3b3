"""Health: what is wrong with an installation, and how to mend it. It looks at everything and writes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from toolguard._core.call import Tool
from toolguard.config import load_config
from toolguard.errors import ConfigError, ToolguardError
from toolguard.health import addresses, channels, keys, people, policy, store, upkeep
from toolguard.health.finding import Finding, Level, fault, fine, worst
from toolguard.health.place import Place, said

__all__ = ["AREAS", "Finding", "Level", "examine", "worst"]

AREAS: dict[str, Callable[[Place], Iterator[Finding]]] = {
    "policy": policy.check,
    "keys": keys.check,
    "store": store.check,
    "directory": people.check_directory,
    "tokens": people.check_tokens,
    "service": addresses.check_service,
    "separation": upkeep.check_separation,
    "oidc": addresses.check_oidc,
    "channels": channels.check,
    "spans": addresses.check_spans,
    "audit": upkeep.check_audit,
    "clock": store.check_clock,
    "packages": upkeep.check_packages,
}
"""What is looked at, in this order."""


def examine(
    path: Path,
    *,
    tools: Sequence[Tool] = (),
    online: bool = True,
    progress: Callable[[str], None] = lambda area: None,
) -> tuple[Finding, ...]:
    """Everything that was looked at in the installation ``path`` (a ``toolguard.toml``) describes, area by area.

    Args:
        tools: the application's own tools, to hold against the policy.
        online: whether addresses that the configuration names may be asked; each is given three seconds.
        progress: told of each area before it is looked at.
    """
    try:
        config = load_config(path)
    except ConfigError as wrong:
        mend = f"correct {path}: docs/configuration.md has every key" if path.exists() else "toolguard init"
        return (fault("configuration.loads", said(wrong), mend),)
    found = [fine("configuration.loads", f"{path}, environment {config.guard.environment!r}")]
    place = Place(config=config, file=path, tools=tools, online=online)
    with contextlib.closing(place):
        for area, check in AREAS.items():
            progress(area)
            try:
                found += check(place)
            except (ToolguardError, OSError) as wrong:
                found.append(
                    fault(f"{area}.unfinished", f"this could not be looked at: {said(wrong)}", "mend that first")
                )
    order = ["configuration", *AREAS, "witness"]  # stable: an area keeps its findings in their order
    return tuple(sorted(found, key=lambda f: order.index(f.area)))
