"""``toolguard mask``: mask files.

Exit codes: 0 done · 1 done, but something was withheld · 2 wrong usage · 3 unusable input.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from toolguard._core.masking import UNSAID, Masking
from toolguard._core.operators import Operator
from toolguard.cli._show import console as lines
from toolguard.dataset.chunks import Chunk, chunks
from toolguard.dataset.engine import CHECKPOINT, Job, Report, run
from toolguard.dataset.find import Found, find_lines
from toolguard.dataset.formats.base import Position
from toolguard.dataset.inputs import checked_encoding, format_of
from toolguard.dataset.plan import Plan, detector_of
from toolguard.dataset.pool import Pool, cores
from toolguard.errors import DatasetError, ToolguardError
from toolguard.keys import Purpose, SecretKey, read_keys, write_key
from toolguard.ports import Detector

__all__ = ["app"]

_SMALL = 64 << 10
"""Bytes below which further processes cost more than they bring."""
_TYPE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z][A-Z0-9]*){0,4}")


def app(
    files: Annotated[list[str], typer.Argument(help="Files to mask. With --findings also -, standard input.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the masked files, or the masked file's name."),
    ] = None,
    findings: Annotated[
        bool,
        typer.Option(
            "--findings", help="Answer JSON lines on standard output instead: masked, and what was found where."
        ),
    ] = False,
    key: Annotated[
        str | None,
        typer.Option(
            help="Key file (or env:NAME) that pseudonyms and shifts are keyed with. Else one is made beside the output."
        ),
    ] = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(help="Column that says whose record it is; more than one where files differ. See below."),
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option(help="NAME=TYPE: this column holds identifiers of that type.")
    ] = None,
    keep: Annotated[list[str] | None, typer.Option(help="Column in which nothing is an identifier.")] = None,
    operator: Annotated[list[str] | None, typer.Option(help="TYPE=NAME: what takes the place of that type.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy file; its 'masking:' section counts.")] = None,
    profile: Annotated[
        Literal["fast", "accurate"] | None,
        typer.Option(help="How identifiers are found.", show_default="as the policy says, or fast"),
    ] = None,
    kind: Annotated[
        Literal["csv", "jsonl", "parquet", "text"] | None,
        typer.Option("--format", help="What the files hold.", show_default="by their names"),
    ] = None,
    encoding: Annotated[str, typer.Option(help="Encoding of text: utf-8, latin-1, cp1252, …")] = "utf-8",
    delimiter: Annotated[
        str | None, typer.Option(help="What parts the cells of CSV.", show_default="by the header")
    ] = None,
    on_error: Annotated[
        Literal["stop", "withhold"], typer.Option(help="A line that is no record ends the run, or is withheld.")
    ] = "stop",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.", show_default="all cores")] = cores(),
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew; write over what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write the report as JSON to this file, too.")] = None,
) -> None:
    """Mask text, JSONL, CSV and Parquet files (also .gz), in parallel and in flat memory.

    Every identifier is replaced: dates are moved by a number of days that each patient has for themself (with
    --subject; without it only the year stays), ages become bins, ZIP codes three digits, secrets their type, everything
    else a keyed pseudonym. The same value has the same pseudonym wherever it stands, in all files that are masked with
    the same key, in any order: joins and intervals survive. Whoever has the key can test guesses: keep it apart from
    the data, or delete it when nothing is to be joined later.

    COLUMNS. --subject, --columns and --keep name a column of CSV or Parquet, a field of JSON, or a JSON pointer
    (/subject/reference, /entry/*/note). What they do not name is judged by its name and by what stands in it.

    OPERATORS. token and pseudonym (PERSON-7KQ2…), redact (<PERSON>), fpe (digits stay digits, letters letters),
    surrogate (a made-up value), date_shift, year, age_bin, zip3, keep.

    INTERRUPTED? Repeat the command: it goes on where it was, and the result is the same to the byte. Beside the output
    lies a checkpoint until then, with offsets and counts, nothing of the data.

    --findings reads lines of {"id", "text"} or {"id", "data"} and answers each with one line: {"id", "text" or "data"
    (masked), "findings": [{"start", "end", "type", "score"}]}. Offsets are characters of the original; for data there
    is a "path" (JSON pointer), and start and end lie in that leaf.

    Exit codes: 0 done, 1 done but something was withheld, 2 wrong usage, 3 unusable input.

    Examples:

      toolguard mask notes/*.txt --out masked/

      toolguard mask patients.csv visits.parquet --subject patient_id --out masked/ --key data.key

      toolguard mask export.ndjson.gz --subject /subject/reference --operator PERSON=surrogate --out masked.ndjson.gz

      toolguard mask --findings queries.jsonl > answers.jsonl
    """
    try:
        masking = _masking(policy)
        if findings:
            open_detector = functools.partial(detector_of, masking, profile)
            withheld = _findings(files, jobs, open_detector, withhold=on_error == "withhold")
        else:
            if out is None:
                raise typer.BadParameter("say where to with --out, or use --findings")
            plan_of = functools.partial(
                Plan,
                masking=masking,
                profile=profile,
                operators=_operators(operator or ()),
                columns=_columns(columns or ()),
                keep=tuple(keep or ()),
                subjects=tuple(subject or ()),
                withhold=on_error == "withhold",
                year=datetime.datetime.now(datetime.UTC).year,
            )
            form = functools.partial(format_of, kind=kind, encoding=checked_encoding(encoding), delimiter=delimiter)
            done, plan = _run(files, out, form, plan_of, key, jobs, restart)
            _tell(done, plan, as_json=as_json, report=report)
            withheld = done.total.withheld
    except BrokenPipeError:
        # whoever read our output is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except ToolguardError as error:
        typer.echo(f"toolguard: error: {error}", err=True)
        raise typer.Exit(3) from None
    except OSError as error:
        typer.echo(
            f"toolguard: error: cannot read or write ({type(error).__name__}, errno {error.errno}); check disk and rights",
            err=True,
        )
        raise typer.Exit(3) from None
    raise typer.Exit(1 if withheld else 0)


# --- files to files


def _run(
    files: list[str],
    out: Path,
    form: Callable[[Path], Any],
    plan_of: Callable[..., Plan],
    key: str | None,
    processes: int,
    restart: bool,
) -> tuple[Report, Plan]:
    sources = [Path(name) for name in files]
    for source in sources:
        if not source.is_file():
            raise DatasetError(f"{str(source)!r} is no file")
    single = len(sources) == 1 and not out.is_dir() and not str(out).endswith(os.sep) and bool(out.suffix)
    targets = [out] if single else [out / source.name for source in sources]
    if len(set(targets)) != len(targets):
        raise DatasetError("two inputs have the same name and would become one output; mask them in two runs")
    if {t.resolve() for t in targets} & {s.resolve() for s in sources}:
        raise DatasetError("an output would replace its own input; name another --out")
    work = [Job(source=s, target=t, format=form(s)) for s, t in zip(sources, targets, strict=True)]
    (out.parent if single else out).mkdir(parents=True, exist_ok=True)
    plan = plan_of(key=_key(key, out.with_name(out.name + ".key") if single else out / "toolguard-mask.key"))
    checkpoint = out.with_name(out.name + ".checkpoint") if single else out / CHECKPOINT
    size = sum(s.stat().st_size for s in sources)
    with _bar(sources) as advance:
        done = run(
            plan,
            work,
            checkpoint=checkpoint,
            processes=1 if size < _SMALL else processes,
            restart=restart,
            progress=advance,
        )
    return done, plan


def _key(reference: str | None, beside: Path) -> SecretKey:
    if reference is None and not beside.exists():
        write_key(beside, SecretKey.generate(Purpose.SEAL))
        typer.echo(
            f"new key: {beside} (mode 0600). Whoever has it can test guesses against pseudonyms. Keep it apart from the\n"
            "data to join later runs (--key), or delete it when nothing is to be joined.",
            err=True,
        )
    return read_keys(reference or beside, purpose=Purpose.SEAL)[0]


@contextlib.contextmanager
def _bar(sources: list[Path]) -> Iterator[Callable[[int, Position], None] | None]:
    """Progress on standard error, where that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), console=console
    ) as shown:
        sizes = [s.stat().st_size for s in sources]
        plain = [not s.name.endswith(".gz") and s.suffix not in (".parquet", ".pq") for s in sources]
        task = shown.add_task("masking", total=sum(sizes))

        def advance(number: int, at: Position) -> None:
            before = sum(sizes[:number])
            read = min(at.offset, sizes[number]) if plain[number] else 0
            shown.update(task, completed=before + read, description=f"{sources[number].name}  line {at.line}")

        yield advance
        shown.update(task, completed=sum(sizes))


def _pairs(given: list[str] | tuple[str, ...], option: str) -> Iterator[tuple[str, str]]:
    for pair in given:
        name, _, value = pair.rpartition("=")
        if not name or not value:
            raise typer.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint=option)
        yield name, value


def _columns(given: list[str] | tuple[str, ...]) -> dict[str, str]:
    said = {name: type.upper() for name, type in _pairs(given, "--columns")}
    for type in said.values():
        if not _TYPE.fullmatch(type):
            raise typer.BadParameter(f"{type!r} is no type of identifier", param_hint="--columns")
    return said


def _operators(given: list[str] | tuple[str, ...]) -> dict[str, Operator]:
    said: dict[str, Operator] = {}
    for type, name in _pairs(given, "--operator"):
        if name not in Operator.__members__.values():
            raise typer.BadParameter(f"{name!r} is none of {', '.join(Operator)}", param_hint="--operator")
        said[type.upper()] = Operator(name)
    return said


# --- the report


def _tell(done: Report, plan: Plan, *, as_json: bool, report: Path | None) -> None:
    data = _data(done, plan)
    if report is not None:
        report.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    total = done.total
    console = lines()
    table = Table("type", "found", "replaced by", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for type, count in sorted(total.types.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(type, f"{count:,}", plan.operator(type).value)
    if total.types:
        console.print(table)
    console.print(
        f"{total.records:,} records in {len(done.jobs)} file{'s' if len(done.jobs) > 1 else ''}: {total.masked:,} masked, {total.withheld:,} withheld"
        + (f", {total.emptied:,} typed values emptied" if total.emptied else "")
    )
    for job in done.jobs:
        console.print(f"  {job.target}")


def _data(done: Report, plan: Plan) -> dict[str, Any]:
    total = done.total
    files = []
    for job, counts in zip(done.jobs, done.counts, strict=True):
        columns = {
            job.format.columns[n] if n < len(job.format.columns) else f"column {n + 1}": dict(sorted(types.items()))
            for n, types in sorted(counts.columns.items())
        }
        one = {k: v for k, v in counts.data().items() if k != "columns"}
        files.append({"source": str(job.source), "target": str(job.target), **one, "columns": columns})
    operators: Mapping[str, str] = {type: plan.operator(type).value for type in sorted(total.types)}
    whole = {k: v for k, v in total.data().items() if k != "columns"}
    return {**whole, "operators": operators, "key": plan.key.id, "files": files}


# --- lines to answers


def _masking(policy: Path | None) -> Masking:
    if policy is None:
        return UNSAID
    from toolguard.config import ANALYSES  # reading a policy loads what the other uses of this command do without
    from toolguard.policyfile import load_policy

    return load_policy(policy, functions=ANALYSES).masking


def _answering(open_detector: Callable[[], Detector], withhold: bool) -> Callable[[Chunk], Found]:
    return find_lines(open_detector(), withhold=withhold)


def _findings(files: list[str], jobs: int, open_detector: Callable[[], Detector], *, withhold: bool) -> int:
    withheld = 0
    for name in files:
        with _opened(name) as file:
            small = name != "-" and os.fstat(file.fileno()).st_size < _SMALL
            with Pool(functools.partial(_answering, open_detector, withhold), 1 if small else jobs) as pool:
                for found in pool.map(chunks(file)):
                    sys.stdout.buffer.write(found.data)
                    sys.stdout.buffer.flush()
                    withheld += found.withheld
                    if found.bad:
                        raise DatasetError(
                            f"{name!r}: {found.bad}; nothing after it was read (--on-error withhold goes on)"
                        )
    return withheld


def _opened(name: str) -> BinaryIO:
    try:
        return sys.stdin.buffer if name == "-" else Path(name).open("rb")
    except OSError as error:
        raise DatasetError(f"{name!r} cannot be read ({type(error).__name__})") from None
