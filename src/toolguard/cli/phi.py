"""``toolguard phi``: report what detection missed or found wrongly, and see whether it still does.

Exit codes: 0 done · 1 a reported case fails · 2 wrong usage · 3 unusable input.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from toolguard._core.masking import UNSAID, Profile
from toolguard.cli._show import console as lines
from toolguard.config import default_detector
from toolguard.errors import ConfigError, DatasetError, ToolguardError
from toolguard.feedback import Case, Feedback, FeedbackFile, Kind
from toolguard.keys import Purpose, read_keys
from toolguard.ports import Detector, Origin

__all__ = ["app"]

app = typer.Typer(name="phi", help="Feedback on what is found as an identifier.", no_args_is_help=True)
report = typer.Typer(
    help="Report a missed or a wrong finding. The value is asked for, and not kept.", no_args_is_help=True
)
app.add_typer(report, name="report")

FileOption = Annotated[Path, typer.Option("--file", "-f", help="The feedback file.")]
KeyOption = Annotated[str, typer.Option("--key", help="The guard's key: a file, or env:NAME.")]
TenantOption = Annotated[str, typer.Option("--tenant", help="Whose reports.")]
TypeOption = Annotated[str, typer.Option("--type", "-t", help="Type of identifier, such as PERSON or MRN.")]
FILE = Path("phi-feedback.yaml")
KEY = "guard.key"
TENANT = "default"


@report.command("missed")
def missed(type: TypeOption, file: FileOption = FILE, key: KeyOption = KEY, tenant: TenantOption = TENANT) -> None:
    """An identifier was not found: from now on it is, in any spelling.

    The value is asked for without being shown, or read from standard input; never give it as an argument, where the
    shell's history and the list of processes keep it. What is kept is a keyed digest, its shape and about its length.

    Example:

      toolguard phi report missed --type PERSON --key guard.key
    """
    _report(Kind.MISSED, type, _files(file, key, tenant))


@report.command("wrong")
def wrong(type: TypeOption, file: FileOption = FILE, key: KeyOption = KEY, tenant: TenantOption = TENANT) -> None:
    """Something was found as this type and is no identifier: from now on it stays.

    The value is asked for or read from standard input, as for 'missed'. It stays wherever it stands alone: do not
    report a name that a patient could have.
    """
    _report(Kind.WRONG, type, _files(file, key, tenant))


def _report(kind: Kind, type: str, file: FeedbackFile) -> None:
    value = typer.prompt("value", hide_input=True) if sys.stdin.isatty() else sys.stdin.read(65_536).strip()
    try:
        case, new = file.report(kind, type.upper(), value, today=dt.datetime.now(dt.UTC).date())
    except ToolguardError as error:
        _fail(error)
    typer.echo(
        f"{case.id}  {case.kind.value} {case.type}  shape {case.written!r}" + ("" if new else "  (known already)")
    )


@app.command("list")
def list_cases(file: FileOption = FILE, key: KeyOption = KEY, tenant: TenantOption = TENANT) -> None:
    """Show what was reported: ids, types and shapes."""
    try:
        cases = _files(file, key, tenant).load().cases
    except ToolguardError as error:
        _fail(error)
    table = Table("id", "said", "type", "shape", "letters and digits", "reported", box=None, pad_edge=False)
    for case in cases:
        row = (case.id, case.kind.value, case.type, case.written, f"at most {case.length}", case.reported.isoformat())
        table.add_row(*map(Text, row))
    if cases:
        _console().print(table)
    typer.echo(f"{len(cases)} case{'s' if len(cases) != 1 else ''}")


@app.command("forget")
def forget(
    id: Annotated[str, typer.Argument(help="The case's id, from 'toolguard phi list'.")],
    file: FileOption = FILE,
    key: KeyOption = KEY,
    tenant: TenantOption = TENANT,
) -> None:
    """Take a report back."""
    try:
        case = _files(file, key, tenant).forget(id)
    except ToolguardError as error:
        _fail(error)
    typer.echo(f"{case.id}  {case.kind.value} {case.type}  forgotten")


@app.command("check")
def check(
    texts: Annotated[
        list[str],
        typer.Argument(help="Texts to look in: files (.jsonl with 'text' or 'data' a line), or - for standard input."),
    ],
    file: FileOption = FILE,
    key: KeyOption = KEY,
    tenant: TenantOption = TENANT,
    profile: Annotated[str, typer.Option(help="How identifiers are found: fast or accurate.")] = "fast",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Look for every reported value in texts, and see whether it is now found, or left.

    Where one stands is known by its digest. 'by itself' says how often detection does right without the reports: a
    case that is right everywhere by itself can be forgotten.
    """
    if profile not in ("fast", "accurate"):
        raise typer.BadParameter(f"{profile!r} is neither fast nor accurate", param_hint="--profile")
    try:
        feedback = _files(file, key, tenant).load()
        chosen: Profile = "accurate" if profile == "accurate" else "fast"
        masking = replace(UNSAID, profile=chosen)
        tally = _tally(feedback, texts, default_detector(masking, feedback=feedback), default_detector(masking))
    except ToolguardError as error:
        _fail(error)
    rows = [_row(case, tally[case.digest]) for case in feedback.cases]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        table = Table("id", "said", "type", "seen", "right", "by itself", "", box=None, pad_edge=False)
        for row in rows:
            verdict = (
                Text("not seen", "dim")
                if not row["seen"]
                else Text("ok", "green")
                if row["ok"]
                else Text("fails", "red")
            )
            table.add_row(*(str(row[k]) for k in ("id", "said", "type", "seen", "right", "by_itself")), verdict)
        _console().print(table)
    raise typer.Exit(0 if all(row["ok"] for row in rows) else 1)


