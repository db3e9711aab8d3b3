"""``toolguard audit archive`` and ``prune``: records into segments, and out of the store."""

from __future__ import annotations

import datetime as dt
import getpass
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from toolguard import journal
from toolguard.cli._moment import moment
from toolguard.cli.proof import KeyOption
from toolguard.config import (
    Config,
    anchor_copies,
    audit_verifier,
    check_may_prune,
    keeper_store,
    load_config,
    prune_store,
    segments_of,
)
from toolguard.errors import ConfigError, TamperedError, ToolguardError
from toolguard.keys import NoteVerifier, PublicKey
from toolguard.population import iso
from toolguard.ports import Store
from toolguard.stores.schema import compact_store

__all__ = ["archive", "prune"]

_CONFIG = Path("toolguard.toml")
_YEAR = 365.25 * 86400.0
_MOST = 20

ConfigOption = Annotated[Path, typer.Option("--config", help="Configuration file that names the store.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
BeforeOption = Annotated[
    float | None,
    typer.Option(
        "--before",
        parser=moment,
        metavar="TIME",
        help="Records before this, UTC: 2026-01-01; else [audit] keep_for ago.",
    ),
]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
ByOption = Annotated[str, typer.Option("--by", help="Who has it done, as they want to be named; kept.")]
WithoutOption = Annotated[
    list[str] | None,
    typer.Option("--without-sink", help="A receiver of spans that is not waited for, by its name; may be repeated."),
]
CompactOption = Annotated[
    bool, typer.Option("--compact", help="Then give the space back to the disk (SQLite; nobody can write meanwhile).")
]


def archive(
    before: BeforeOption = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="The folder that keeps segments; it has to be there. Else [audit] segments."),
    ] = None,
    config: ConfigOption = _CONFIG,
    key: KeyOption = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Then take out of the store what stands in segments, as 'audit prune' does.")
    ] = False,
    by: ByOption = "",
    without: WithoutOption = None,
    compact: CompactOption = False,
    dry_run: DryOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write closed parts of every log to files, each up to a signed checkpoint.

    Exit codes: 0 done, 1 a log is other than its checkpoint says, 3 it cannot be done.
    """
    with _said_plainly():
        settings = load_config(config)
        verifier = NoteVerifier(_keys(key)) if key else audit_verifier(settings)
        if verifier is None:
            raise ConfigError("segments end at signed checkpoints; give --key, or set [audit] trusted")
        folder = _folder(to, settings, "--to")
        notes = [note for copy in anchor_copies(settings) for note in copy.notes]
        opened = keeper_store(settings)
        pruned: journal.PruneReport | None = None
        try:
            time = _before(before, settings, opened)
            with _progress("archiving", quiet=as_json) as told:
                made = journal.archive(
                    opened, folder, before=time, verifier=verifier, notes=notes, dry_run=dry_run, progress=told
                )
            if prune and not (dry_run and made):
                pruned = _prune(settings, opened, folder, time, by, without, dry_run=dry_run, quiet=as_json)
        finally:
            opened.close()
        if compact and not dry_run:
            compact_store(settings.store_url)
    if as_json:
        said = [_segment_data(segment, settings) for segment in made]
        data = said if pruned is None else {"segments": said, **_prune_data(pruned)}
        typer.echo(json.dumps(data, indent=2))
        return
    _tell_segments(made, settings, dry_run=dry_run)
    if pruned is not None:
        _tell_pruned(pruned, dry_run=dry_run)
    elif prune:
        typer.echo("what would be taken out can be said once that is archived")


def prune(
    before: BeforeOption = None,
    segments: Annotated[
        Path | None, typer.Option("--segments", help="The folder that keeps segments; else [audit] segments.")
    ] = None,
    config: ConfigOption = _CONFIG,
    by: ByOption = "",
    without: WithoutOption = None,
    compact: CompactOption = False,
    dry_run: DryOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take records out of the store that stand in segments, and that nothing has to do with any more.

    Every segment is read and verified first. What is under legal hold stays, what belongs to a call that has not ended, what a
    receiver of spans has not got, and each log's newest record. Needs the audit key. Exit codes: 0 done, 1 the store or a
    segment is other than it should be, 3 it cannot be done.
    """
    with _said_plainly():
        settings = load_config(config)
        folder = _folder(segments, settings, "--segments")
        opened = keeper_store(settings)
        try:
            time = _before(before, settings, opened)
            pruned = _prune(settings, opened, folder, time, by, without, dry_run=dry_run, quiet=as_json)
        finally:
            opened.close()
        if compact and not dry_run:
            compact_store(settings.store_url)
    if as_json:
        typer.echo(json.dumps(_prune_data(pruned), indent=2))
    else:
        _tell_pruned(pruned, dry_run=dry_run)


