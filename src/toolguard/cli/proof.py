"""``toolguard audit verify`` and ``anchor``: whether the journal holds together, and what stands for it elsewhere."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from toolguard import journal
from toolguard._core.checkpoint import Checkpoint
from toolguard.cli._faults import (
    ACT_FAULTS,
    ANCHOR_FAULTS,
    CONTENT_FAULTS,
    REGISTRY_FAULTS,
    SEGMENT_FAULTS,
    STATE_FAULTS,
    told,
)
from toolguard.cli._show import console as lines
from toolguard.cli.trace import inert
from toolguard.config import Config, anchor_copies, audit_verifier, checkpointer_of, load_config, segments_of
from toolguard.errors import ConfigError, TamperedError, ToolguardError
from toolguard.keys import NoteVerifier, PinnedVerifier, PublicKey
from toolguard.ports import Store
from toolguard.stores import open_store

__all__ = ["anchor", "verify"]

StoreOption = Annotated[
    str | None, typer.Option("--store", help="Store URL, e.g. sqlite:///toolguard.db; else the one of --config.")
]
ConfigOption = Annotated[Path, typer.Option("--config", help="Configuration file that names the store.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
AnchorOption = Annotated[
    list[Path] | None, typer.Option("--anchor", help="An anchor's file, or a copy; else those of --config.")
]
KeyOption = Annotated[
    list[str] | None,
    typer.Option("--key", help="A public audit key (its line, or a file that holds it); else those of --config."),
]
StampOption = Annotated[
    list[str] | None, typer.Option("--stamp", help="'LOG SIZE ROOT' from an approval message somebody kept.")
]
_CONFIG = Path("toolguard.toml")
_LONG = 200_000
"""Records from which on several processes read."""
_MOST_JOBS = 8


@contextmanager
def _said_plainly() -> Iterator[None]:
    """Whatever is wrong with the input ends in exit code 3."""
    try:
        yield
    except ToolguardError as error:
        typer.echo(f"toolguard: error: {error}", err=True)
        raise typer.Exit(3) from None


def verify(
    store: StoreOption = None,
    config: ConfigOption = _CONFIG,
    anchor: AnchorOption = None,
    key: KeyOption = None,
    stamp: StampOption = None,
    since: Annotated[
        Path | None,
        typer.Option("--since", help="A file of checkpoints up to which all was verified before: only newer is read."),
    ] = None,
    segments: Annotated[
        Path | None,
        typer.Option("--segments", help="The folder of archived segments, read with the store; else that of --config."),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", min=0, help="Processes that read a long journal; 0: as many as there are cores.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Check every record, every log, every checkpoint and every approval's state, and hold them against the anchors.

    Exit codes: 0 all holds together, 1 something was changed, 2 something is missing (a log, an anchor, the segments of
    records that were taken out of the store), 3 the store cannot be read.
    """
    with _said_plainly():
        settings = load_config(config) if store is None else None
        verifier = _verifier(key, settings)
        service = None if settings is None or not settings.keys.trusted else PinnedVerifier(settings.keys.trusted)
        copies = _copies(anchor, settings)
        folder = segments if segments is not None else segments_of(settings)
        url = store if store is not None else _settings(settings).store_url
        opener = partial(_read_with, url, folder)
        opened = open_store(url, read_only=True)
        try:
            with _progress(quiet=as_json) as told, _workers(opener, opened, jobs) as workers:
                report = journal.verify(
                    opened,
                    verifier=verifier,
                    service=service,
                    anchors=copies,
                    stamps=[_stamp(text, opened.epoch) for text in stamp or ()],
                    since=() if since is None else _checkpoints(since, verifier),
                    progress=told,
                    workers=workers,
                    segments=folder,
                )
            archived = None if folder is None else journal.hold_segments(opened, folder, verifier=verifier)
        finally:
            opened.close()
    if as_json:
        data = _report_data(report)
        if archived is not None:
            data["segments"] = {
                "count": archived.segments,
                "records": archived.records,
                "faults": [{"name": fault.name, "code": fault.code} for fault in archived.faults],
            }
        typer.echo(json.dumps(data, indent=2))
    else:
        _print_report(report, stamps=len(stamp or ()))
        if archived is not None:
            _print_segments(archived)
    # a folder that is configured may still be empty, where nothing was ever archived
    empty = archived is None or (segments is None and not archived.segments and not archived.faults)
    codes = {report.exit_code, 0 if archived is None or empty else archived.exit_code}
    raise typer.Exit(1 if 1 in codes else max(codes))


