"""One of two processes that have nothing in common but a store: an agent that asks, or one that goes on later.

    python later.py FOLDER ENDPOINT ask|resume NOW          (the seal key in TG_SEAL, the pinned key in TG_TRUSTED)

Prints the agent's own trace and span, and what came of the call, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider

from toolguard import Caller, Guard, Suspended
from toolguard.keys import KeyRing
from toolguard.stores.sqlite import SqliteStore
from toolguard.telemetry import CurrentSpan, OtlpPump
from toolguard.testing import FakeClock, NoDetector


def export(path: str) -> str:
    """Export a chart."""
    return "written"


def main() -> None:
    folder, endpoint, now = Path(sys.argv[1]), sys.argv[2], float(sys.argv[4])
    clock = FakeClock(now)
    store = SqliteStore(folder / "toolguard.db", clock)
    pump = OtlpPump(store, endpoint, linger=0.01)
    guard = Guard(
        folder / "policy.yaml",
        store=store,
        keys=KeyRing.load("env:TG_SEAL"),
        directory=folder / "directory.yaml",
        trusted=[os.environ["TG_TRUSTED"]],
        suspend="raise",
        detector=NoDetector(),
        clock=clock,
        sinks=[pump],
        tracing=CurrentSpan(),
    )
    ana = Caller.of("ana", agent="discharge-agent", tenant="general")
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("app")
    told = {}
    with tracer.start_as_current_span("agent") as span, guard.session(caller=ana, run="run-1") as session:
        context = span.get_span_context()
        told = {"trace": f"{context.trace_id:032x}", "span": f"{context.span_id:016x}"}
        try:
            told["result"] = session.call(export, {"path": "/charts/7"}, call_id="x1")
        except Suspended as waits:
            told["approval"] = waits.approval_id
    clean = pump.close(30.0)
    guard.close()
    sys.stdout.write(json.dumps({**told, "delivered": clean}))


if __name__ == "__main__":
    main()
