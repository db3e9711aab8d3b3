"""What keeps the record trustworthy, and duties apart: anchors, segments, the witness, separation; and what is installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from toolguard._core.approval import State
from toolguard.config.audit import anchor_copies, audit_verifier
from toolguard.config.keeper import keeper_url, look_at_keeper
from toolguard.config.separation import reaches
from toolguard.errors import ConfigError, StoreError, ToolguardError
from toolguard.health.finding import Finding, fault, fine, warning
from toolguard.health.place import Place, private, quoted, said
from toolguard.stores.schema import schema_of
from toolguard.witness import Witness

__all__ = ["check_audit", "check_packages", "check_separation"]

_MANY, _SHOWN = 200, 3
"""Unresolved calls that are looked for in a tenant, and named."""

_EXTRAS = {
    "langchain": ("langchain", "langgraph"),
    "openai": ("openai",),
    "server": ("fastapi", "uvicorn", "jwt"),
    "postgres": ("asyncpg",),
    "dataset": ("pyarrow",),
    "keyring": ("keyring",),
    "mcp": ("mcp",),
    "notebook": ("anywidget",),
    "slack": ("slack_sdk",),
    "teams": ("jwt",),
}


def check_audit(place: Place) -> Iterator[Finding]:
    """Whether checkpoints are made and kept elsewhere, segments have a place, and the witness knows this store."""
    section, config = place.config.audit, place.config
    if section.signing_key is None and not section.trusted:
        yield warning(
            "audit.unsigned", "nobody signs checkpoints, so who holds the database could cut off its end unseen",
            "toolguard keys audit keys/audit.key   # then [audit] signing_key and trusted, as it prints",
        )  # fmt: skip
    elif not section.anchors:
        yield warning(
            "audit.anchors", "checkpoints are kept in the store alone, so who holds the database and the key could rewrite it",
            'set anchors = ["/mnt/elsewhere/toolguard.anchor"] under [audit]: a file on another machine or medium',
        )  # fmt: skip
    for name in section.anchors:
        path = config.at(name)
        if not path.parent.is_dir():
            yield fault("audit.anchor", f"the anchor {str(path)!r} has no folder to stand in",
                        f"mount it, or: mkdir -p {quoted(path.parent)}")  # fmt: skip
            continue
        try:
            anchor_copies(config)
        except ToolguardError as wrong:
            yield fault("audit.anchor", said(wrong), "toolguard audit verify")
            continue
        yield fine("audit.anchors", f"an anchor at {path}")
    if section.segments is not None and not config.at(section.segments).is_dir():
        yield fault("audit.segments", f"there is no folder {section.segments!r} for segments",
                    f"mkdir -p {quoted(config.at(section.segments))}")  # fmt: skip
    if section.keep_for is not None and None in (section.segments, section.signing_key):
        yield fault("audit.keep_for", "[audit] keep_for needs segments, signing_key and trusted",
                    "set them, or take keep_for out (docs/audit.md)")  # fmt: skip
    yield from _keeper(place)
    yield from _unresolved(place)
    yield from _witness(place)


def _keeper(place: Place) -> Iterator[Finding]:
    """The login that takes records out of a PostgreSQL store: there where it is needed, and able to do nothing else."""
    section, wanted = place.config.audit, place.config.audit.keeper_url
    if wanted is None:
        if section.keep_for is not None and place.serves and place.config.store_url.startswith("postgresql:"):
            yield warning(
                "audit.keeper", "in PostgreSQL the service's own login takes no records out, so keep_for does nothing by itself",
                "set [audit] keeper_url (docs/postgresql.md), or run 'toolguard audit archive --prune' as a login of "
                "toolguard_keeper's",
            )  # fmt: skip
        return
    path = place.path(wanted)
    if path is not None and path.exists() and private(path) is False:
        yield fault("audit.keeper", f"others may read {path.name}", f"chmod 600 {quoted(path)}")
        return
    try:
        url = keeper_url(place.config)
        if url is not None and place.online:
            look_at_keeper(url, schema_of(place.config.store_url))
    except ToolguardError as wrong:
        yield fault(
            "audit.keeper", said(wrong), "docs/postgresql.md has the login's SQL; keeper_url is 'env:NAME' or a file"
        )
        return
    yield fine("audit.keeper", "records are taken out by a login that may do nothing else")


def _unresolved(place: Place) -> Iterator[Finding]:
    """Calls nobody resolved for as long as records are kept: none of their logs' later records can leave the store."""
    keep, store = place.config.audit.keep_seconds, place.open()
    if keep is None or store is None or place.directory is None:
        return
    before = store.now() - keep
    old = [
        approval
        for tenant in place.directory.tenants()
        for approval in store.list(tenant, states=(State.INDETERMINATE,), limit=_MANY)
        if approval.changed < before
    ]
    for approval in old[:_SHOWN]:
        more = f", and {len(old) - _SHOWN} more" if len(old) > _SHOWN and approval is old[_SHOWN - 1] else ""
        yield warning(
            "audit.unresolved", f"nobody said what became of the call of approval {approval.id} for longer than keep_for, so newer "
            f"records of its logs cannot leave the store{more}",
            f"toolguard approvals resolve {approval.id} --ran   # or --did-not-run, by somebody who found out",
        )  # fmt: skip


