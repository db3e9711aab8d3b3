"""The configuration file: ``toolguard.toml`` as checked values."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolguard.errors import ConfigError

__all__ = ["Config", "load_config"]

Seconds = Annotated[float, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GuardSection(_Section):
    """``[guard]``: what is enforced, and what a waiting call does. ``wait`` and ``lease`` (the longest an execution may take) in seconds.

    ``feedback`` is a file of `toolguard phi report`, under the guard's key. With ``reload`` the policy file is looked at that
    often, and a changed one is put into force.
    """

    policy: str
    feedback: str | None = None
    environment: str = "production"
    suspend: Literal["block", "raise"] = "block"
    wait: Seconds = 900.0
    on_wait_timeout: Literal["withdraw", "suspend"] = "withdraw"
    lease: Seconds = 300.0
    reload: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}[sm]$")] | None = None

    @property
    def reload_seconds(self) -> float | None:
        """``reload`` in seconds."""
        said = self.reload
        return None if said is None else int(said[:-1]) * (60.0 if said[-1] == "m" else 1.0)


class PolicySection(_Section):
    """``[policy]``: who may sign policies, by name with their public keys; the name the policy has to have; and a version
    older than the newest one that may be loaded all the same. Outside ``environment = "development"`` only a signed policy
    is loaded.
    """

    trusted: dict[str, str | tuple[str, ...]] = {}
    name: str | None = None
    older: str | None = None


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
    service before it claims a critical call; ``confirm = "never"`` accepts critical calls without asking. Where this
    process could do what is the service's alone (read its key, say), critical calls are refused, too, unless
    ``separation = "waived"`` accepts that.

    ``proxies`` are addresses or networks of reverse proxies in front of the service; what anybody else says of where a
    visitor comes from counts for nothing. With them and an https ``url`` visitors come by TLS.

    With ``remote`` the guard has no access to the service's store: it asks, claims and reports over HTTPS (``ca``: a PEM file
    of the authorities that count), and its own store holds the rest. What the service freezes holds here ``freeze_within``
    seconds later at most; a service that is not heard of for that long stops every call.
    """

    url: str = "http://127.0.0.1:8790"
    signing_key: str | None = None
    witness: str = "toolguard.witness"
    reveal_key: str | None = None
    token: str | None = None
    confirm: Literal["critical", "never"] = "critical"
    separation: Literal["required", "waived"] = "required"
    proxies: list[str] = []
    remote: bool = False
    ca: str | None = None
    freeze_within: Annotated[float, Field(ge=1, le=3600)] = 5.0


class TelemetrySection(_Section):
    """``[telemetry]``: where spans go. ``tracer``: the application's own provider; ``otlp``: an endpoint, durably;
    ``journal``: nowhere from here, but records say where they belong, for a pump elsewhere on this store.

    ``headers`` are ``env:NAME``, ``file:PATH`` or plain; ``ca``, ``certificate`` and ``key`` PEM files for TLS. ``content``
    shows masked arguments and results; ``drafts`` adds attributes of conventions that are not agreed yet.
    """

    spans: Literal["off", "tracer", "otlp", "journal"] = "tracer"
    endpoint: str = "http://127.0.0.1:4318"
    headers: dict[str, str] = Field(default={}, repr=False)
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    compression: Literal["gzip", "none"] = "gzip"
    service: str = "toolguard"
    content: Literal["none", "masked"] = "none"
    drafts: bool = False


class AuditSection(_Section):
    """``[audit]``: checkpoints of the journal. ``signing_key`` is read by ``signer`` alone: the approval service, or a guard
    where none runs. ``trusted`` pins the public audit keys. ``anchors`` are files elsewhere that keep every checkpoint;
    a log that grew gets one every ``every`` seconds, and every 1000 records. With ``keep = "masked"`` guards keep masked
    arguments and results beside their records, sealed.

    ``segments`` is the folder that keeps what was archived, and ``keep_for`` how long records stay in the store besides.
    ``keeper_url`` (``env:NAME`` or a file) holds the URL that they are taken out of a PostgreSQL store with: the service's own
    login may not. ``keep_segments`` is how long segments have to be kept; nothing here ever deletes one.
    """

    signing_key: str | None = None
    signer: Literal["service", "guard"] = "service"
    trusted: tuple[str, ...] = ()
    anchors: tuple[str, ...] = ()
    every: Seconds = 60.0
    keep: Literal["none", "masked"] = "none"
    segments: str | None = None
    keep_for: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}d$")] | None = None
    keeper_url: Annotated[str, Field(min_length=1)] | None = None
    keep_segments: Annotated[str, Field(pattern=r"^[1-9][0-9]?y$")] = "6y"

    @property
    def keep_seconds(self) -> float | None:
        """``keep_for`` in seconds."""
        return None if self.keep_for is None else int(self.keep_for[:-1]) * 86400.0


class ReferencesSection(_Section):
    """``[references]``: how much of what arguments refer to is read, and readers beside ``file``."""

    max_bytes: Annotated[int, Field(gt=0)] = 256 * 1024 * 1024
    seconds: Seconds = 20.0
    readers: dict[str, str] = {}


class Config(_Section):
    """A whole ``toolguard.toml``. Paths are resolved against the folder it stands in (`at`)."""

    guard: GuardSection
    store: StoreSection
    policy: PolicySection = PolicySection()
    keys: KeysSection = KeysSection()
    directory: DirectorySection | None = None
    service: ServiceSection = ServiceSection()
    telemetry: TelemetrySection = TelemetrySection()
    audit: AuditSection = AuditSection()
    references: ReferencesSection = ReferencesSection()
    credentials: dict[str, str] = {}
    channels: dict[str, dict[str, Any]] = {}
    """``[channels.NAME]``: where approvers are told beside the inbox; each kind knows its own keys."""
    oidc: dict[str, dict[str, Any]] = {}
    """``[oidc.NAME]``: identity providers at which people sign in to the service."""
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
