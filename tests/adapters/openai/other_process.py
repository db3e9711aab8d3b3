"""Another process: opens the same store, believes the same key, and goes on with a suspended run, twice.

    python other_process.py FOLDER BASE_URL sync|async      (the seal key in TG_SEAL, the pinned key in TG_TRUSTED)

Prints what came of it both times and what its tools were given, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI, OpenAI

from adapters.openai.ward import RAN, export_all, fails, look_up, send_letter
from toolguard import Caller, Guard
from toolguard.keys import KeyRing
from toolguard_openai import RunResult, SuspendedRun, ToolBox, guard_client


def main() -> None:
    folder, base_url, way = Path(sys.argv[1]), *sys.argv[2:4]
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
        box = ToolBox(look_up, send_letter, export_all, fails, guard=guard)
        told: list[Any] = []
        for _ in range(2):
            if way == "sync":
                with OpenAI(base_url=base_url, api_key="test", max_retries=0) as client:
                    told.append(tell(box.resume(guard_client(client, guard=guard), blob)))
            else:
                told.append(tell(asyncio.run(aresume(box, guard, base_url, blob))))
    sys.stdout.write(json.dumps({"told": told, "ran": RAN}))


async def aresume(box: ToolBox, guard: Guard, base_url: str, blob: str) -> RunResult | SuspendedRun:
    async with AsyncOpenAI(base_url=base_url, api_key="test", max_retries=0) as client:
        return await box.aresume(guard_client(client, guard=guard), blob)


def tell(result: RunResult | SuspendedRun) -> dict[str, Any]:
    text = result.text if isinstance(result, RunResult) else ""
    return {"calls": [c.outcome for c in result.calls], "text": text}


if __name__ == "__main__":
    main()
