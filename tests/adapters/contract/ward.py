"""The one ward every adapter is tried in: real tools, a real policy, real approvals, and what came of it all."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opentelemetry.sdk.resources import Resource

from toolguard import Caller, Guard, Session
from toolguard._core.approval import State
from toolguard.config.defaults import RiskAnalyser
from toolguard.policyfile import load_policy
from toolguard.telemetry import spans_of
from toolguard.testing import WordDetector
from toolguard.testing.desk import DIRECTORY, Desk

ADA, MRN, BORN = "Ada Byron", "4711-0815", "1815-12-10"
RAW = (ADA, "Byron", MRN, BORN)
USER = f"Please see to {ADA}, record {MRN}, born {BORN}."
PERSON, RECORD, DATE = "<PERSON_1>", "<MRN_1>", "<DATE_OF_BIRTH_1>"
"""What a model is shown in their place."""
RUN = "run-1"

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: contract, version: 1}
defaults: {unknown_tool: deny, args: default, results: mask}
approvals:
  default: {approvers: ["group:privacy-office"], expires: 1h, claim_ttl: 15m}
tools:
  "find*": {risk: low, trusted_for: [PERSON, MRN]}
  note: {risk: low}
  born: {risk: low, trusted_for: [PERSON, DATE_OF_BIRTH]}
  fail: {risk: low, trusted_for: [PERSON]}
  send: {risk: low, trusted_for: [PERSON], decisive: [to]}
  drop: {risk: low}
  odd: {risk: low}
  outer: {risk: low}
  Letter: {risk: low}
  "open*": {risk: low, results: pass}
  toolguard.reveal: {risk: low}
rules:
  - {id: ask-first, because: "What leaves is looked at.", match: {tool: send}, effect: require_approval}
  - {id: never-drop, because: "Nothing is dropped.", match: {tool: drop}, effect: deny}
  - {id: broken, because: "Its condition fails.", match: {tool: odd}, when: 'int(args.text) > 3', effect: deny}
"""
PEOPLE = DIRECTORY.replace(
    "groups:",
    "  - {id: diaz, name: Eva Diaz, identities: [{issuer: local, tenant: general, subject: diaz}]}\ngroups:",
).replace("[ana, chen, okafor]", "[ana, chen, okafor, diaz]")
"""Ana asks, Okafor owns the agent, Chen and Diaz may decide."""

DENIED = "This call was refused by policy and did not run. Do not retry it."
NO_SUCH_TOOL = "No such tool is available. Do not retry it."
UNFIT = "The arguments do not fit this tool, which did not run. Correct them and call it again."
EXPIRED = "The approval of this call expired, so it did not run."
INVALIDATED = "The approval no longer fits this call, which did not run. Ask again with a new call."
REPLAYED = "This call has already been carried out or tried once. Do not retry it."
SAID_NO = "A person reviewed this call and said no. It did not run. Do not retry it."


@functools.lru_cache(maxsize=1)
def _policy() -> Any:
    return load_policy(POLICY)


