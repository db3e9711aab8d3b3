"""What a guarded OpenAI client adds to one request: the same chat completion, by the bare client and by guarded ones.

    python benchmarks/frameworks_openai.py [--runs 300] [--batch 10] [--json FILE]

The server is a process of its own on loopback, so that its work is not counted. Shown is processor time of this process, in
turns of a few requests, back and forth: the least, the median, and the median of each turn's own difference to the bare client.
The request carries a conversation of six messages with one tool call. "finds nothing" is a detector that returns at once;
"default detector" is ours as it comes; "made typed" asks for an answer with a date and a number in it besides.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from openai import DefaultHttpxClient, OpenAI
from rich.console import Console
from rich.table import Table

from toolguard import Caller
from toolguard.policyfile import load_policy
from toolguard.stores.memory import MemoryStore
from toolguard.testing.desk import Desk
from toolguard.testing.openai_server import OpenAIServer, say
from toolguard_openai import guard_client

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: bench, version: 1}
approvals: {default: {approvers: ["group:privacy-office"]}}
tools: {noop: {risk: low}}
"""
CALL = {
    "id": "call_A1b2C3d4E5f6G7h8I9j0K1l2",
    "type": "function",
    "function": {"name": "noop", "arguments": '{"bed": 7}'},
}
MESSAGES: list[Any] = [
    {"role": "system", "content": "You help on a ward. Answer in one sentence."},
    {"role": "user", "content": "Please look at bed 7 and tell me whether the discharge letter is ready."},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": CALL["id"], "content": '{"bed": 7, "letter": "ready", "signed": true}'},
    {"role": "assistant", "content": "The letter is ready and signed."},
    {"role": "user", "content": "Thank you. And the one for bed 9?"},
]
TYPED = {
    "type": "object",
    "properties": {"since": {"type": "string", "format": "date"}, "bed": {"type": "integer"}},
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": TYPED}}
CALLER = Caller.of("ana", agent="bench", tenant="general")


def serve() -> None:
    """The server, until nobody reads what it says any more."""
    with OpenAIServer(lambda request: say("It is ready."), max_requests=1_000_000) as server:
        print(server.base_url, flush=True)
        sys.stdin.read()


def cases(url: str, http: DefaultHttpxClient, folder: Path) -> dict[str, Callable[[], Any]]:
    bare = OpenAI(base_url=url, api_key="none", max_retries=0, http_client=http)
    made: dict[str, Callable[[], Any]] = {"bare client": lambda: ask(bare)}
    for masker, parts in (("finds nothing", {}), ("default detector", {"detector": None})):
        place = folder / masker[:5]
        place.mkdir()
        guard = Desk(place, store=MemoryStore()).guard(load_policy(POLICY), **parts)
        client = guard_client(bare, guard=guard, session=guard.session(caller=CALLER))
        made[f"guarded, {masker}"] = lambda client=client: ask(client)
        made[f"guarded, {masker}, made typed"] = lambda client=client: ask(client, response_format=FORMAT)
    return made


def ask(client: OpenAI, **more: Any) -> None:
    client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, **more)


def measured(made: dict[str, Callable[[], Any]], runs: int, batch: int) -> dict[str, list[float]]:
    """Processor time of one request in µs, one figure a turn."""
    for once in made.values():
        for _ in range(batch):
            once()
    times: dict[str, list[float]] = {name: [] for name in made}
    for turn in range(max(1, runs // batch)):
        for name in list(made)[:: -1 if turn % 2 else 1]:
            began = time.process_time()
            for _ in range(batch):
                made[name]()
            times[name].append((time.process_time() - began) / batch * 1e6)
    return times


def rows(times: dict[str, list[float]]) -> list[dict[str, Any]]:
    bare = times["bare client"]
    return [
        {
            "case": name,
            "median_us": round(statistics.median(each)),
            "least_us": round(min(each)),
            "over_bare_us": round(statistics.median(a - b for a, b in zip(each, bare, strict=True))),
        }
        for name, each in times.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve()
        return
    started = [sys.executable, __file__, "--serve"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(started, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
        DefaultHttpxClient(verify=False) as http,  # without certificates: there is no TLS on loopback
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        found = rows(measured(cases(url, http, Path(folder)), given.runs, given.batch))
        process.stdin.close()
    table = Table(title="One chat completion, processor time of the client in µs")
    for column in ("client", "median", "over bare", "least"):
        table.add_column(column, justify="left" if column == "client" else "right")
    for row in found:
        over = "" if row["case"] == "bare client" else f"{row['over_bare_us']:+,}"
        table.add_row(row["case"], f"{row['median_us']:,}", over, f"{row['least_us']:,}")
    console = Console(width=100)
    console.print(table)
    console.print(f"openai {version('openai')}, Python {platform.python_version()}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1), "utf-8")


if __name__ == "__main__":
    main()
