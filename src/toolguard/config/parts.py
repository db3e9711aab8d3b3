"""Everything a guard works with, put together from arguments."""

from __future__ import annotations

import inspect
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolguard._core.approval import Approval
from toolguard._core.audit import AuditRecord
from toolguard._core.call import Person
from toolguard._core.policy import Policy
from toolguard.config.defaults import ANALYSES, NoDirectory, RandomIds, RiskAnalyser, Sinks, default_detector
from toolguard.credentials import check_credentials, open_providers
from toolguard.detection import Reports
from toolguard.directory import Audience, FileDirectory, TokenFile
from toolguard.errors import ConfigError, IdentityError
from toolguard.keys import KeyRing, PinnedVerifier, Purpose, SecretKey
from toolguard.policyfile import load_policy, pack_names, read_pack
from toolguard.ports import (
    Analyser,
    Clock,
    CredentialProvider,
    Detector,
    Directory,
    GrantVerifier,
    Ids,
    ReferenceReader,
    Sealer,
    Sink,
    Store,
    Tracing,
)
from toolguard.references import Contents, open_readers
from toolguard.retention import Retention
from toolguard.stores import SystemClock, open_store

__all__ = ["PART_NAMES", "Parts", "assemble"]

log = logging.getLogger("toolguard.config")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything a guard works with. Times in seconds."""

    policy: Policy
    store: Store
    sealer: Callable[[str], Sealer]
    directory: Directory
    verifier: GrantVerifier
    detector: Detector
    analyser: Analyser
    clock: Clock
    ids: Ids
    sink: Sink | None = None
    tracing: Tracing | None = None
    credentials: Mapping[str, CredentialProvider] = field(default_factory=dict)
    contents: Contents
    environment: str = "production"
    suspend: str = "block"
    wait: float = 900.0
    on_wait_timeout: str = "withdraw"
    lease: float = 300.0
    """Seconds an execution may take before it counts as lost."""
    verify_token: Callable[[str], Person]
    confirm: Callable[[Approval], None] | None = None
    """Asks the approval service before a critical call is claimed."""
    confirm_critical: bool = True
    """Whether critical calls need that; False accepts them without."""
    revealer: Callable[[str], Sealer] | None = None
    retention: Retention | None = None
    content: bool = False
    """Whether spans may show masked arguments and results."""
    closers: tuple[Callable[[], None], ...] = field(default=())

    def utc_offset(self) -> float:
        """Seconds to add to UTC for local time, now."""
        return float(time.localtime().tm_gmtoff)

    def emit(self, records: Sequence[AuditRecord]) -> None:
        if self.sink is not None:
            self.sink.emit(records)

    def close(self) -> None:
        for closer in self.closers:
            closer()
        for provider in self.credentials.values():
            provider.close()
        self.store.close()


def _no_tokens(token: str) -> Person:
    raise IdentityError("no token file is configured, so no caller can be verified; set directory.tokens")


def assemble(
    policy: Policy | str | os.PathLike[str],
    *,
    store: Store | str = "memory:",
    keys: KeyRing | None = None,
    directory: Directory | str | os.PathLike[str] | None = None,
    trusted: Sequence[str] = (),
    tokens: TokenFile | None = None,
    detector: Detector | None = None,
    feedback: Reports | None = None,
    analyser: Analyser | None = None,
    clock: Clock | None = None,
    ids: Ids | None = None,
    sinks: Sequence[Sink] = (),
    tracing: Tracing | None = None,
    environment: str = "production",
    suspend: str = "block",
    wait: float = 900.0,
    on_wait_timeout: str = "withdraw",
    lease: float = 300.0,
    credentials: Mapping[str, str | CredentialProvider] | None = None,
    references: Mapping[str, str | ReferenceReader] | Contents | None = None,
    confirm: Callable[[Approval], None] | None = None,
    confirm_critical: bool = True,
    revealer: Callable[[str], Sealer] | None = None,
    keep_tokens: float | None = None,
    content: bool = False,
    closers: Sequence[Callable[[], None]] = (),
) -> Parts:
    """Put the parts together, with the defaults for what is not given.

    Raises:
        ConfigError: the policy does not load, or a durable store has no key.
    """
    clock = clock or SystemClock()
    if keys is None:
        if store.partition(":")[0] != "memory" if isinstance(store, str) else store.blocking:
            raise ConfigError(
                "a durable store needs a key that outlives this process; run 'toolguard keys init' and set [keys]"
            )
        keys = KeyRing([SecretKey.generate(Purpose.SEAL)])
    loaded = policy if isinstance(policy, Policy) else _policy(policy)
    contents = references if isinstance(references, Contents) else Contents(open_readers(references or {}), clock=clock)
    _check_readers(loaded, contents)
    check_credentials(loaded.tools, credentials or {})
    providers = open_providers(credentials or {})
    if detector is not None and loaded.masking.finds:
        log.warning("masking.%s of the policy are for the guard's own detector; the one given has its own lists",
                    ", masking.".join(loaded.masking.finds))  # fmt: skip
    opened = open_store(store, clock=clock) if isinstance(store, str) else store
    return Parts(
        policy=loaded,
        store=opened,
        sealer=keys.sealer,
        directory=_directory(directory),
        verifier=PinnedVerifier(trusted),
        detector=detector or default_detector(loaded.masking, feedback=feedback),
        analyser=analyser or RiskAnalyser(),
        clock=clock,
        ids=ids or RandomIds(),
        sink=Sinks(sinks) if sinks else None,
        tracing=tracing,
        credentials=providers,
        contents=contents,
        environment=environment,
        suspend=suspend,
        wait=wait,
        on_wait_timeout=on_wait_timeout,
        lease=lease,
        verify_token=_no_tokens if tokens is None else _verifier(tokens),
        confirm=confirm,
        confirm_critical=confirm_critical,
        revealer=revealer,
        retention=None if keep_tokens is None else Retention(opened, keys.sealer, clock, keep_tokens),
        content=content,
        closers=tuple(closers),
    )


PART_NAMES = frozenset(inspect.signature(assemble).parameters) - {"policy"}
"""What `assemble` takes besides the policy."""


def _directory(given: Directory | str | os.PathLike[str] | None) -> Directory:
    if given is None:
        return NoDirectory()
    return FileDirectory(given) if isinstance(given, str | os.PathLike) else given


def _policy(source: str | os.PathLike[str]) -> Policy:
    """A policy file, or with ``pack:NAME`` a shipped one."""
    name = os.fspath(source)
    if name.startswith("pack:"):
        try:
            return load_policy(read_pack(name[5:]), name=name, functions=ANALYSES)
        except KeyError:
            raise ConfigError(f"there is no pack {name!r}; there are {', '.join(pack_names())}") from None
    return load_policy(Path(name), functions=ANALYSES)


def _check_readers(policy: Policy, contents: Contents) -> None:
    for tool in policy.tools:
        for argument, reader in sorted(tool.references.items()):
            if reader not in contents.names:
                raise ConfigError(
                    f"the policy reads {argument!r} of {tool.pattern!r} with {reader!r}, and there is no such reader; "
                    f"use one of {', '.join(map(repr, sorted(contents.names)))}, or add it under [references.readers]"
                )


def _verifier(tokens: TokenFile) -> Callable[[str], Person]:
    def verify(token: str) -> Person:
        return tokens.verify(token, audiences=(Audience.SESSION,)).identity

    return verify