def anchor(
    config: ConfigOption = _CONFIG,
    to: Annotated[
        list[Path] | None,
        typer.Option("--to", help="A file to add the checkpoints to, besides the configured anchors."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make checkpoints now, put them into every anchor, and print the stamp that stands for all of them.

    Needs the audit key. Exit codes: 0 done, 1 a log does not go on from its last checkpoint, 3 it cannot be done.
    """
    with _said_plainly():
        settings = load_config(config)
        opened = open_store(settings.store_url)
        try:
            made = checkpointer_of(settings, opened, to=to or ())
            if made is None:
                raise ConfigError("this needs the audit key: set [audit] signing_key; 'toolguard keys audit' makes one")
            notes = made.tick(final=True)
            grown = any(head.seq for head in opened.heads())
        except TamperedError as error:
            typer.echo(f"toolguard: error: tampered: {error}", err=True)
            raise typer.Exit(1) from None
        finally:
            opened.close()
    if as_json:
        typer.echo(json.dumps({"stamp": made.stamp, "notes": list(notes)}, indent=2, ensure_ascii=False))
    elif notes:
        typer.echo(
            f"{len(notes)} checkpoints made and anchored; keep this line where nobody can change it:\n{made.stamp}"
        )
    else:
        typer.echo(
            "nothing to sign: the journal has not grown since its last checkpoints, and every anchor has those now"
            if grown
            else "nothing to do: the journal is empty"
        )


_MOST_WHOLE = 30
"""Logs that hold together and are shown; every process has one, and those with faults are all shown."""

# --- input


def _read_with(url: str, segments: Path | None) -> Store:
    return journal.joined(open_store(url, read_only=True), segments, lenient=True)


def _settings(settings: Config | None) -> Config:
    if settings is None:
        raise AssertionError("read where no store is named")
    return settings


def _verifier(keys: list[str] | None, settings: Config | None) -> NoteVerifier | None:
    if keys:
        return NoteVerifier([_public_key(key) for key in keys])
    return None if settings is None else audit_verifier(settings)


def _public_key(text: str) -> PublicKey:
    """A key's line, or the file it stands in."""
    if text.startswith("toolguard-pub:"):
        return PublicKey.parse(text)
    try:
        return PublicKey.parse(Path(text).read_text("ascii"))
    except (OSError, UnicodeDecodeError):
        raise ConfigError("--key is neither a public key's line nor a file that can be read") from None


def _copies(paths: list[Path] | None, settings: Config | None) -> tuple[journal.AnchorCopy, ...]:
    if paths:
        return tuple(journal.read_anchor(path) for path in paths)
    return () if settings is None else anchor_copies(settings)


def _stamp(text: str, epoch: str) -> Checkpoint:
    try:
        return Checkpoint.parse_stamp(text, epoch=epoch)
    except ValueError as error:
        raise ConfigError(f"--stamp cannot be read: {error}") from None


def _checkpoints(path: Path, verifier: NoteVerifier | None) -> tuple[Checkpoint, ...]:
    """Checkpoints of an anchor's file, each signed by a pinned key: what is older than them is not read again."""
    if verifier is None:
        raise ConfigError("--since believes signed checkpoints only; give --key, or set [audit] trusted")
    copy = journal.read_anchor(path)
    if copy.codes:
        raise ConfigError(f"--since {str(path)!r} cannot be used ({', '.join(copy.codes)})")
    return tuple(verifier.checkpoint(note) for note in copy.notes)


@contextmanager
def _workers(opener: Callable[[], Store], store: Store, jobs: int) -> Iterator[journal.Workers | None]:
    """Processes that read, where the journal is long enough to be worth their start."""
    count = jobs or min(os.cpu_count() or 1, _MOST_JOBS)
    if count == 1 or sum(head.seq for head in store.heads()) < _LONG:
        yield None
        return
    with journal.Workers(opener, count) as workers:
        yield workers


# --- output


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal, nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verify", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _report_data(report: journal.VerifyReport) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "tampered": report.tampered,
        "incomplete": report.incomplete,
        "records": report.records,
        "unseen": report.unseen,
        "approvals": report.approvals,
        "running": list(report.running),
        "logs": [
            {
                "log_id": log.log_id,
                "records": log.records,
                "after": log.after,
                "pruned": log.pruned,
                "faults": [{"seq": fault.seq, "code": fault.code} for fault in log.faults],
            }
            for log in report.logs
        ],
        "registry": [{"seq": fault.seq, "code": fault.code} for fault in report.registry],
        "checkpoints": {"count": report.checkpoints, "signatures_checked": report.signed},
        "anchors": [{"name": a.name, "notes": a.notes, "codes": list(a.codes)} for a in report.anchors],
        "states": [{"approval": fault.approval, "code": fault.code} for fault in report.states],
        "acts": [{"act": fault.act, "code": fault.code} for fault in report.acts],
        "contents": {
            "kept": report.kept,
            "redacted": report.redacted,
            "faults": [{"tenant": f.tenant, "content": f.content, "code": f.code} for f in report.contents],
        },
    }


def _print_report(report: journal.VerifyReport, *, stamps: int) -> None:
    console = lines()
    if not report.records and report.incomplete:
        console.print("no evidence: this store holds no record")
    table = Table("log", "records", "verdict", box=None, pad_edge=False)
    whole = [log for log in report.logs if not log.faults]
    for log in [log for log in report.logs if log.faults or log in whole[-_MOST_WHOLE:]]:
        table.add_row(Text(inert(log.log_id)), str(log.records), _verdict(log))
    if report.logs:
        console.print(table)
    if len(whole) > _MOST_WHOLE:
        console.print(f"and {len(whole) - _MOST_WHOLE} older logs that hold together (--json has all)", style="dim")
    red = [line for log in report.logs for line in told(log)]
    red += [f"registry of logs: {REGISTRY_FAULTS.get(fault.code, fault.code)}" for fault in report.registry]
    red += [f"{a.name}: {ANCHOR_FAULTS[code]}" for a in report.anchors for code in a.codes]
    red += [f"approval {state.approval}: {STATE_FAULTS[state.code]}" for state in report.states]
    red += [f"act {act.act}: {ACT_FAULTS[act.code]}" for act in report.acts]
    red += [f"content {f.content or 'of tenant ' + f.tenant}: {CONTENT_FAULTS[f.code]}" for f in report.contents]
    for line in red:
        console.print(Text(inert(line), style="red"))
    if report.running:
        console.print(f"{len(report.running)} executions have no end yet (running, or lost in a crash)")
    conclusion = "tampered" if report.tampered else "incomplete" if report.incomplete else "ok"
    console.print(
        f"{conclusion}: {_counted(report.records, 'record')} in {_counted(len(report.logs), 'log')}, "
        f"{_counted(report.approvals, 'approval')}",
        style="bold",
    )
    if report.kept or report.redacted:
        console.print(
            f"{report.kept} contents are kept beside records; {report.redacted} were redacted by two persons each"
        )
    if report.redacted and not report.acts_signed:
        console.print(
            "who signed the redactions was not checked: no key of the approval service is pinned ([keys] trusted)",
            markup=False,
        )
    _print_limits(console, report, stamps)


def _counted(number: int, one: str) -> str:
    return f"{number} {one}{'' if number == 1 else 's'}"


def _print_limits(console: Console, report: journal.VerifyReport, stamps: int) -> None:
    """What was looked at besides the store, and what cannot be seen without."""
    held = sum(anchor.notes for anchor in report.anchors)
    if held or stamps:
        console.print(f"held against {held} anchored checkpoints and {stamps} stamps kept outside the store")
    else:
        console.print(
            "no anchor outside the store was consulted: a cut at the newest end together with its checkpoints, an older "
            "database put in its place, and records written anew with a stolen audit key can only be seen with one"
        )
    if report.checkpoints and not report.signed:
        console.print(
            "signatures of checkpoints were not checked: no audit key is pinned (--key, or [audit] trusted)",
            markup=False,
        )
    if not report.checkpoints:
        console.print("no checkpoint was made: set [audit] signing_key, and an anchor elsewhere", markup=False)
    if report.unseen:
        console.print(
            f"{report.unseen} earlier records were taken out of the store and stand in segments, which were not looked at, nor "
            "the approvals and acts they speak of; name the folder with --segments, or set [audit] segments",
            markup=False,
        )
    if any(log.after for log in report.logs):
        console.print("what is older than --since was held against its root only, not read")


def _print_segments(archived: journal.SegmentReport) -> None:
    console = lines()
    for fault in archived.faults:
        console.print(Text(inert(f"{fault.name}: {SEGMENT_FAULTS[fault.code]}"), style="red"))
    console.print(f"{archived.records} records in {archived.segments} archived segments")


def _verdict(log: journal.LogReport) -> Text:
    if not log.faults:
        return Text("holds together" + (f" after {log.after}" if log.after else ""), style="green")
    shown = ", ".join(f"{fault.code} at {fault.seq}" for fault in log.faults[:5])
    more = f" and {len(log.faults) - 5} more" if len(log.faults) > 5 else ""
    return Text(shown + more, style="red")
