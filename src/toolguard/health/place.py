"""What is looked at: one configuration, and what its checks share."""

from __future__ import annotations

import os
import shlex
import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolguard._core.call import Tool
from toolguard._core.policy import Effect, Policy
from toolguard.config import Config
from toolguard.config.policies import PolicySource
from toolguard.directory import FileDirectory
from toolguard.errors import ToolguardError
from toolguard.keys import PolicyVerifier
from toolguard.ports import Store
from toolguard.stores import open_store

__all__ = ["DEVELOPMENT", "Place", "brief", "private", "quoted", "said"]

DEVELOPMENT = "development"


@dataclass(kw_only=True)
class Place:
    """A configuration, the file it stands in, and what was read of it so far. Nothing in it writes.

    Attributes:
        tools: the application's own tools, where somebody named them.
        online: whether addresses of the configuration may be asked.
        now: this machine's UTC seconds.
    """

    config: Config
    file: Path
    tools: Sequence[Tool] = ()
    online: bool = True
    now: Callable[[], float] = time.time
    policy: Policy | None = field(default=None, init=False)
    directory: FileDirectory | None = field(default=None, init=False)
    store: Store | None = field(default=None, init=False)

    @property
    def is_development(self) -> bool:
        return self.config.guard.environment == DEVELOPMENT

    @property
    def serves(self) -> bool:
        """Whether the approval service is meant to run from this configuration."""
        return self.config.service.signing_key is not None

    def path(self, reference: str) -> Path | None:
        """The file a reference names; None where it names an environment variable."""
        return None if reference.startswith("env:") else self.config.at(reference.removeprefix("file:"))

    def reference(self, name: str) -> str | Path:
        """A reference as `read_keys` takes it."""
        return self.path(name) or name

    @property
    def option(self) -> str:
        """How a command is told of this configuration: nothing where it finds it by itself."""
        return "" if self.file == Path("toolguard.toml") else f" --config {shlex.quote(str(self.file))}"

    def open(self) -> Store | None:
        """The store, for looking only; None where it cannot be opened (the check of the store says why)."""
        if self.store is None and not self.config.store_url.startswith("memory:"):
            try:
                self.store = open_store(self.config.store_url, read_only=True)
            except ToolguardError:
                return None
        return self.store

    def source(self) -> PolicySource:
        """The policy as a guard would load it. Raises ConfigError where a pinned policy key is none."""
        named, settings = self.config.guard.policy, self.config.policy
        return PolicySource(
            named if named.startswith("pack:") else self.config.at(named),
            signers=None if self.is_development else PolicyVerifier(settings.trusted),
            older=settings.older,
            only=settings.name,
        )

    def asked(self) -> tuple[str, ...]:
        """The names of the approvals that the policy can ask for."""
        if self.policy is None:
            return ()
        policy = self.policy
        named = {r.approval or policy.defaults.approval for r in policy.rules if _asks(r.effect, r.on_error)}
        if Effect.REQUIRE_APPROVAL in (policy.defaults.unknown_tool, *policy.defaults.by_risk.values()):
            named.add(policy.defaults.approval)
        return tuple(name for name in policy.approvals if name in named)

    def close(self) -> None:
        if self.store is not None:
            self.store.close()


def _asks(effect: Effect, on_error: Effect) -> bool:
    return Effect.REQUIRE_APPROVAL in (effect, on_error)


def private(path: Path) -> bool | None:
    """Whether nobody but its owner may read a file; None where that cannot be told."""
    try:
        return os.name != "posix" or not stat.S_IMODE(path.stat().st_mode) & 0o077
    except OSError:
        return None


def said(error: BaseException) -> str:
    """An error of ours in its own words, any other by its class alone."""
    return str(error) if isinstance(error, ToolguardError) else type(error).__name__


def brief(path: Path) -> str:
    """A path as somebody in this folder would write it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def quoted(path: Path) -> str:
    """`brief`, for a shell."""
    return shlex.quote(brief(path))