def _row(case: Case, counts: Counter[str]) -> dict[str, Any]:
    return {
        "id": case.id,
        "said": case.kind.value,
        "type": case.type,
        "seen": counts["seen"],
        "right": counts["right"],
        "by_itself": counts["by itself"],
        "ok": counts["right"] == counts["seen"],
    }


def _tally(feedback: Feedback, texts: list[str], now: Detector, bare: Detector) -> dict[str, Counter[str]]:
    tally: dict[str, Counter[str]] = {case.digest: Counter() for case in feedback.cases}
    for text in _texts(texts):
        places = list(feedback.occurrences(text))
        if not places:
            continue
        covered = [_covered(detector, text) for detector in (now, bare)]
        for start, end, case in places:
            letters = [i for i in range(start, end) if text[i].isalnum()]
            counts = tally[case.digest]
            counts["seen"] += 1
            for name, hidden in zip(("right", "by itself"), covered, strict=True):
                found = all(hidden[i] for i in letters)
                counts[name] += found if case.kind is Kind.MISSED else not found
    return tally


def _covered(detector: Detector, text: str) -> bytearray:
    hidden = bytearray(len(text))
    for finding in detector.session().inspect(text, origin=Origin.RESULT):
        hidden[finding.start : finding.end] = b"\1" * (finding.end - finding.start)
    return hidden


def _texts(names: list[str]) -> Iterator[str]:
    for name in names:
        try:
            content = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f"{name!r} cannot be read ({type(error).__name__})") from None
        if name.endswith((".jsonl", ".ndjson")):
            for number, line in enumerate(content.splitlines(), 1):
                yield from _strings(_parsed(line, name, number))
        else:
            yield content


def _parsed(line: str, name: str, number: int) -> Any:
    try:
        return json.loads(line) if line.strip() else None
    except ValueError:
        raise DatasetError(f"{name!r}: line {number} is not JSON") from None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _files(file: Path, key: str, tenant: str) -> FeedbackFile:
    try:
        return FeedbackFile(file, read_keys(key, purpose=Purpose.SEAL)[0], tenant)
    except ConfigError as error:
        _fail(error)


def _console() -> Console:
    return lines()


def _fail(error: Exception) -> NoReturn:
    typer.echo(f"toolguard: error: {error}", err=True)
    raise typer.Exit(3) from None
