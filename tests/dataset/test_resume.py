"""A run that is killed and repeated gives the same bytes as one that was left alone."""

import gzip
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataset.files import LAST, as_csv, as_jsonl, mask, visits
from toolguard._core.mask import Finding, leaves
from toolguard.dataset import Job, Plan, run
from toolguard.dataset.checkpoint import Checkpoint
from toolguard.dataset.chunks import chunks
from toolguard.dataset.counts import Counts
from toolguard.dataset.formats.base import Position
from toolguard.dataset.inputs import format_of
from toolguard.keys import Purpose, SecretKey, read_keys, write_key

ROWS = visits(60, 12)


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "data.key"
    write_key(path, SecretKey.generate(Purpose.SEAL))
    return path


def sources(folder):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    (folder / "a.csv").write_text(as_csv(ROWS), "utf-8", newline="")
    (folder / "b.jsonl").write_text(as_jsonl(ROWS[:300]), "utf-8")
    with gzip.open(folder / "c.jsonl.gz", "wb") as file:
        file.write(as_jsonl(ROWS[300:600]).encode())
    (folder / "d.txt").write_text("\n\n".join(row["note"] for row in ROWS * 2), "utf-8")
    pq.write_table(pa.Table.from_pylist(ROWS[:700]), folder / "e.parquet", row_group_size=300)
    return [folder / name for name in ("a.csv", "b.jsonl", "c.jsonl.gz", "d.txt", "e.parquet")]


def outputs(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix != ".key"}


def test_killed_at_any_moment_and_repeated_it_gives_the_same_bytes(tmp_path, key):
    files = sources(tmp_path)
    options = ("--key", key, "--subject", "patient_id")
    mask(*files, "--out", tmp_path / "whole", *options)
    command = [sys.executable, "-m", "toolguard", "mask", *files, "--out", tmp_path / "cut", "--jobs", 2, *options]

    kills = 0
    for wait in (1.5, 2.5, 3.5, 600.0):
        process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            _, error = process.communicate(timeout=wait)
            assert process.returncode == 0, error
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            _no_clear_text(tmp_path / "cut")
    assert kills
    assert outputs(tmp_path / "cut") == outputs(tmp_path / "whole")


class LastNames:
    """A detector that is fast: this is about bytes."""

    version = "last-names/1"
    name = re.compile("|".join(LAST))

    def session(self):
        return self

    def inspect(self, value, *, origin, schema=None):
        return tuple(
            Finding(path=leaf.path, start=m.start(), end=m.end(), type="PERSON")
            for leaf in leaves(value)
            if leaf.kind == "str"
            for m in self.name.finditer(leaf.text)
        )


class Killed(BaseException):
    """Nothing may be cleaned up after it, as nothing is after SIGKILL."""


@pytest.mark.parametrize("every", [0.0, 1e9], ids=["a checkpoint a chunk", "one checkpoint"])
def test_stopped_after_any_chunk_it_goes_on_to_the_same_bytes(tmp_path, key, monkeypatch, every):
    monkeypatch.setattr("toolguard.dataset.engine._EVERY", every)
    monkeypatch.setattr(Plan, "detector", lambda self: LastNames())
    files = sources(tmp_path)
    plan = Plan(key=read_keys(key, purpose=Purpose.SEAL)[0], subjects=("patient_id",), year=2026)
    steps = []

    def through(out, stop):
        jobs = [Job(source=f, target=out / f.name, format=format_of(f)) for f in files]

        def progress(number, at):
            steps.append(number)
            if len(steps) == stop:
                raise Killed

        return run(plan, jobs, checkpoint=out / "checkpoint", processes=1, progress=progress)

    whole = through(tmp_path / "whole", 0)
    total = len(steps)
    assert total > 12
    for stop in range(1, total, 3):
        out = tmp_path / f"cut{stop}"
        steps.clear()
        with pytest.raises(Killed):
            through(out, stop)
        for part in out.glob("*.part"):
            with part.open("ab") as file:
                file.write(b"written after the checkpoint, and torn")
        resumed = through(out, 0)
        assert resumed.resumed
        assert outputs(out) == outputs(tmp_path / "whole")
        assert resumed.total == whole.total


def _no_clear_text(folder):
    for path in folder.iterdir() if folder.exists() else ():
        content = path.read_bytes()
        assert b"O'Neil" not in content, path
        assert b"Gonzalez" not in content, path


