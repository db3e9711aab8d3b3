"""Configuration: from ``toolguard.toml``, or from arguments, to the parts a guard works with."""

from __future__ import annotations

import inspect
import logging
import os
import secrets
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolguard._core.approval import Approval
from toolguard._core.audit import AuditRecord
from toolguard._core.call import Json, Person, Tool
from toolguard._core.masking import UNSAID, Masking
from toolguard._core.policy import Policy
from toolguard._core.risk import Evidence, Risk
from toolguard.analysis import Plan, analyser_for, fhir_facts, shell_facts, sql_facts, url_facts
from toolguard.confirm import ServiceConfirmer
from toolguard.credentials import check_credentials, open_providers
from toolguard.detection import DefaultDetector, Reports
from toolguard.directory import Audience, FileDirectory, TokenFile
from toolguard.errors import ConfigError, IdentityError
from toolguard.feedback import Feedback, FeedbackFile
from toolguard.keys import KeyRing, PinnedVerifier, Purpose, SecretKey, read_keys
from toolguard.policyfile import load_policy, pack_names, read_pack
from toolguard.ports import (
    Analyser,
    Clock,
    CredentialProvider,
    Detector,
    Directory,
    DirectoryPerson,
    GrantVerifier,
    Ids,
    ReferenceReader,
    Sealer,
    Sink,
    Store,
    ToolAnalysis,
    Tracing,
)
from toolguard.references import Contents, open_readers
from toolguard.retention import Retention
from toolguard.stores import SystemClock, open_store

__all__ = [
    "PART_NAMES",
    "Config",
    "Parts",
    "SystemClock",
    "assemble",
    "default_detector",
    "load_config",
    "load_parts",
    "revealer_of",
]

Seconds = Annotated[float, Field(gt=0)]
log = logging.getLogger("toolguard.config")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GuardSection(_Section):
    """``[guard]``: what is enforced, and what a waiting call does. ``wait`` in seconds.

    ``feedback`` is a file of `toolguard phi report`, under the guard's key.
    """

    policy: str
    feedback: str | None = None
    environment: str = "production"
    suspend: Literal["block", "raise"] = "block"
    wait: Seconds = 900.0
    on_wait_timeout: Literal["withdraw", "suspend"] = "withdraw"


class StoreSection(_Section):
    """``[store]``: ``memory:``, ``sqlite:///path`` (relative to the configuration file) or ``postgresql://…``, and
    how long tokens are kept.
    """

    url: str
    keep_tokens: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}[dh]$")] | None = None

    @property
    def keep_seconds(self) -> float | None:
        """``keep_tokens`` in seconds."""
        said = self.keep_tokens
        return None if said is None else int(said[:-1]) * (86400.0 if said[-1] == "d" else 3600.0)


class KeysSection(_Section):
    """``[keys]``: the guard's own key, and the public keys of the approval service it believes."""

    file: str | None = None
    env: str | None = None
    trusted: tuple[str, ...] = ()


class DirectorySection(_Section):
    """``[directory]``: persons and groups, the file of hashed personal tokens, and the one of second factors."""

    file: str
    tokens: str | None = None
    second_factors: str | None = None


class ServiceSection(_Section):
    """``[service]``: where the approval service listens, and its signing key, which guards never read.

    ``witness`` and ``reveal_key`` are the service's own as well. With ``token`` (``env:NAME`` or a file) a guard asks the
    service before it claims a critical call; ``confirm = "never"`` accepts critical calls without asking.
    """

    url: str = "http://127.0.0.1:8790"
    signing_key: str | None = None
    witness: str = "toolguard.witness"
    reveal_key: str | None = None
    token: str | None = None
    confirm: Literal["critical", "never"] = "critical"


class TelemetrySection(_Section):
    """``[telemetry]``: where spans go. ``tracer``: the application's own provider; ``otlp``: an endpoint, durably."""

    spans: Literal["off", "tracer", "otlp"] = "tracer"
    endpoint: str = "http://127.0.0.1:4318"
    headers: dict[str, str] = {}


class ReferencesSection(_Section):
    """``[references]``: how much of what arguments refer to is read, and readers beside ``file``."""

    max_bytes: Annotated[int, Field(gt=0)] = 256 * 1024 * 1024
    seconds: Seconds = 20.0
    readers: dict[str, str] = {}


