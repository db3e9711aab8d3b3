"""The approval service under load, from a second process: listing, waiting and deciding, and what a waiter costs.

    python benchmarks/service_load.py [--waiters 1 50 500] [--repeats 3] [--json FILE]

The service runs as its own process on loopback (``toolguard serve``, SQLite, one worker), with its configuration,
directory and tokens in a folder that is removed. A guard in this process asks; as many connections as there are waiters
park in ``GET …/wait``; a person decides each by ``POST …/decision``. Milliseconds:

    wake      from the moment a decision was answered until the parked waiter has its own answer (below 0: it had it first)
    decide    one decision, from sending it until it is answered, while the others stay parked
    list      one page of the approver's list, while everyone is parked

``memory`` is what the service's resident memory grew by for each parked waiter, in KiB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from toolguard import Caller, Guard, Suspended
from toolguard.practice import ServiceProcess
from toolguard.testing import NoDetector
from toolguard_demo.place import AGENT, APPROVER, REQUESTER, TENANT, Place, prepare

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: bench, version: 1, owner: bench@general.example}
defaults: {per_run: 1000000, per_person: 1000000}
approvals: {default: {approvers: ["group:privacy-office"], expires: 1h}}
tools: {export: {risk: high, decisive: [path]}}
"""


def export(path: str) -> str:
    """Export what the path names."""
    return "done"


def ask(guard: Guard, count: int) -> list[str]:
    """Approvals that wait."""
    found = []
    with guard.session(caller=Caller.of(REQUESTER, agent=AGENT, tenant=TENANT), suspend="raise") as session:
        for number in range(count):
            try:
                session.call(export, {"path": f"/records/{number}"})
            except Suspended as waits:
                found.append(waits.approval_id)
    return found


def resident(pid: int) -> int:
    """KiB; 0 where /proc is not."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0
    fields = dict(line.split(":", 1) for line in status.read_text("utf-8").splitlines() if ":" in line)
    return int(fields["VmRSS"].split()[0])


async def measured(url: str, pid: int, place: Place, ids: list[str]) -> dict[str, Any]:
    """Park a waiter on each approval, then decide them one after the other."""
    many = len(ids) + 10  # given up here before the service does after 5 s: none is used while it is being closed
    limits = httpx.Limits(max_connections=many, max_keepalive_connections=many, keepalive_expiry=2.0)
    waiting = {"Authorization": f"Bearer {place.tokens[AGENT]}"}
    deciding = {"Authorization": f"Bearer {place.tokens[APPROVER]}", "If-Match": '"1"'}
    woken: dict[str, float] = {}
    decided: dict[str, float] = {}
    decide, listed = [], []
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=120, trust_env=False) as client:

        async def wait(approval_id: str) -> None:
            while approval_id not in woken:
                answer = await client.get(f"/v1/approvals/{approval_id}/wait", params={"timeout": 60}, headers=waiting)
                if answer.status_code == 200:
                    woken[approval_id] = time.perf_counter()
                elif answer.status_code != 204:
                    raise SystemExit(f"waiting was answered with {answer.status_code}: {answer.text[:200]}")

        before = resident(pid)
        parked = [asyncio.create_task(wait(each)) for each in ids]
        await asyncio.sleep(1.0 + len(ids) / 100)
        after = resident(pid)
        for _ in range(10):
            started = time.perf_counter()
            (
                await client.get("/v1/approvals", params={"state": "pending", "assigned_to": "me"}, headers=deciding)
            ).raise_for_status()
            listed.append((time.perf_counter() - started) * 1e3)
        for each in ids:
            shown = (await client.get(f"/v1/approvals/{each}", headers=deciding)).json()
            body = {
                "answer": "approve",
                "reason": "bench",
                "seen_call_digest": shown["call_digest"],
                "seen_view_digest": shown["view_digest"],
            }
            started = time.perf_counter()
            (await client.post(f"/v1/approvals/{each}/decision", json=body, headers=deciding)).raise_for_status()
            decided[each] = time.perf_counter()
            decide.append((decided[each] - started) * 1e3)
        await asyncio.wait_for(asyncio.gather(*parked), 120)
    wake = [(woken[each] - decided[each]) * 1e3 for each in ids]
    return {"wake": wake, "decide": decide, "list": listed, "memory": (after - before) / len(ids)}


def percentile(values: list[float], share: float) -> float:
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))]


def one_run(waiters: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = prepare(folder)
        (folder / "policy.yaml").write_text(POLICY, "utf-8")
        service = ServiceProcess(place.config, port=0)
        try:
            guard = Guard.from_config(place.config, detector=NoDetector())
            ids = ask(guard, waiters)
            assert len(ids) == waiters
            found = asyncio.run(measured(service.url, service.pid, place, ids))
            guard.close()
        finally:
            service.stop()
    return {
        "wake p50": percentile(found["wake"], 0.5),
        "wake p95": percentile(found["wake"], 0.95),
        "decide p50": percentile(found["decide"], 0.5),
        "decide p99": percentile(found["decide"], 0.99),
        "list p50": percentile(found["list"], 0.5),
        "memory": found["memory"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="the approval service under load")
    parser.add_argument("--waiters", type=int, nargs="+", default=[1, 50, 500])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, dest="out")
    args = parser.parse_args()
    console = Console()
    rows = {}
    for waiters in args.waiters:
        runs = []
        for turn in range(args.repeats):
            console.print(f"{waiters} waiters, repeat {turn + 1} of {args.repeats} …", style="dim")
            runs.append(one_run(waiters))
        rows[waiters] = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    table = Table("waiters", *(next(iter(rows.values()))), box=None, pad_edge=False)
    for waiters, row in rows.items():
        table.add_row(str(waiters), *(f"{value:,.1f}" for value in row.values()))
    console.print(table)
    versions = {name: version(name) for name in ("toolguard-middleware", "fastapi", "uvicorn", "httpx")}
    console.print(
        f"milliseconds, memory in KiB a waiter; medians of {args.repeats} runs; Python {platform.python_version()}, {versions}",
        style="dim",
    )
    if args.out:
        args.out.write_text(json.dumps({"versions": versions, "rows": rows}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
