"""From a line of the configuration to a provider: where a credential comes from, checked before any call."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from toolguard._core.toolrule import ToolRule
from toolguard.credentials.plain import EnvProvider, FileProvider, KeyringProvider
from toolguard.credentials.postgres import PostgresRoles
from toolguard.errors import ConfigError
from toolguard.ports import CredentialProvider

__all__ = ["check_credentials", "open_providers"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_FORMS = (
    "'env:VARIABLE', 'file:PATH', 'keyring:SERVICE/USER', 'python:package.module:factory' or "
    "'postgresql://ISSUER@HOST/DATABASE?grant=ROLE&password=file:PATH'"
)


def open_providers(
    sources: Mapping[str, str | CredentialProvider], *, at: Callable[[str], Path] = Path
) -> dict[str, CredentialProvider]:
    """The provider of each credential. ``at`` resolves paths.

    Raises:
        ConfigError: a source is not understood, or what it names is not there; says what to write instead.
    """
    opened: dict[str, CredentialProvider] = {}
    try:
        for name, source in sources.items():
            if not _NAME.fullmatch(name):
                raise ConfigError("a credential's name is letters, digits, '.', '_' and '-', beginning with a letter")
            opened[name] = _opened(name, source, at) if isinstance(source, str) else source
    except BaseException:
        for provider in opened.values():
            provider.close()
        raise
    return opened


def check_credentials(tools: Iterable[ToolRule], providers: Iterable[str]) -> None:
    """Raises ConfigError where a tool may ask for a credential that nobody provides."""
    known = set(providers)
    for tool in tools:
        for name in sorted(tool.credentials - known):
            raise ConfigError(
                f"the policy gives {tool.pattern!r} the credential {name!r}, and no provider has that name; "
                f"say under [credentials] where it comes from ({_FORMS}), or take it out of the policy"
            )


def _opened(name: str, source: str, at: Callable[[str], Path]) -> CredentialProvider:
    scheme, _, rest = source.partition(":")
    if scheme == "env" and rest:
        return EnvProvider(name, rest)
    if scheme == "file" and rest:
        return FileProvider(name, at(rest))
    if scheme == "keyring" and rest.count("/") >= 1 and all(rest.rpartition("/")[::2]):
        service, _, user = rest.rpartition("/")
        return KeyringProvider(name, service, user)
    if scheme == "python":
        return _made(name, rest)
    if scheme == "postgresql":
        return PostgresRoles.from_url(name, source, at=at)
    raise ConfigError(f"credential {name!r} does not say where it comes from; write {_FORMS}")


def _made(name: str, place: str) -> CredentialProvider:
    module, _, factory = place.partition(":")
    if not module or not factory:
        raise ConfigError(f"credential {name!r} is not 'python:package.module:factory'; write it so")
    try:
        found: Any = getattr(importlib.import_module(module), factory)(name)
    except Exception as fault:  # noqa: BLE001 - somebody else's module may fail in any way, and its text may hold secrets
        raise ConfigError(
            f"the provider of credential {name!r} cannot be made ({type(fault).__name__}); check its module and factory"
        ) from None
    if not all(callable(getattr(found, verb, None)) for verb in ("acquire", "close")):
        raise ConfigError(
            f"the provider of credential {name!r} has no 'acquire' or no 'close'; see toolguard.ports.CredentialProvider"
        )
    return cast("CredentialProvider", found)
