"""Running the systems: one process each, all alive together, asked in turns on one core."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phi_peers import missing, python_of
from phi_score import Tally
from phi_systems import SYSTEMS

WORKER = Path(__file__).with_name("phi_worker.py")


class FailedError(Exception):
    """A system did not answer; the message says why and holds no text."""


class Process:
    """A worker (see ``phi_worker``). An order that takes longer than ``patience`` seconds ends it."""

    def __init__(self, system: str, core: int, patience: float) -> None:
        home = SYSTEMS[system].home
        if (why := missing(home)) is not None:
            raise FailedError(why)
        self._patience = patience
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [python_of(home), WORKER, system, str(core)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=environment | threads,
        )

    def ask(self, do: str, **order: Any) -> dict[str, Any]:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(self._patience, process.kill)
        timer.start()
        try:
            process.stdin.write(json.dumps({"do": do, **order}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            raise FailedError(
                f"{do}: the process ended with status {process.wait()} (killed if over {self._patience:.0f} s)"
            )
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise FailedError(f"{do}: {answer['failed']}")
        return answer

    def close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


@dataclass(kw_only=True, slots=True)
class DataSet:
    name: str
    docs: list[dict[str, Any]]
    timed: list[str]
    """The texts that are timed: as many, evenly spaced, as the limit of characters lets in."""

    @property
    def structured(self) -> bool:
        return sum(doc["text"].lstrip()[:1] in ("{", "[") for doc in self.docs) * 2 > len(self.docs)


@dataclass(kw_only=True, slots=True)
class Measured:
    """What one system did. ``seconds``: set → one (CPU, wall) per round; ``pieces``: per round, one (CPU, wall) per piece."""

    system: str
    failed: str | None = None
    version: str = ""
    loads: list[tuple[float, float]] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    seconds: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    pieces: list[list[tuple[float, float]]] = field(default_factory=list)

    def speeds(self, sets: Sequence[DataSet], clock: int = 0) -> list[float]:
        """Characters a second over these sets, one figure per round; clock 0 is CPU time, 1 is the wall's."""
        chars = sum(len(text) for data in sets for text in data.timed)
        rounds = zip(*(self.seconds[data.name] for data in sets), strict=True)
        return [chars / max(sum(times[clock] for times in one), 1e-9) for one in rounds]

    def p95(self, clock: int = 0) -> float | None:
        """Seconds: the 95th percentile over pieces, each by its median over rounds."""
        if not self.pieces:
            return None
        each: list[float] = sorted(
            statistics.median(times[clock] for times in piece) for piece in zip(*self.pieces, strict=True)
        )
        return each[int(0.95 * (len(each) - 1))]


def pieces_of(sets: Sequence[DataSet], size: int, count: int) -> list[str]:
    """Arguments of about ``size`` characters: prose cut at white space, evenly chosen."""
    found: list[str] = []
    for data in sets:
        if data.structured:
            continue
        for doc in data.docs:
            rest = " ".join(doc["text"].split())
            while len(rest) >= size:
                cut = rest.rfind(" ", size * 4 // 5, size + 1)
                cut = cut if cut > 0 else size
                found.append(rest[:cut])
                rest = rest[cut + 1 :]
    return found[:: max(1, len(found) // count)][:count]


def run(
    systems: Sequence[str],
    sets: Sequence[DataSet],
    *,
    rounds: int,
    loads: int,
    pieces: Sequence[str],
    years_ok: bool,
    patience: float,
    say: Callable[[str], None],
) -> list[Measured]:
    """Measure every system. One that fails is left out of what follows and keeps its reason."""
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    measured = {name: Measured(system=name) for name in systems}
    alive: dict[str, Process] = {}

    def each(step: Callable[[str, Process], None], turn: int = 0) -> None:
        names = list(alive)
        for name in names[turn % max(1, len(names)) :] + names[: turn % max(1, len(names))]:
            try:
                step(name, alive[name])
            except FailedError as error:
                measured[name].failed = str(error)
                say(f"!! {name} failed: {error}")
                alive.pop(name).close()

    def load(name: str, process: Process) -> None:
        answer = process.ask("load")
        measured[name].version = answer["version"]
        measured[name].loads.append((answer["cpu"], answer["wall"]))

    def find(data: DataSet) -> Callable[[str, Process], None]:
        def step(name: str, process: Process) -> None:
            answer = process.ask("find", texts=[doc["text"] for doc in data.docs])
            tally = measured[name].tallies[data.name] = Tally()
            for doc, found in zip(data.docs, answer["found"], strict=True):
                tally.add(doc, [tuple(f) for f in found], years_ok=years_ok)

        return step

    def time(data: DataSet) -> Callable[[str, Process], None]:
        def step(name: str, process: Process) -> None:
            answer = process.ask("time", texts=data.timed)
            measured[name].seconds.setdefault(data.name, []).append((answer["cpu"], answer["wall"]))

        return step

    def short(name: str, process: Process) -> None:
        answer = process.ask("each", texts=list(pieces))
        measured[name].pieces.append(list(zip(answer["cpu"], answer["wall"], strict=True)))

    def weigh(name: str, process: Process) -> None:
        measured[name].memory = process.ask("memory")

    try:
        for again in range(loads):
            for name in systems:
                if measured[name].failed:
                    continue
                say(f"loading {name}")
                try:
                    process = Process(name, core, patience)
                except FailedError as error:
                    measured[name].failed = str(error)
                    say(f"!! {name} is not measured: {error}")
                    continue
                alive[name] = process
                try:
                    load(name, process)
                except FailedError as error:
                    measured[name].failed = str(error)
                    say(f"!! {name} failed: {error}")
                if measured[name].failed or again < loads - 1:
                    alive.pop(name).close()
        for data in sets:
            say(f"finding in {data.name}")
            each(find(data))
        for turn in range(rounds):
            say(f"timing, round {turn + 1} of {rounds}")
            for data in sets:
                each(time(data), turn)
            if pieces:
                each(short, turn)
        each(weigh)
    finally:
        for process in alive.values():
            process.close()
    return list(measured.values())
