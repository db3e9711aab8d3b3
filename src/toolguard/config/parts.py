"""Everything a guard works with, put together from arguments."""

from __future__ import annotations

import inspect
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

from toolguard._core.approval import Approval
from toolguard._core.audit import AuditRecord
from toolguard._core.call import Person
from toolguard._core.masking import Masking
from toolguard._core.policy import Policy
from toolguard._core.steps import Change
from toolguard.config.defaults import NoDirectory, RandomIds, RiskAnalyser, Sinks, default_detector
from toolguard.config.policies import Loaded, PolicySource, refused_record
from toolguard.config.separation import Separation
from toolguard.credentials import check_credentials, open_providers
from toolguard.detection import Reports
from toolguard.directory import Audience, FileDirectory, TokenFile
from toolguard.errors import ConfigError, IdentityError, PolicyError
from toolguard.keys import KeyRing, PinnedVerifier, PolicyStatement, PolicyVerifier, Purpose, SecretKey
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
    source: PolicySource
    """Where the policy comes from, for loading it again."""
    statement: PolicyStatement | None = None
    """What its signer says of the policy, where it had to be signed."""
    detector_of: Callable[[Masking], Detector] | None = None
    """Makes the detector of another policy; None where the application gave a detector of its own."""
    reload_every: float | None = None
    """Seconds after which the policy file is looked at again."""
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
    separation: Separation = "unknown"
    """Whether agent and approval service are kept apart; critical calls are refused where they are not (``none``)."""
    remote: bool = False
    """Whether approvals stand at a service elsewhere (``store`` knows it), and ``confirm`` claims them there."""
    revealer: Callable[[str], Sealer] | None = None
    retention: Retention | None = None
    content: bool = False
    """Whether spans may show masked arguments and results."""
    keep: bool = False
    """Whether masked arguments and results are kept beside their records, sealed."""
    on_wait: Callable[[str], None] | None = None
    """Told of an approval's id when a call begins to wait for a person; returns at once."""
    closers: tuple[Callable[[], None], ...] = field(default=())

    def with_policy(self, loaded: Loaded) -> Parts:
        """The same parts under another policy. Raises ConfigError where it needs what this guard does not have."""
        check_policy(loaded.policy, self.contents, self.credentials)
        detector = self.detector
        if self.detector_of is not None and loaded.policy.masking != self.policy.masking:
            detector = self.detector_of(loaded.policy.masking)
        return replace(self, policy=loaded.policy, statement=loaded.statement, detector=detector)

    def utc_offset(self) -> float:
        """Seconds to add to UTC for local time, now."""
        return _utc_offset(int(time.time()), time.tzname)

    def emit(self, records: Sequence[AuditRecord]) -> None:
        if self.sink is not None:
            self.sink.emit(records)

    def close(self) -> None:
        for closer in self.closers:
            closer()
        for provider in self.credentials.values():
            provider.close()
        self.store.close()


@lru_cache(maxsize=1)
def _utc_offset(second: int, zone: tuple[str, str]) -> float:
    """The offset in this second. The system is not asked again until the next one."""
    return float(time.localtime(second).tm_gmtoff)


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
    separation: Separation = "unknown",
    remote: bool = False,
    revealer: Callable[[str], Sealer] | None = None,
    keep_tokens: float | None = None,
    signers: PolicyVerifier | Mapping[str, str | Sequence[str]] | None = None,
    older_policy: str | None = None,
    policy_name: str | None = None,
    reload_every: float | None = None,
    content: bool = False,
    keep: bool = False,
    on_wait: Callable[[str], None] | None = None,
    closers: Sequence[Callable[[], None]] = (),
) -> Parts:
    """Put the parts together, with the defaults for what is not given.

    With ``signers`` (name → public key line) a policy file is put into force only if one of them signed it, other than
    its author, and no newer one was loaded before (but for the version ``older_policy``); with ``policy_name``, only one
    of that name.

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
    contents = references if isinstance(references, Contents) else Contents(open_readers(references or {}), clock=clock)
    source = PolicySource(policy, signers=_verifier_of(signers), older=older_policy, only=policy_name)
    ids = ids or RandomIds()
    opened = open_store(store, clock=clock) if isinstance(store, str) else store
    try:
        loaded = _first(source, opened, clock, ids)
        check_policy(loaded.policy, contents, credentials or {})
        providers = open_providers(credentials or {})
    except BaseException:
        if isinstance(store, str):
            opened.close()
        raise
    source.bind(loaded.policy)
    masking = loaded.policy.masking
    if detector is not None and masking.finds:
        log.warning("masking.%s of the policy are for the guard's own detector; the one given has its own lists",
                    ", masking.".join(masking.finds))  # fmt: skip
    detector_of = None if detector is not None else partial(default_detector, feedback=feedback)
    return Parts(
        policy=loaded.policy,
        source=source,
        statement=loaded.statement,
        detector_of=detector_of,
        reload_every=reload_every,
        store=opened,
        sealer=keys.sealer,
        directory=_directory(directory),
        verifier=PinnedVerifier(trusted),
        detector=detector or default_detector(masking, feedback=feedback),
        analyser=analyser or RiskAnalyser(),
        clock=clock,
        ids=ids,
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
        separation=separation,
        remote=remote,
        revealer=revealer,
        retention=None if keep_tokens is None else Retention(opened, keys.sealer, clock, keep_tokens),
        content=content,
        keep=keep,
        on_wait=on_wait,
        closers=tuple(closers),
    )


PART_NAMES = frozenset(inspect.signature(assemble).parameters) - {"policy"}
"""What `assemble` takes besides the policy."""


def _directory(given: Directory | str | os.PathLike[str] | None) -> Directory:
    if given is None:
        return NoDirectory()
    return FileDirectory(given) if isinstance(given, str | os.PathLike) else given


def _verifier_of(signers: PolicyVerifier | Mapping[str, str | Sequence[str]] | None) -> PolicyVerifier | None:
    return signers if signers is None or isinstance(signers, PolicyVerifier) else PolicyVerifier(signers)


def _first(source: PolicySource, store: Store, clock: Clock, ids: Ids) -> Loaded:
    """The policy a guard begins with. That one was refused is on record before anybody hears of it."""
    try:
        return source.load(store)
    except PolicyError as fault:
        store.commit(Change(tenant="", records=(refused_record(fault, source, clock, ids),)))
        raise


def check_policy(policy: Policy, contents: Contents, credentials: Mapping[str, object]) -> None:
    """Raises ConfigError where the policy names a reader or a credential that is not there."""
    _check_readers(policy, contents)
    check_credentials(policy.tools, credentials)


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
