"""``[audit] keeper_url``: the login that takes records out of a store in PostgreSQL, and may do nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from toolguard.config.file import Config
from toolguard.errors import ConfigError
from toolguard.ports import Store
from toolguard.stores import open_store
from toolguard.stores.schema import Schema, schema_of

__all__ = ["check_may_prune", "keeper_store", "keeper_url", "look_at_keeper"]


def keeper_url(config: Config) -> str | None:
    """The URL that ``[audit] keeper_url`` refers to; None where it is not set, and the store's own login is used.

    Raises:
        ConfigError: it is not there, or none; or the store is not in PostgreSQL. What it says is never repeated.
    """
    wanted = config.audit.keeper_url
    if wanted is None:
        return None
    if not config.store_url.startswith("postgresql:"):
        raise ConfigError("[audit] keeper_url is for a store in PostgreSQL; take it out: a file has no logins")
    if wanted.startswith("postgresql:") or ("://" in wanted and not wanted.startswith("file:")):
        raise ConfigError(
            "[audit] keeper_url names where the URL stands, 'env:NAME' or a file: guards read this configuration, too"
        )
    if wanted.startswith("env:"):
        url = os.environ.get(wanted[4:], "")
    else:
        try:
            url = Path(config.at(wanted.removeprefix("file:"))).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as fault:
            raise ConfigError(f"[audit] keeper_url {wanted!r} cannot be read ({type(fault).__name__})") from None
    url = url.strip()
    if not url.startswith("postgresql:"):
        raise ConfigError(
            f"[audit] keeper_url {wanted!r} holds no URL of PostgreSQL; write 'postgresql://user@host/database'"
        )
    return url


def look_at_keeper(url: str, own: Schema) -> None:
    """Whether the login of ``url`` is one that takes records out of the store ``own``, and may do nothing else.

    Raises:
        ConfigError: it is not. StoreError: the database does not answer.
    """
    there = schema_of(url)
    facts = dict(there.facts)
    if there.epoch != own.epoch:
        raise ConfigError("[audit] keeper_url is another database than [store] url; name the same one")
    if facts.get("may") != "keeper":
        raise ConfigError(
            f"[audit] keeper_url logs in with the rights of {facts.get('may', 'nothing')!r}; give it a login of its own with the "
            "role toolguard_keeper alone"
        )
    if facts.get("tenants") != "*":
        raise ConfigError(
            "[audit] keeper_url logs in as somebody who does not see all tenants; insert ('LOGIN', '*') into "
            "toolguard.role_tenants"
        )


def keeper_store(config: Config) -> Store:
    """The store, logged in to as whoever takes records out of it.

    Raises:
        ConfigError: see `keeper_url` and `look_at_keeper`. StoreError: the store cannot be opened.
    """
    url = keeper_url(config)
    if url is None:
        return open_store(config.store_url)
    look_at_keeper(url, schema_of(config.store_url))
    return open_store(url)


def check_may_prune(config: Config) -> None:
    """Raises ConfigError where records cannot be taken out, because that needs a login of its own and none is named."""
    if config.audit.keeper_url is not None or not config.store_url.startswith("postgresql:"):
        return
    if dict(schema_of(config.store_url).facts).get("deletes") == "no":
        raise ConfigError(
            "the login of [store] url may not take records out of the store; set [audit] keeper_url to one of toolguard_keeper's "
            "(docs/postgresql.md)"
        )
