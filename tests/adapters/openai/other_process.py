"""Another process: opens the same store, believes the same key, and goes on with a suspended run.

    python other_process.py FOLDER BASE_URL API sync|async      (the seal key in TG_SEAL, the pinned key in TG_TRUSTED)

Prints the outcome as JSON. What its tools were given it adds to FOLDER/ran.txt.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from openai import AsyncOpenAI, OpenAI

from toolguard import Caller, Guard
from toolguard.keys import KeyRing
from toolguard_openai import RunResult, SuspendedRun, ToolBox, guard_client


def main() -> None:
    folder, base_url, _, way = Path(sys.argv[1]), *sys.argv[2:5]

    def look_up(mrn: str) -> dict[str, str]:
        """Look a patient up by record number."""
        return write(folder, "look_up")

    def send_letter(to: str, body: str) -> dict[str, str]:
        """Send a letter."""
        return write(folder, f"send_letter {to}")

    guard = Guard(
        folder / "policy.yaml",
        store=f"sqlite:///{folder / 'toolguard.db'}",
        keys=KeyRing.load("env:TG_SEAL"),
        directory=folder / "directory.yaml",
        trusted=[os.environ["TG_TRUSTED"]],
        suspend="raise",
    )
    blob = (folder / "blob.json").read_text("utf-8")
    paused = SuspendedRun.from_json(blob)
    caller = Caller.of("ana", agent="discharge-agent", tenant="general")
    with guard, guard.session(caller=caller, run=paused.run, id=paused.session):
        box = ToolBox(look_up, send_letter, guard=guard)
        if way == "sync":
            with OpenAI(base_url=base_url, api_key="test", max_retries=0) as client:
                result = box.resume(guard_client(client, guard=guard), blob)
        else:
            result = asyncio.run(aresume(box, guard, base_url, blob))
    told = {"finished": result.finished, "calls": [c.outcome for c in result.calls]}
    if isinstance(result, RunResult):
        told["text"] = result.text
    else:
        told["blob"] = result.to_json()
    sys.stdout.write(json.dumps(told))


async def aresume(box: ToolBox, guard: Guard, base_url: str, blob: str) -> RunResult | SuspendedRun:
    async with AsyncOpenAI(base_url=base_url, api_key="test", max_retries=0) as client:
        return await box.aresume(guard_client(client, guard=guard), blob)


def write(folder: Path, line: str) -> dict[str, str]:
    with (folder / "ran.txt").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    return {"done": line.split()[0]}


if __name__ == "__main__":
    main()
