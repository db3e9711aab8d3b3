"""Another process: told, line by line, which suspended run to go on with; says what came of it.

Each line in is a JSON object: ``place`` (number of the path, mode, way), ``folder``, ``seal``, ``trusted`` and what
`Driver.freeze` gave. Each line out: the answers, what waits, and which tools ran here.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from adapters.contract.table import PATHS
from adapters.contract.ward import Ward
from toolguard import Guard
from toolguard.keys import KeyRing
from toolguard.stores import open_store


class Far:
    """The desk as it is seen from here: its store, and the keys a guard may have."""

    def __init__(self, folder: Path, seal: str, trusted: str) -> None:
        os.environ["TG_SEAL"] = seal
        self.folder, self.trusted = folder, [trusted]
        self.store = open_store(f"sqlite:///{folder / 'toolguard.db'}")

    def guard(self, policy: Any, **parts: Any) -> Guard:
        return Guard(
            policy,
            store=self.store,
            keys=KeyRing.load("env:TG_SEAL"),
            directory=self.folder / "directory.yaml",
            trusted=self.trusted,
            **parts,
        )


async def go_on(told: dict[str, Any]) -> dict[str, Any]:
    number, mode, way = told["place"]
    folder = Path(told["folder"])
    far: Any = Far(folder, told["seal"], told["trusted"])
    ward = Ward(folder=folder, mode=mode, way=way, durable=True, names=tuple(told["names"]), desk=far)
    driver = await PATHS[number](ward).__aenter__()
    try:
        driver.thaw(told["kept"])
        found = await driver.resume()
    finally:
        await driver.__aexit__(None, None, None)
        ward.close()
    return {"answers": found.answers, "waiting": found.waiting, "ran": ward.ran, "pid": os.getpid()}


def main() -> None:
    for line in sys.stdin:
        try:
            said: dict[str, Any] = asyncio.run(go_on(json.loads(line)))
        except Exception as fault:
            said = {"fault": f"{type(fault).__name__}: {fault}"}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
