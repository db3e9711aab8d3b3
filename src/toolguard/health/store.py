"""The store: whether it is there, has the right schema, may be written, and has room; and what the clock says of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from toolguard.errors import MissingExtraError, ToolguardError
from toolguard.health.finding import Finding, fault, fine, warning
from toolguard.health.place import Place, private, quoted, said
from toolguard.stores.schema import Schema, schema_of

__all__ = ["check", "check_clock"]

LEAST, LITTLE = 100 * 2**20, 2**30
"""Free bytes below which a disk is a fault, and a warning."""
MOST_SKEW = 60.0
"""Seconds two clocks may differ, as everywhere else."""


def check(place: Place) -> Iterator[Finding]:
    """What the store says of itself; nothing is made or changed."""
    url = place.config.store_url
    if url.startswith("memory:"):
        yield warning(
            "store.memory", "the store is in memory: approvals, tokens and records end with the process",
            'set url = "sqlite:///toolguard.db" under [store]',
        )  # fmt: skip
        return
    if not url.startswith(("sqlite:///", "postgresql:")):
        yield fault(
            "store.url", "[store] url names no store that there is",
            'write url = "sqlite:///toolguard.db" or "postgresql://ROLE@HOST/DATABASE" under [store] (docs/postgresql.md)',
        )  # fmt: skip
        return
    path = Path(unquote(url.removeprefix("sqlite:///"))) if url.startswith("sqlite:///") else None
    if path is not None and not path.exists():
        yield _to_be_made(path)
        yield from _room(path.parent)
        return
    try:
        schema = schema_of(url)
    except MissingExtraError as missing:
        yield fault("store.extra", said(missing), "pip install 'toolguard-middleware[postgres]'")
        return
    except ToolguardError as wrong:
        yield fault("store.reachable", said(wrong), f"toolguard store status{place.option}")
        return
    yield from _schema(place, schema)
    if path is not None:
        yield from _file(path)
        yield from _room(path.parent)
    else:
        yield from _server(dict(schema.facts))


def _to_be_made(path: Path) -> Finding:
    folder = quoted(path.parent)
    if not path.parent.is_dir():
        return fault("store.folder", f"there is no folder {str(path.parent)!r} for the store", f"mkdir -p {folder}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return fault("store.folder", f"the store cannot be made: {str(path.parent)!r} may not be written",
                     f"chown to the user that runs this: {folder}")  # fmt: skip
    return fine("store.reachable", f"{path.name} is not there yet; the first guard or service makes it")


def _schema(place: Place, schema: Schema) -> Iterator[Finding]:
    kind = dict(schema.facts).get("kind", "store")
    if schema.pending:
        yield fault(
            "store.schema", f"the store has schema {schema.version}, and this version needs {schema.latest}",
            f"toolguard store migrate{place.option}   # after a backup",
        )  # fmt: skip
    else:
        yield fine("store.schema", f"{kind}, schema {schema.version} of {schema.latest}")


def _file(path: Path) -> Iterator[Finding]:
    shown = quoted(path)
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        yield fault("store.writable", f"{path.name} or its folder may not be written by this user, so nothing could be recorded",
                    f"chown both to the user that runs the guard: {shown} {quoted(path.parent)}")  # fmt: skip
    if private(path) is False:
        yield warning("store.mode", f"others may read {path.name}", f"chmod 600 {shown}")


def _room(folder: Path) -> Iterator[Finding]:
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return
    if free >= LITTLE:
        return
    level = fault if free < LEAST else warning
    yield level(
        "store.room", f"{free // 2**20} MiB are free where the store stands; a store that cannot write stops every call",
        "free space there, or archive and prune old records (docs/audit.md)",
    )  # fmt: skip


def _server(facts: Mapping[str, str]) -> Iterator[Finding]:
    may, role = facts.get("may", ""), facts.get("role", "")
    if may.startswith("owner"):
        yield warning(
            "store.role", f"{role!r} owns the schema, so the database holds this process back from nothing",
            "toolguard store roles --print   # read it, run it with psql, and connect as one of those roles",
        )  # fmt: skip
    elif may in ("nothing", "auditor", "keeper"):
        yield fault(
            "store.role", f"{role!r} has the rights of {may!r}: neither a guard nor the service can work with them",
            "toolguard store roles --print   # then connect as a member of toolguard_guard or toolguard_service",
        )  # fmt: skip
    elif facts.get("deletes") == "yes":
        yield fault(
            "store.role", f"{role!r} has the rights of the {may}, and may delete records besides",
            f'in the database: REVOKE toolguard_keeper FROM "{role}";   # and give pruning a login of its own (docs/postgresql.md)',
        )  # fmt: skip
    else:
        yield fine("store.role", f"{role!r} has the rights of the {may}")
    for name in ("fsync", "synchronous_commit"):
        if facts.get(name) == "off":
            yield fault(
                "store.durable", f"{name} is off: what is recorded may be lost when the server stops",
                f"in the database: ALTER SYSTEM SET {name} = 'on'; SELECT pg_reload_conf();",
            )  # fmt: skip


def check_clock(place: Place) -> Iterator[Finding]:
    """This machine's clock against the database's, and against what is on record."""
    store = place.open()
    if store is None:
        return
    try:
        now, there = place.now(), store.now()
        newest = 0.0
        for head in store.heads():
            last = next(iter(store.records(log_id=head.log_id, after=head.seq - 1, limit=1)), None)
            newest = max(newest, last.draft.at if last is not None else 0.0)
    except ToolguardError as wrong:
        yield fault("clock.store", f"the store does not say what time it is: {said(wrong)}", "timedatectl status")
        return
    if abs(now - there) > MOST_SKEW:
        yield fault("clock.store", f"this machine's clock and the database's are {abs(now - there):.0f} s apart; guards refuse to work",
                    "timedatectl set-ntp true   # on the machine that is wrong")  # fmt: skip
    elif newest - now > MOST_SKEW:
        yield fault("clock.records", f"the newest record is {newest - now:.0f} s in the future: a clock was set back, or is wrong",
                    "timedatectl status   # then set the clock right before anything else is recorded")  # fmt: skip
    else:
        yield fine("clock.store", "this machine and the store agree on the time")