def _prune(
    settings: Config,
    store: Store,
    folder: Path,
    before: float,
    by: str,
    without: Sequence[str] | None,
    *,
    dry_run: bool,
    quiet: bool,
) -> journal.PruneReport:
    if not dry_run:
        check_may_prune(settings)
    with _progress("taking out", quiet=quiet) as told:
        return prune_store(
            settings,
            store,
            folder,
            before=before,
            by=by or _user(),
            without=without or (),
            dry_run=dry_run,
            progress=told,
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a system without a user's name
        return ""


@contextmanager
def _said_plainly() -> Iterator[None]:
    """What was changed ends in exit code 1, whatever else is wrong in 3."""
    try:
        yield
    except TamperedError as error:
        typer.echo(f"toolguard: error: tampered: {error}", err=True)
        raise typer.Exit(1) from None
    except ToolguardError as error:
        typer.echo(f"toolguard: error: {error}", err=True)
        raise typer.Exit(3) from None


def _keys(texts: list[str]) -> list[PublicKey]:
    try:
        return [
            PublicKey.parse(text if text.startswith("toolguard-pub:") else Path(text).read_text("ascii"))
            for text in texts
        ]
    except (OSError, UnicodeDecodeError):
        raise ConfigError("--key is neither a public key's line nor a file that can be read") from None


def _folder(given: Path | None, settings: Config, option: str) -> Path:
    folder = given if given is not None else segments_of(settings)
    if folder is None:
        raise ConfigError(f"name the folder that keeps segments: {option}, or [audit] segments")
    return folder


def _before(given: float | None, settings: Config, store: Store) -> float:
    if given is not None:
        return given
    if settings.audit.keep_seconds is None:
        raise ConfigError('say up to when: --before 2026-01-01, or set [audit] keep_for, e.g. "90d"')
    return store.now() - settings.audit.keep_seconds


@contextmanager
def _progress(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal, nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


# --- output


def _until(segment: journal.Segment, settings: Config) -> str:
    """The day up to which a segment has to be kept."""
    years = int(settings.audit.keep_segments[:-1])
    return dt.datetime.fromtimestamp(segment.until + years * _YEAR, dt.UTC).date().isoformat()


def _segment_data(segment: journal.Segment, settings: Config) -> dict[str, Any]:
    return {
        "name": segment.name,
        "log": segment.log_id,
        "first": segment.first,
        "last": segment.last,
        "sha256": segment.sha256,
        "keep_until": _until(segment, settings),
    }


def _tell_segments(made: Sequence[journal.Segment], settings: Config, *, dry_run: bool) -> None:
    for segment in made:
        typer.echo(
            f"{segment.name}  {segment.last - segment.first + 1} records  {segment.sha256}  "
            f"{'would be written' if dry_run else 'keep until ' + _until(segment, settings)}"
        )
    if not made:
        typer.echo("nothing to archive: no checkpoint closes a part that is not archived yet")


def _prune_data(report: journal.PruneReport) -> dict[str, Any]:
    return {
        "pruned": report.records,
        "finished": report.finished,
        "logs": [
            {
                "log": p.log_id,
                "first": p.first,
                "last": p.last,
                "records": p.count,
                "kept_by": p.why,
                "what": p.what,
                "held": p.held,
                "without": list(p.without),
            }
            for p in report.logs
        ],
        "held": report.held,
        "unfinished": [
            {"call": u.call, "at": iso(u.at), "state": u.state, "approval": u.approval, "mend": journal.mend_of(u)}
            for u in report.unfinished
        ],
    }


_WHY = {
    "newer": "what follows is newer",
    "not_archived": "what follows stands in no segment that holds together yet",
    "newest": "a log's newest record stays",
    "sink": "the receiver {what} has not got what follows; --without-sink does not wait for it",
    "open": "call {what} has not ended, or has newer records: a call stays whole",
    "hold": "what follows is under legal hold {what}",
}


def _plain(text: str) -> str:
    return "".join(c for c in text[:300] if c.isprintable())


def _tell_pruned(report: journal.PruneReport, *, dry_run: bool) -> None:
    shown = [log for log in report.logs if log.count or log.why not in ("newest", "newer")]
    for log in shown[:_MOST]:
        why = _WHY.get(log.why, "{what}").format(what=_plain(log.what))
        typer.echo(f"log {log.log_id[:12]}: {log.count} records{f' up to {log.last}' if log.count else ''}; {why}")
    if len(shown) > _MOST:
        typer.echo(f"and {len(shown) - _MOST} more logs (--json has all)")
    for call in report.unfinished[:_MOST]:
        typer.echo(
            f"call {_plain(call.call)} of {iso(call.at)} is {_plain(call.state)}: {_plain(journal.mend_of(call))}"
        )
    if len(report.unfinished) > _MOST:
        typer.echo(f"and {len(report.unfinished) - _MOST} more calls that have not ended (--json has all)")
    if report.held:
        typer.echo(
            f"{report.held} records are old enough and stay, because of calls that have not ended or legal holds"
        )
    left_out = sorted({name for log in report.logs for name in log.without})
    if left_out:
        verb = "would not be" if dry_run else "were not"
        typer.echo(f"{verb} waited for, and have not got all of it (on record): {', '.join(map(_plain, left_out))}")
    verb = "would be taken" if dry_run else "taken"
    typer.echo(
        f"{report.records} records {verb} out of the store; their segments have them, and nothing here deletes those"
    )
