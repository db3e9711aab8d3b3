"""``toolguard audit export | sample | review`` and the page of one call: what auditors ask for.

Exit codes: 0 done · 1 something was changed · 2 there is nothing, or something is missing · 3 unusable input.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from toolguard._core.audit import AuditRecord
from toolguard.cli._moment import moment
from toolguard.cli._service import CONFIG as SERVICE_CONFIG
from toolguard.cli._service import StepUpOption, TokenOption, UrlOption, service_of
from toolguard.cli._show import ConfigOption, SegmentsOption, StoreOption, console, unusable_input
from toolguard.config import Config, anchor_copies, load_config, segments_of
from toolguard.errors import ConfigError, EvidenceError
from toolguard.journal import joined, read_anchor
from toolguard.keys import NoteSigner, PublicKey
from toolguard.population import Exceptional, Population, draw, iso, rank, read_period
from toolguard.ports import Store
from toolguard.stores import open_store

if TYPE_CHECKING:
    from toolguard.evidence import Pack

__all__ = [
    "CONFIG",
    "INCOMPLETE",
    "AsJson",
    "From",
    "Html",
    "Segments",
    "To",
    "export",
    "opened",
    "population_of",
    "review",
    "sample",
    "settings_of",
    "write_call",
    "write_page",
]

INCOMPLETE = 2
CONFIG = Path("toolguard.toml")


From = Annotated[
    float, typer.Option("--from", parser=moment, metavar="TIME", help="The period's beginning, UTC: 2026-06-01.")
]
To = Annotated[
    float | None,
    typer.Option("--to", parser=moment, metavar="TIME", help="Its end, not included; now by default."),
]
Html = Annotated[Path | None, typer.Option("--html", help="Write the page to this file instead.")]
Segments = SegmentsOption
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def settings_of(store: str | None, config: Path) -> Config | None:
    """The configuration, where it is there or needed."""
    return load_config(config) if store is None or config.exists() else None


def population_of(store: Store, since: float, until: float | None, *, whole: bool = True) -> Population:
    """The population of a period of this store.

    Raises:
        EvidenceError: the period ends before it begins; or, where it has to be ``whole``, some of it is in segments that were
            not given.
    """
    end = store.now() if until is None else until
    if not since < end:
        raise EvidenceError("the period ends before it begins; give --from a time before --to")
    period = read_period(store, since=since, until=end)
    if period.unseen and whole:
        raise EvidenceError(
            f"records of this period were taken out of the store ({len(period.unseen)} logs); they stand in segments: name "
            "their folder with --segments, or set [audit] segments"
        )
    return Population(period)


def opened(store: str | None, settings: Config | None, segments: Path | None = None) -> Store:
    """The store with its segments, for looking only. Raises ConfigError or StoreError."""
    if store is None and settings is not None:
        store = settings.store_url
    if store is None:
        raise ConfigError("name the store with --store, or a configuration with --config")
    return joined(open_store(store, read_only=True), segments if segments is not None else segments_of(settings))


def export(
    since: From,
    out: Annotated[Path, typer.Option("--out", help="The zip to write.")],
    until: To = None,
    store: StoreOption = None,
    config: ConfigOption = CONFIG,
    sample_seed: Annotated[str | None, typer.Option("--sample-seed", help="The auditor's seed.")] = None,
    sample_n: Annotated[int, typer.Option("--sample-n", min=1, help="How many calls to prove one by one.")] = 25,
    key: Annotated[
        str | None, typer.Option("--signing-key", help="The audit key (a path, file:PATH, env:NAME); else of --config.")
    ] = None,
    anchor: Annotated[
        list[Path] | None, typer.Option("--anchor", help="An anchor's file; else those of --config.")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Who asks for it, as they want to be named.")] = "",
    segments: Segments = None,
    as_json: AsJson = False,
) -> None:
    """Write an evidence pack: a signed zip with everything about a period, and the file that verifies it.

    The same period gives the same bytes, however often it is asked for. Exit codes: 0 written, 1 written, but its
    records do not hold together, 2 written, but no call was judged or a log is missing, 3 not written.
    """
    from toolguard.evidence import (
        Sampling,
        build_pack,
        verify_pack,
    )  # spans and pages: nothing else of 'audit' needs them

    with unusable_input():
        settings = settings_of(store, config)
        signer = _signer(key, settings)
        sampling = None if sample_seed is None else Sampling(seed=sample_seed, n=sample_n)
        source = opened(store, settings, segments)
        try:
            pack = build_pack(
                population_of(source, since, until),
                signer,
                keys=_trusted(settings),
                anchors=_anchored(anchor, settings),
                sampling=sampling,
                by=by,
            )
        finally:
            source.close()
        _write(out, pack.bytes)
        faults = verify_pack(out, [signer.public_key.line, *(k.line for k in _trusted(settings))])
    _tell(pack, out, faults, as_json)
    raise typer.Exit(1 if faults else INCOMPLETE if pack.is_empty or pack.population.period.missing else 0)


def _tell(pack: Pack, out: Path, faults: Sequence[str], as_json: bool) -> None:
    p = pack.population
    if as_json:
        manifest = json.loads(pack.members["manifest.json"])
        said = {key: manifest[key] for key in ("range", "totals", "sample", "signed_with", "missing_logs")}
        typer.echo(json.dumps({"pack": str(out), "bytes": len(pack.bytes), "faults": list(faults), **said}, indent=2))
        return
    typer.echo(
        f"{out}: {len(pack.bytes):,} bytes, {len(pack.members)} files; {len(p.calls):,} calls, {len(p.records):,} records, "
        f"{len(p.exceptions):,} exceptions, {len(p.awaiting):,} waiting for a review"
    )
    for fault in dict.fromkeys(faults):
        typer.echo(f"changed: {fault}", err=True)
    for log in p.period.missing:
        typer.echo(f"missing: none of the records of log {log} is there", err=True)
    if pack.is_empty:
        typer.echo("no call was judged in this period: the pack is evidence of nothing", err=True)


def _write(out: Path, data: bytes) -> None:
    """The whole file or none of it; readable by its owner."""
    try:
        partial = out.with_name(f".{out.name}.partial")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(out)
    except OSError as error:
        raise EvidenceError(f"{str(out)!r} cannot be written ({type(error).__name__}); check the folder") from None


def _signer(key: str | None, settings: Config | None) -> NoteSigner:
    if key is not None:
        return NoteSigner.load(key)
    wanted = settings.audit.signing_key if settings is not None else None
    if wanted is None or settings is None:
        raise ConfigError(
            "a pack is signed with the audit key: give --signing-key or set [audit] signing_key; 'toolguard keys audit' "
            "makes one"
        )
    return NoteSigner.load(wanted if wanted.startswith("env:") else settings.at(wanted.removeprefix("file:")))


def _trusted(settings: Config | None) -> tuple[PublicKey, ...]:
    return () if settings is None else tuple(PublicKey.parse(line) for line in settings.audit.trusted)


def _anchored(paths: list[Path] | None, settings: Config | None) -> tuple[str, ...]:
    if paths:
        copies = tuple(read_anchor(path) for path in paths)
    else:
        copies = () if settings is None else anchor_copies(settings)
    for copy in copies:
        if copy.codes:
            raise ConfigError(
                f"the anchor {copy.name} cannot be used ({', '.join(copy.codes)}); run 'toolguard audit verify'"
            )
    return tuple(note for copy in copies for note in copy.notes)


def sample(
    since: From,
    seed: Annotated[str, typer.Option("--seed", help="The auditor's seed: the same one draws the same calls.")],
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="How many calls.")] = 25,
    until: To = None,
    store: StoreOption = None,
    config: ConfigOption = CONFIG,
    segments: Segments = None,
    as_json: AsJson = False,
) -> None:
    """Draw calls out of a period, so that anybody with the seed draws the same ones.

    Exit codes: 0 done, 2 no call was judged in the period, 3 unusable input.
    """
    from toolguard.report import plain

    with unusable_input():
        source = opened(store, settings_of(store, config), segments)
        try:
            population = population_of(source, since, until)
            calls = draw(population.calls, seed=seed, n=n)
        finally:
            source.close()
    if as_json:
        rows = [
            {"call": c.id, "rank": rank(seed, c.id), "at": iso(c.at), "tool": c.tool, "outcome": c.outcome}
            for c in calls
        ]
        typer.echo(json.dumps({"seed": seed, "population": len(population.calls), "sample": rows}, indent=2))
    elif calls:
        table = Table("call", "when", "tool", "outcome", box=None, pad_edge=False)
        table.columns[0].no_wrap = table.columns[1].no_wrap = True
        table.columns[2].overflow = "fold"  # a name is never cut
        for call in calls:
            table.add_row(*(Text(plain(said)) for said in (call.id, iso(call.at), call.tool, call.outcome)))
        console().print(table)
        typer.echo(f"{len(calls)} of {len(population.calls):,} calls; 'toolguard audit show CALL' shows one")
    if not calls:
        typer.echo("none: no call was judged in this period", err=True)
        raise typer.Exit(INCOMPLETE)


def review(
    subject: Annotated[
        str | None, typer.Argument(help="What you looked at: a subject of the list, or any call.")
    ] = None,
    finding: Annotated[str | None, typer.Option(help="justified, or not_justified.")] = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the review. Name no patients.")] = "",
    since: Annotated[
        float | None, typer.Option("--from", parser=moment, metavar="TIME", help="List only what happened since.")
    ] = None,
    store: StoreOption = None,
    segments: Segments = None,
    config: ConfigOption = SERVICE_CONFIG,
    url: UrlOption = None,
    token_file: TokenOption = None,
    code: StepUpOption = "",
    as_json: AsJson = False,
) -> None:
    """List what waits until somebody else has looked at it; with a subject, sign that you have.

    A review is signed by the approval service in your name, and never taken of anyone who had a part in what it is of.
    Exit codes: 0 done or nothing waits, 2 something waits or wrong usage, 3 unusable input; those of 'toolguard
    approvals' where a review is refused.
    """
    if subject is not None:
        if not finding or not reason.strip():
            typer.echo(
                "toolguard: error: say what you found (--finding justified or not_justified) and why (--reason)",
                err=True,
            )
            raise typer.Exit(INCOMPLETE)
        with service_of(url, config, token_file) as service:
            service.post(f"/v1/reviews/{subject}", {"finding": finding, "reason": reason}, code=code)
        typer.echo(json.dumps({"subject": subject, "finding": finding}) if as_json else "reviewed")
        return
    from toolguard.report import awaiting_table

    with unusable_input():
        source = opened(store, settings_of(store, config), segments)
        try:
            population = population_of(source, since or 0.0, source.now() + 1.0, whole=False)
            waiting, unseen = population.awaiting, population.period.unseen
        finally:
            source.close()
    if as_json:
        typer.echo(json.dumps([_waiting(e) for e in waiting], indent=2))
    elif waiting:
        console().print(awaiting_table(waiting))
    else:
        typer.echo("nothing waits for a review")
    if unseen:
        typer.echo(
            f"the first records of {len(unseen)} logs were taken out of the store and not looked at; name their folder with "
            "--segments",
            err=True,
        )
    raise typer.Exit(INCOMPLETE if waiting or unseen else 0)


def _waiting(e: Exceptional) -> dict[str, Any]:
    return {"subject": e.subject, "kind": e.code, "at": iso(e.at), "reason": e.reason, "person": e.person}


def write_page(out: Path, page: bytes) -> None:
    """Write a page and say where it is."""
    _write(out, page)
    typer.echo(f"wrote {out}")


def write_call(store: Store, records: Sequence[AuditRecord], out: Path) -> None:
    """The page of one call, with the proof of its first and last record."""
    from toolguard.evidence import call_proofs
    from toolguard.report import State, call_page

    proofs = call_proofs(store, records)
    tone = "ok" if proofs.note else "warn"
    title = (
        "A signed checkpoint covers these records" if proofs.note else "No signed checkpoint covers these records yet"
    )
    text = "The signature is checked by 'toolguard audit verify', with the audit key you pinned."
    write_page(
        out, call_page(records, proofs.shown, integrity=[State(tone=tone, title=title, text=text)], note=proofs.note)
    )
