"""A process that writes records and delivers them until somebody kills it, or forks.

python delivering.py write FOLDER ENDPOINT FIRST        writes for ever, numbered from FIRST
python delivering.py fork FOLDER ENDPOINT               writes, forks, and both go on writing
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from pathlib import Path

from opentelemetry.sdk.resources import Resource

from telemetry.records import draft
from toolguard._core.audit import Kind
from toolguard._core.steps import Change
from toolguard.stores.sqlite import SqliteStore
from toolguard.telemetry import Delivery, OtlpPump, Target


def write(folder: Path, endpoint: str, first: int) -> None:
    store = SqliteStore(folder / "store.db")
    pump = Delivery(store, Target(endpoint, timeout=2.0), Resource({}), sink="s", batch=7, grace=0.0, lease=0.3)

    def deliver() -> None:
        while True:
            pump.round()

    threading.Thread(target=deliver, daemon=True).start()
    for n in itertools.count(first):
        store.commit(Change(tenant="", records=(_one(n),)))
        with (folder / "written").open("a") as file:  # what was acknowledged
            file.write(f"{n + 1:016x}\n")


def fork(folder: Path, endpoint: str) -> None:
    store = SqliteStore(folder / "store.db")
    pump = OtlpPump(store, endpoint, linger=0.01, grace=0.0)
    pump.emit(store.commit(Change(tenant="", records=(_one(0),))))
    assert pump.flush(20.0)
    child = os.fork()
    for n in range(1, 21):
        number = n if child else 100 + n
        pump.emit(store.commit(Change(tenant="", records=(_one(number),))))
        assert pump.flush(20.0)
    clean = pump.close(20.0)
    if not child:
        os._exit(0 if clean else 1)
    _, status = os.waitpid(child, 0)
    sys.exit(0 if clean and status == 0 else 1)


def some(folder: Path, endpoint: str, first: int) -> None:
    store = SqliteStore(folder / "store.db", busy_timeout=20.0)
    pump = OtlpPump(store, endpoint, linger=0.01, grace=0.1, batch=9)

    def work(place: int) -> None:
        for n in range(place, 100, 8):
            pump.emit(store.commit(Change(tenant="", records=(_one(first + n),))))

    threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit(0 if pump.close(30.0) else 1)


def _one(n: int):  # type: ignore[no-untyped-def] # a Draft
    return draft(Kind.POLICY_LOADED, span=f"{n + 1:016x}", call="", body={"n": n})


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    elif sys.argv[1] == "some":
        some(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        fork(Path(sys.argv[2]), sys.argv[3])