class Config(_Section):
    """A whole ``toolguard.toml``. Paths are resolved against the folder it stands in (`at`)."""

    guard: GuardSection
    store: StoreSection
    keys: KeysSection = KeysSection()
    directory: DirectorySection | None = None
    service: ServiceSection = ServiceSection()
    telemetry: TelemetrySection = TelemetrySection()
    references: ReferencesSection = ReferencesSection()
    credentials: dict[str, str] = {}
    folder: Path = Path()

    def at(self, path: str) -> Path:
        """``path`` as seen from the configuration file's folder."""
        return self.folder / path

    @property
    def store_url(self) -> str:
        """The store's URL with a relative SQLite path made absolute."""
        scheme, _, rest = self.store.url.partition(":///")
        return f"sqlite:///{self.at(rest).resolve()}" if scheme == "sqlite" else self.store.url


def load_config(path: str | os.PathLike[str]) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: it is missing, not TOML, or has unknown or wrong keys; every one of them is named.
    """
    file = Path(path)
    try:
        data = tomllib.loads(file.read_text("utf-8"))
    except OSError as fault:
        raise ConfigError(
            f"cannot read the configuration {str(file)!r} ({fault.strerror}); give its path or run from its folder"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ConfigError(f"{file}: not valid TOML: {fault}") from None
    try:
        return Config.model_validate({**data, "folder": file.resolve().parent})
    except ValidationError as fault:
        told = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in fault.errors(include_input=False)
        )
        raise ConfigError(f"{file}: {told}; see docs/configuration.md for every key") from None


class RandomIds:
    """Identifiers from the operating system's randomness."""

    def new(self) -> str:
        return secrets.token_hex(16)


ANALYSES = {"sql": sql_facts, "shell": shell_facts, "url": url_facts, "fhir": fhir_facts}
"""What conditions of a policy may ask of an argument's text."""


class RiskAnalyser:
    """The built-in classifier."""

    def tool(self, tool: Tool) -> ToolAnalysis:
        return _Analysed(analyser_for(tool))


class _Analysed:
    """One tool's plan as the flow asks it."""

    def __init__(self, plan: Plan) -> None:
        self.static = plan.static
        self._plan = plan

    def analyse(self, data: Json) -> tuple[Risk, tuple[Evidence, ...]]:
        return self._plan.judge(data)

    def pointers(self, data: Json) -> tuple[str, ...]:
        return self._plan.pointers(data)


class NoDirectory:
    """A directory without persons: nobody can ask for an approval, and nobody can give one."""

    def person(self, identity: Person, *, at: float) -> DirectoryPerson | None:
        return None

    def owners_of(self, tenant: str, agent: str, *, at: float) -> frozenset[str]:
        return frozenset()

    def members(self, tenant: str, group: str, *, at: float) -> tuple[DirectoryPerson, ...]:
        return ()

    def deputies(self, tenant: str, person: str, *, at: float, entry: str = "") -> frozenset[str]:
        return frozenset()

    def duty(self, tenant: str, name: str, *, at: float) -> frozenset[str]:
        return frozenset()

    def tenants(self) -> tuple[str, ...]:
        return ()


def default_detector(masking: Masking = UNSAID, *, feedback: Reports | None = None) -> Detector:
    """The detector of guards and of the approval service: structure, rules and the tagger, and what a policy and feedback add."""
    return DefaultDetector(
        profile=masking.profile,
        allow=masking.allow,
        deny=masking.deny,
        shapes=masking.shapes,
        fields=masking.fields,
        feedback=feedback,
    )


