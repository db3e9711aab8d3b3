"""One system in one process: ``phi_worker.py SYSTEM CORE``, orders in and answers out as lines of JSON.

Orders: ``load``; ``find`` (the findings of each text); ``time`` (one pass over texts, CPU and wall); ``each`` (the
time of each text by itself); ``memory``. A failure is answered by its type and, while nothing but the system's own
start has happened, its message: never by anything that could hold a text.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from phi_systems import SYSTEMS, Runner

WARM_UP = (
    "Warm up: John Smith, DOB 01/02/2003, seen at Mercy Hospital, Boston; MRN 0012345, 617-555-0188, js@example.org.",
    "Continue metformin 500 mg twice daily; HbA1c 7.2 %.",
    '{"patient": {"name": "John Smith", "birthDate": "2003-01-02"}, "limit": 10}',
)


def memory() -> dict[str, int]:
    """Resident bytes now and at most; where /proc is not, the highest so far stands for both."""
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return {"now": int(fields["VmRSS"].split()[0]) << 10, "peak": int(fields["VmHWM"].split()[0]) << 10}
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"now": peak, "peak": peak}


class Worker:
    def __init__(self, system: str) -> None:
        self._system = SYSTEMS[system]
        self._base = memory()["now"]
        self._runner: Runner | None = None

    def load(self) -> dict[str, Any]:
        """Import, construct and warm up: until the first texts are answered."""
        wall, cpu = time.perf_counter(), time.process_time()
        runner = self._runner = self._system.make()
        for text in WARM_UP:
            runner.detect(text)
        return {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "version": runner.version,
        }

    def find(self, texts: list[str]) -> dict[str, Any]:
        detect, spans, _ = self._loaded()
        return {"found": [spans(text, detect(text)) for text in texts]}

    def time(self, texts: list[str]) -> dict[str, Any]:
        detect = self._loaded().detect
        wall, cpu = time.perf_counter(), time.process_time()
        for text in texts:
            detect(text)
        return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}

    def each(self, texts: list[str]) -> dict[str, Any]:
        detect = self._loaded().detect
        walls, cpus = [], []
        for text in texts:
            wall, cpu = time.perf_counter(), time.process_time()
            detect(text)
            cpus.append(time.process_time() - cpu)
            walls.append(time.perf_counter() - wall)
        return {"wall": walls, "cpu": cpus}

    def memory(self) -> dict[str, Any]:
        return {"base": self._base, **memory()}

    def _loaded(self) -> Runner:
        if self._runner is None:
            raise RuntimeError("the system is not loaded")
        return self._runner


def main() -> int:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not stand among the answers
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(sys.argv[2])})
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = getattr(worker, order.pop("do"))(**order)
        except Exception as error:
            said = type(error).__name__ + (f": {error}" if not order else "")
            answer = {"failed": said}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