class Counting(RiskAnalyser):
    """The real analyser, with how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def tool(self, tool: Any) -> Any:
        return _Counted(super().tool(tool), tool.name, self.asked)


class _Counted:
    def __init__(self, inner: Any, name: str, asked: list[str]) -> None:
        self._inner, self._name, self._asked = inner, name, asked

    def analyse(self, data: Any) -> Any:
        self._asked.append(self._name)
        return self._inner.analyse(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Watching(WordDetector):
    """The detector, with all it was shown."""

    def __init__(self) -> None:
        super().__init__({ADA: "PERSON", MRN: "MRN", BORN: "DATE_OF_BIRTH"})
        self.shown: list[Any] = []

    def session(self) -> WordDetector:
        return self

    def inspect(self, value: Any, **given: Any) -> Any:
        self.shown.append(value)
        return super().inspect(value, **given)


@dataclass
class Ward:
    """Everything of one test. ``way`` is ``sync`` or ``async``; tools are coroutine functions in the latter."""

    folder: Path
    mode: str
    way: str
    durable: bool = False
    clock: Any = None
    wait: float = 20.0
    names: tuple[str, ...] = ()
    """The tools that are made; describing one takes a while."""
    desk: Desk = None  # type: ignore[assignment]  # made below, unless another process made it
    ran: list[tuple[Any, ...]] = field(default_factory=list)
    inner: Callable[[str, dict[str, Any]], str] | None = None
    """Calls another guarded tool in the driver's own way; the tool ``outer`` uses it."""

    def __post_init__(self) -> None:
        self.desk = self.desk or Desk(
            self.folder, store=None if self.durable else "memory:", clock=self.clock, directory=PEOPLE
        )
        self.analyser, self.detector = Counting(), Watching()
        self.guard = self.make_guard()

    def make_guard(self) -> Guard:
        suspend = "block" if self.mode == "block" else "raise"
        return self.desk.guard(
            _policy(), detector=self.detector, analyser=self.analyser, suspend=suspend, wait=self.wait
        )

    def open(self) -> Session:
        """Ana's session; the same one for whoever opens it again."""
        caller = Caller.of("ana", agent="discharge-agent", tenant="general", roles={"clinician"})
        return self.guard.session(caller=caller, run=RUN, id=RUN)

    def close(self) -> None:
        self.desk.store.close()

    # --- what came of it

    def count(self, name: str) -> int:
        """How often a tool ran."""
        return Counter(ran[0] for ran in self.ran)[name]

    def kinds(self) -> list[str]:
        return [r.draft.kind.value for r in self.desk.store.records() if r.draft.call]

    def spans(self) -> Counter[str]:
        """Every span these records are shown as, by name."""
        nowhere = Resource.get_empty()
        return Counter(s.name for r in self.desk.store.records() for s in spans_of(r, nowhere))

    def written(self) -> str:
        """All that was recorded, and shown as spans."""
        nowhere = Resource.get_empty()
        records = list(self.desk.store.records())
        shown = [(s.name, dict(s.attributes or {})) for r in records for s in spans_of(r, nowhere)]
        return repr([(r.draft.kind, dict(r.draft.body)) for r in records]) + repr(shown)

    def asked(self) -> list[str]:
        """All approvals there were, the oldest first."""
        return [a.id for a in sorted(self.desk.store.list("general"), key=lambda a: a.request.created)]

    def when_asked(self, act: Callable[[str], Any]) -> Any:
        """In a thread of its own: waits until somebody is asked, then acts."""
        until = time.monotonic() + 15
        while not (asked := self.desk.store.list("general", states=(State.PENDING,))):
            assert time.monotonic() < until, "nobody was asked"
            time.sleep(0.01)
        return act(asked[0].id)

    # --- its tools

    def tools(self) -> dict[str, Callable[..., Any]]:
        return {f.__name__: self._dressed(f) for f in make_tools(self) if f.__name__ in self.names}

    def _dressed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if self.way == "sync":
            return function

        @functools.wraps(function)
        async def later(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            return function(*args, **kwargs)

        return later


def make_tools(ward: Ward) -> Iterable[Callable[..., Any]]:
    def find(patient: str) -> dict[str, Any]:
        """Find a patient."""
        ward.ran.append(("find", patient))
        return {"patient": ADA, "records": [{"mrn": MRN, "note": f"{ADA} may go home."}]}

    def note(text: str) -> str:
        """Put a note on the public board."""
        ward.ran.append(("note", text))
        return f"noted for {ADA}"

    def born(patient: str, at: dt.date) -> str:
        """Note a day of birth."""
        ward.ran.append(("born", patient, at))
        return "noted"

    def fail(patient: str) -> str:
        """Fail."""
        ward.ran.append(("fail", patient))
        raise RuntimeError(f"no bed for {patient}, record {MRN}")

    def send(to: str, text: str) -> str:
        """Send a letter."""
        ward.ran.append(("send", to, text))
        return f"sent to {ADA}"

    def drop(patient: str) -> str:
        """Drop a patient."""
        ward.ran.append(("drop", patient))
        return "dropped"

    def odd(text: str) -> str:
        """Something a broken rule judges."""
        ward.ran.append(("odd", text))
        return "ran"

    def unlisted(text: str) -> str:
        """A tool the policy does not name."""
        ward.ran.append(("unlisted", text))
        return "ran"

    def outer(patient: str) -> str:
        """Calls other tools: here, in a thread that knows whose call it is, and in one that does not."""
        ward.ran.append(("outer", patient))
        inner = ward.inner
        assert inner is not None
        with ThreadPoolExecutor(1) as threads:
            told = [
                inner("drop", {"patient": patient}),
                threads.submit(copy_context().run, inner, "drop", {"patient": patient}).result(),
                threads.submit(inner, "drop", {"patient": patient}).result(),
            ]
        return " | ".join(told)

    return (find, note, born, fail, send, drop, odd, unlisted, outer)


def assert_masked(text: str) -> None:
    """No identifier of the patient is in ``text``."""
    found = [raw for raw in RAW if raw in text]
    assert not found, f"{len(found)} raw identifiers came through"