def _witness(place: Place) -> Iterator[Finding]:
    path = place.config.at(place.config.service.witness)
    if not place.serves or not path.exists():
        return
    if private(path) is False:
        yield fault("witness.mode", "others may read the witness", f"chmod 600 {quoted(path)}")
        return
    store = place.open()
    if store is None:
        return
    try:
        Witness(path, store.epoch, audit=audit_verifier(place.config)).compare(store)
    except (StoreError, ConfigError) as wrong:
        yield fault(
            "witness.store",
            said(wrong),
            f"toolguard audit verify{place.option}   # then decide, then: toolguard store accept",
        )
    else:
        yield fine("witness.store", "the store goes on from where the witness saw it")


def check_separation(place: Place) -> Iterator[Finding]:
    """Which of the service's files this process could misuse."""
    config = place.config
    if config.service.remote:
        yield fine("separation.apart", "the guard has no access to the service's store (service.remote)")
        return
    found = reaches(config)
    if not found:
        yield fine("separation.apart", "nothing of the approval service's can be misused by this user")
        return
    within = f"this user can misuse {', '.join(found)}"
    if config.service.separation == "waived":
        yield warning(
            "separation.waived", f"{within}; [service] separation = \"waived\" accepts that, critical calls included",
            "run the service as another user (docs/threats.md); then take 'separation' out",
        )  # fmt: skip
    else:
        yield warning(
            "separation.none", f"{within}: agent and approver are not apart, so critical calls are refused",
            "run 'toolguard serve' as another user that alone owns those files, or accept it: [service] separation = \"waived\"",
        )  # fmt: skip


def check_packages(place: Place) -> Iterator[Finding]:
    """Extras that the configuration needs; and the other project of this name."""
    there = [name for name, modules in _EXTRAS.items() if all(find_spec(m) is not None for m in modules)]
    if place.serves and "server" not in there:
        yield fault("packages.server", "the approval service needs the 'server' extra",
                    "pip install 'toolguard-middleware[server]'")  # fmt: skip
    try:
        distribution("toolguard")
    except PackageNotFoundError:
        pass
    else:
        yield fault(
            "packages.clash", "the distribution 'toolguard' is installed, too: another project, which takes the same import name",
            "pip uninstall toolguard && pip install --force-reinstall --no-deps toolguard-middleware",
        )  # fmt: skip
    absent = [name for name in _EXTRAS if name not in there]
    yield fine(
        "packages.extras",
        f"extras: {', '.join(there) or 'none'}" + (f" (not: {', '.join(absent)})" if absent else ""),
    )
