"""Mask whole files: in parallel, in order, in flat memory, and so that a run that was killed goes on where it was.

Output grows in ``NAME.part`` and gets its name when it is complete. What was written since the last checkpoint is cut
off and made again; since every record is masked by itself, the same bytes come.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

from toolguard.dataset.checkpoint import Checkpoint, Progress
from toolguard.dataset.counts import Counts
from toolguard.dataset.formats.base import Chunk, Done, Format, Position
from toolguard.dataset.masker import Masker
from toolguard.dataset.plan import Plan
from toolguard.dataset.pool import Pool
from toolguard.errors import DatasetError

__all__ = ["CHECKPOINT", "Job", "Report", "run"]

CHECKPOINT = ".toolguard-mask.checkpoint"
_EVERY = 1.0
"""Seconds between checkpoints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file to mask and where to."""

    source: Path
    target: Path
    format: Format

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")


@dataclass(slots=True, kw_only=True)
class Report:
    """What a run did: per job its counts, and the seconds this time took."""

    jobs: tuple[Job, ...]
    counts: list[Counts]
    seconds: float = 0.0
    resumed: bool = False

    @property
    def total(self) -> Counts:
        total = Counts()
        for counts in self.counts:
            total.add(replace(counts, columns={}))
        return total


class _Task(NamedTuple):
    job: int
    format: Format
    chunk: Chunk | None
    """None: the head of the output."""


class _Result(NamedTuple):
    job: int
    done: Done
    after: Position | None


@dataclass(frozen=True, slots=True)
class _Worker:
    masker: Masker

    def __call__(self, task: _Task) -> _Result:
        if task.chunk is None:
            return _Result(task.job, Done(data=task.format.head(self.masker)), None)
        return _Result(task.job, task.format.work(self.masker, task.chunk), task.chunk.after)


def _open(plan: Plan) -> _Worker:
    return _Worker(Masker(plan))


@dataclass(slots=True, kw_only=True)
class _State:
    checkpoint: Checkpoint
    path: Path
    written: float = field(default_factory=time.monotonic)

    def save(self, out: BinaryIO | None) -> None:
        if out is not None:
            out.flush()
            os.fsync(out.fileno())
        self.checkpoint.write(self.path)
        self.written = time.monotonic()


def run(
    plan: Plan,
    jobs: Sequence[Job],
    *,
    checkpoint: Path,
    processes: int,
    restart: bool = False,
    progress: Callable[[int, Position], None] | None = None,
) -> Report:
    """Mask every job's source into its target.

    Args:
        checkpoint: where it is noted how far the run came; removed at the end.
        restart: forget how far an earlier run came, and write over what is there.
        progress: called with the number of a job and how far it was read, now and then.

    Raises:
        DatasetError: a file cannot be read, a target is there already, a line is no record, a worker died.
    """
    started = time.monotonic()
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    inputs = [(str(job.target), *_size(job.source)) for job in jobs]
    if restart:
        Checkpoint.remove(checkpoint)
    worker = _Worker(Masker(plan))
    fingerprint = plan.digest(worker.masker.version, [list(item) for item in inputs])
    known = Checkpoint.read(checkpoint, fingerprint, len(jobs))
    if known is None:
        for job in jobs:
            if job.target.exists() and not restart:
                raise DatasetError(
                    f"{str(job.target)!r} is there already; name another --out, or write over it with --restart"
                )
            job.part.unlink(missing_ok=True)
    for item, job in zip(known.files if known else (), jobs, strict=False):
        if item.written and not item.done and not job.part.exists():
            item.at, item.written, item.counts = Position(), 0, Counts()  # it got its name after the checkpoint
    state = _State(checkpoint=known or Checkpoint(run=fingerprint, files=[Progress() for _ in jobs]), path=checkpoint)
    if known is None:
        state.save(None)
    with Pool(functools.partial(_open, plan), processes, ready=worker) as pool:
        _write(jobs, state, pool.map(_tasks(jobs, state.checkpoint)), progress)
    Checkpoint.remove(checkpoint)
    return Report(
        jobs=tuple(jobs),
        counts=[item.counts for item in state.checkpoint.files],
        seconds=time.monotonic() - started,
        resumed=known is not None,
    )


def _size(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise DatasetError(f"{str(path)!r} cannot be read ({type(error).__name__})") from None
    return found.st_size, found.st_mtime_ns


def _tasks(jobs: Sequence[Job], checkpoint: Checkpoint) -> Iterator[_Task]:
    at = [item.at for item in checkpoint.files]  # as they were: reading is ahead of writing
    begun = [item.written > 0 or item.at != Position() for item in checkpoint.files]
    done = [item.done for item in checkpoint.files]
    for number, job in enumerate(jobs):
        if done[number]:
            continue
        if not begun[number]:
            yield _Task(number, job.format, None)
        for chunk in job.format.chunks(job.source, at[number]):
            yield _Task(number, job.format, chunk)


def _write(
    jobs: Sequence[Job],
    state: _State,
    results: Iterator[_Result],
    progress: Callable[[int, Position], None] | None,
) -> None:
    files = state.checkpoint.files
    following = next(results, None)
    for number, job in enumerate(jobs):
        item = files[number]
        if not item.done:
            with _appended(job.part, item.written) as out:
                while following is not None and following.job == number:
                    if following.done.bad:
                        state.save(out)
                        raise DatasetError(
                            f"{str(job.source)!r}: {following.done.bad}; mend the line, or let go of such lines with "
                            "--on-error withhold; either way begin anew with --restart"
                        )
                    out.write(following.done.data)
                    item.written += len(following.done.data)
                    item.counts.add(following.done.counts)
                    item.at = following.after or item.at
                    if time.monotonic() - state.written > _EVERY:
                        state.save(out)
                    if progress is not None:
                        progress(number, item.at)
                    following = next(results, None)
                item.done = True
                out.flush()
                os.fsync(out.fileno())
        if job.part.exists():
            job.format.finish(job.part, job.target)
        elif not job.target.exists():
            raise DatasetError(
                f"{str(job.target)!r} was moved away while the run was not done; begin anew with --restart"
            )


def _appended(part: Path, written: int) -> BinaryIO:
    """``part``, cut to what a checkpoint vouches for."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("r+b" if written else "wb")
        if file.seek(0, os.SEEK_END) < written:
            raise DatasetError(f"{str(part)!r} is shorter than its checkpoint says; begin anew with --restart")
        file.truncate(written)
        file.seek(written)
    except OSError as error:
        raise DatasetError(f"{str(part)!r} cannot be written ({type(error).__name__})") from None
    return file