class Sinks:
    """Several sinks as one."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)

    def emit(self, records: Sequence[AuditRecord]) -> None:
        for sink in self._sinks:
            sink.emit(records)


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
    verify_token: Callable[[str], Person]
    confirm: Callable[[Approval], None] | None = None
    """Asks the approval service before a critical call is claimed."""
    confirm_critical: bool = True
    """Whether critical calls need that; False accepts them without."""
    revealer: Callable[[str], Sealer] | None = None
    retention: Retention | None = None
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
    credentials: Mapping[str, str | CredentialProvider] | None = None,
    references: Mapping[str, str | ReferenceReader] | Contents | None = None,
    confirm: Callable[[Approval], None] | None = None,
    confirm_critical: bool = True,
    revealer: Callable[[str], Sealer] | None = None,
    keep_tokens: float | None = None,
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
        verify_token=_no_tokens if tokens is None else _verifier(tokens),
        confirm=confirm,
        confirm_critical=confirm_critical,
        revealer=revealer,
        retention=None if keep_tokens is None else Retention(opened, keys.sealer, clock, keep_tokens),
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


def load_parts(path: str | os.PathLike[str], **given: Any) -> Parts:
    """The parts a configuration file describes; ``given`` ones (of `assemble`) take their place. Raises ConfigError."""
    config = load_config(path)
    clock = given.pop("clock", None) or SystemClock()
    store = given.pop("store", None)
    if store is not None:
        return _described(config, store, clock, given)
    opened = open_store(config.store_url, clock=clock)
    try:
        return _described(config, opened, clock, given)
    except BaseException:
        opened.close()
        raise


def _described(config: Config, store: Store, clock: Clock, given: dict[str, Any]) -> Parts:
    tokens = None
    if config.directory and config.directory.tokens:
        tokens = TokenFile(config.at(config.directory.tokens), now=clock.now)
    policy = config.guard.policy
    described: dict[str, Any] = {
        "keys": _keys(config),
        "feedback": _feedback(config),
        "directory": config.at(config.directory.file) if config.directory else None,
        "trusted": config.keys.trusted,
        "tokens": tokens,
        "environment": config.guard.environment,
        "suspend": config.guard.suspend,
        "wait": config.guard.wait,
        "on_wait_timeout": config.guard.on_wait_timeout,
        "keep_tokens": config.store.keep_seconds,
        "references": Contents(
            open_readers(config.references.readers),
            max_bytes=config.references.max_bytes,
            seconds=config.references.seconds,
            clock=clock,
        ),
        **_telemetry(config, store),
    }
    if "credentials" not in given:
        described["credentials"] = open_providers(config.credentials, at=config.at)
    unknown = sorted(set(given) - PART_NAMES)
    if unknown:
        raise ConfigError(f"a guard takes no {unknown[0]!r}; it takes {', '.join(sorted(PART_NAMES))}")
    return assemble(
        policy if policy.startswith("pack:") else config.at(policy),
        store=store,
        clock=clock,
        **{**described, **given},
    )


def _confirmer(config: Config) -> Callable[[Approval], None] | None:
    wanted = config.service.token
    if wanted is None:
        return None
    if wanted.startswith("env:"):
        token = os.environ.get(wanted[4:], "")
    else:
        try:
            token = config.at(wanted.removeprefix("file:")).read_text("utf-8")
        except OSError as fault:
            raise ConfigError(
                f"the service token {wanted!r} cannot be read ({fault.strerror}); see [service]"
            ) from None
    if not token.strip():
        raise ConfigError(f"the service token {wanted!r} is empty; 'toolguard people token' makes one for a service")
    return ServiceConfirmer(config.service.url, token.strip())


def revealer_of(config: Config) -> Callable[[str], Sealer] | None:
    """What seals decisive arguments for the service to reveal; the key is the service's and the guard's alone."""
    wanted = config.service.reveal_key
    if wanted is None:
        return None
    where = wanted if wanted.startswith("env:") else config.at(wanted.removeprefix("file:"))
    return KeyRing.load(where, purpose=Purpose.REVEAL).sealer


def _keys(config: Config) -> KeyRing | None:
    if config.keys.env:
        return KeyRing.load(f"env:{config.keys.env}")
    if config.keys.file:
        return KeyRing.load(config.at(config.keys.file))
    return None


def _feedback(config: Config) -> Feedback | None:
    if config.guard.feedback is None:
        return None
    reference = f"env:{config.keys.env}" if config.keys.env else config.keys.file and config.at(config.keys.file)
    if not reference:
        raise ConfigError(
            "guard.feedback is kept under the guard's key, and none is configured; set keys.file or keys.env"
        )
    path = config.at(config.guard.feedback)
    if not path.exists():
        raise ConfigError(
            f"feedback file {str(path)!r} does not exist; make it with 'toolguard phi report', or leave guard.feedback out"
        )
    return FeedbackFile(path, read_keys(reference, purpose=Purpose.SEAL)[0]).load()


def _telemetry(config: Config, store: Store) -> dict[str, Any]:
    from toolguard.telemetry import CurrentSpan, OtlpPump, TracerSink

    section = config.telemetry
    if section.spans == "off":
        return {}
    if section.spans == "tracer":
        return {"sinks": (TracerSink(),), "tracing": CurrentSpan()}
    pump = OtlpPump(store, section.endpoint, headers=section.headers)
    return {"sinks": (pump,), "tracing": CurrentSpan(), "closers": (pump.close,)}