def test_workers_end_with_their_parent(tmp_path, key):
    (tmp_path / "v.csv").write_text(as_csv(ROWS), "utf-8", newline="")
    command = [sys.executable, "-m", "toolguard", "mask", tmp_path / "v.csv", "--out", tmp_path / "m.csv", "--jobs", 2]
    process = subprocess.Popen([*map(str, command), "--key", str(key)], stdout=subprocess.DEVNULL)
    children: list[str] = []
    until = time.monotonic() + 60
    while len(children) < 2 and time.monotonic() < until and process.poll() is None:
        time.sleep(0.05)
        try:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        except FileNotFoundError:
            pytest.fail("this test needs /proc")
    assert len(children) >= 2
    process.kill()
    process.wait()
    until = time.monotonic() + 20
    while any(_runs(pid) for pid in children) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [pid for pid in children if _runs(pid)]


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("name", ["a.csv", "b.jsonl", "c.jsonl.gz", "d.txt", "e.parquet"])
def test_chunks_do_not_depend_on_where_reading_began(tmp_path, name):
    path = next(p for p in sources(tmp_path) if p.name == name)
    form = format_of(path)
    whole = list(form.chunks(path, Position()))
    assert len(whole) > 1
    for number, chunk in enumerate(whole[:-1]):
        rest = list(form.chunks(path, chunk.after))
        assert rest == whole[number + 1 :]


def test_a_checkpoint_holds_offsets_and_counts_and_nothing_else(tmp_path, key, monkeypatch):
    files = sources(tmp_path)
    seen = []

    def removed(path):
        seen.append(path.read_text("utf-8"))
        path.unlink()

    monkeypatch.setattr(Checkpoint, "remove", removed)
    monkeypatch.setattr("toolguard.dataset.engine._EVERY", 0.0)
    mask(*files, "--out", tmp_path / "m", "--key", key, "--subject", "patient_id", "--jobs", 1)
    (text,) = seen
    assert set(text) <= set('{}[]":, _0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ')
    words = {w for w in text.replace('"', " ").split() if w.strip("{}[]:,").isalpha()}
    assert {w.strip("{}[]:,") for w in words} <= {
        *("version", "run", "files", "input", "output", "done", "counts", "records", "masked", "withheld", "emptied"),
        *("types", "columns", "true", "false", "PERSON", "DATE", "PHONE", "ID", "AGE", "LOCATION", "FACILITY"),
    }


def interrupted(tmp_path, key, *more):
    """An output that lacks a record, with its checkpoint; the arguments that go on from there."""
    (tmp_path / "v.jsonl").write_text('{"a": "fine"}\n{"a": broken}\n', "utf-8")
    arguments = (tmp_path / "v.jsonl", "--out", tmp_path / "m", "--key", key, *more)
    mask(*arguments, ok=(3,))
    assert (tmp_path / "m/.toolguard-mask.checkpoint").exists()
    return arguments


def test_a_run_goes_on_only_under_the_same_settings(tmp_path, key):
    arguments = interrupted(tmp_path, key)
    for other in (("--operator", "PERSON=redact"), ("--keep", "a"), ("--on-error", "withhold")):
        assert "other settings" in mask(*arguments, *other, ok=(3,)).stderr
    assert "other settings" not in mask(*arguments, ok=(3,)).stderr


def test_a_run_does_not_go_on_over_a_changed_input(tmp_path, key):
    arguments = interrupted(tmp_path, key)
    (tmp_path / "v.jsonl").write_text('{"a": "fine"}\n{"a": "mended"}\n', "utf-8")
    assert "changed inputs" in mask(*arguments, ok=(3,)).stderr
    mask(*arguments, "--restart")
    assert (tmp_path / "m/v.jsonl").read_text("utf-8").count("\n") == 2
    assert not (tmp_path / "m/.toolguard-mask.checkpoint").exists()


def test_a_damaged_checkpoint_is_not_believed(tmp_path, key):
    arguments = interrupted(tmp_path, key)
    (tmp_path / "m/.toolguard-mask.checkpoint").write_text("{", "utf-8")
    assert "cannot be read" in mask(*arguments, ok=(3,)).stderr


def test_counts_survive_a_checkpoint():
    counts = Counts(records=3, masked=2, withheld=1, emptied=4)
    counts.found("PERSON", 2)
    counts.found("DATE")
    assert Counts.of(counts.data()) == counts


def test_lines_are_whole_however_long(tmp_path):
    lines = [b"x" * n + b"\n" for n in (0, 1, 40_000, 5, 70_000, 32_768, 3)]
    (tmp_path / "f").write_bytes(b"".join(lines))
    with (tmp_path / "f").open("rb") as file:
        read = list(chunks(file))
    assert b"".join(c.data for c in read) == b"".join(lines)
    assert all(c.data.endswith(b"\n") for c in read)
    numbers = [1]
    for c in read:
        assert c.first == numbers[-1]
        numbers.append(c.first + c.data.count(b"\n"))
