"""The attacks of ``openai_agents.py`` on a guarded run of the OpenAI SDK: real client, real approvals, a server on loopback."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openai import DefaultHttpxClient, OpenAI

from adapters.attacks.sites import ASKED, POLICY
from toolguard import Caller
from toolguard.errors import ApprovalError, ConfigError
from toolguard.policyfile import load_policy
from toolguard.testing.desk import Desk
from toolguard.testing.openai_server import ModelRequest, OpenAIServer, Reply, Use, say, use
from toolguard_openai import SuspendedRun, ToolBox, guard_client

OTHER = {"to": "attacker", "amount": 9000}


class Box:
    """A run whose model proposes one payment after the other, each once the one before is done."""

    def __init__(self, folder: Path, *payments: dict[str, Any]) -> None:
        self.payments = payments or (ASKED,)
        self.ran: list[tuple[str, int]] = []
        self.desk = Desk(folder)
        self.guard = self.desk.guard(load_policy(POLICY))
        self.server = OpenAIServer(self.model).start()
        self.client = OpenAI(
            base_url=self.server.base_url, api_key="x", max_retries=0, http_client=DefaultHttpxClient(verify=False)
        )
        self.guarded = guard_client(self.client, guard=self.guard)

    def model(self, request: ModelRequest) -> Reply:
        paid = sum(1 for item in request.items if item.get("role") == "tool")
        if paid < len(self.payments):
            return use(Use("pay", self.payments[paid], id=f"call_{paid}"))
        return say("done")

    def box(self) -> ToolBox:
        def pay(to: str, amount: int) -> str:
            """Pay somebody."""
            self.ran.append((to, amount))
            return "paid"

        return ToolBox(pay, guard=self.guard)

    def session(self, **given: Any) -> Any:
        caller = Caller.of("ana", agent="discharge-agent", tenant="general")
        return self.guard.session(caller=caller, suspend="raise", **given)

    def start(self) -> str:
        """A run that waits, as text."""
        with self.session(run="run-1", id="session-1"):
            paused = self.box().run(self.guarded, model="m", messages=[{"role": "user", "content": "pay"}])
        assert isinstance(paused, SuspendedRun)
        return paused.to_json()

    def approved(self) -> str:
        text = self.start()
        self.answer(self.desk.approve)
        return text

    def answer(self, how: Callable[..., Any]) -> None:
        for record in list(self.desk.store.records()):
            if record.draft.kind == "approval.requested":
                with contextlib.suppress(ApprovalError):  # it has ended
                    how(str(record.draft.body["toolguard.approval.id"]))

    def go_on(self, text: str) -> Any:
        with self.session(run="run-1", id="session-1"):
            return self.box().resume(self.guarded, text)

    def close(self) -> None:
        self.client.close()
        self.server.stop()
        self.guard.close()
        self.desk.store.close()


Make = Callable[..., Box]


def at_once(*jobs: Callable[[], Any]) -> None:
    gate = threading.Barrier(len(jobs))

    def one(job: Callable[[], Any]) -> None:
        gate.wait()
        job()

    threads = [threading.Thread(target=one, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def replayed(make: Make) -> int:
    box = make()
    text = box.approved()
    box.go_on(text)
    box.go_on(text)
    return len(box.ran) - 1


def raced(make: Make, workers: int = 2) -> int:
    box = make()
    text = box.approved()
    at_once(*[lambda: box.go_on(text)] * workers)
    return len(box.ran) - 1


def raced_by_four(make: Make) -> int:
    return raced(make, 4)


def vetoed(make: Make) -> int:
    box = make()
    text = box.start()
    box.answer(box.desk.approve)
    box.answer(box.desk.deny)
    at_once(*[lambda: box.go_on(text)] * 2)
    return len(box.ran)


def swapped(make: Make) -> int:
    box = make()
    text = box.approved()
    changed = text.replace("pharmacy", "attacker").replace('\\"amount\\": 10', '\\"amount\\": 9000')
    assert changed != text
    box.go_on(changed)
    return sum(to == "attacker" for to, _ in box.ran)


def forged(make: Make) -> int:
    box = make()
    text = box.start()
    kept = json.loads(text)
    for waiting in kept["pending"]:
        waiting.update({"approved": True, "verdict": "approve", "state": "approved"})
    with contextlib.suppress(ConfigError):  # what no suspended run says of itself
        box.go_on(json.dumps(kept))
    box.go_on(text)
    return len(box.ran)


def always(make: Make) -> int:
    """ "always" said of one payment, used for another"""
    box = make(ASKED, OTHER)
    box.go_on(box.approved())
    return sum(to == "attacker" for to, _ in box.ran)


ATTACKS = (replayed, raced, raced_by_four, vetoed, swapped, forged, always)
