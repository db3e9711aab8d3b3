"""What guarding a whole agent run costs: two scripted model calls and one no-op tool, beside what frameworks bring.

    python benchmarks/frameworks.py [--agents PYTHON] [--runs 200] [--batch 4] [--json FILE]

LangChain's bare agent, its human-in-the-loop and PII middlewares and the guard run in this process; OpenAI Agents, bare
and with its approvals, in one of its own (``PYTHON`` is an interpreter that has ``openai-agents``; ``make
bench-frameworks`` makes one). All in turns of a few runs, back and forth, so that each meets the same load. Shown are
medians of processor time, which a busy machine disturbs least, and of wall clock; what lies over the same framework's
bare agent is the median of each turn's own difference.

``journal`` is what is written down: nothing (as the middlewares), records in memory, or records in SQLite, each commit
durable before the run goes on. ``masker`` is what looks for identifiers: nothing, one that finds nothing (what remains
is what looking costs apart from finding), the default detector, or the middlewares' five patterns.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, HumanInTheLoopMiddleware, PIIMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from rich.console import Console
from rich.table import Table

from toolguard import Caller, Guard
from toolguard.stores.memory import MemoryStore
from toolguard.testing.desk import Desk
from toolguard_langchain import GuardMiddleware, guard_tools

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {{name: bench, version: 1}}
approvals: {{default: {{approvers: ["group:privacy-office"]}}}}
tools: {{noop: {{risk: {risk}}}}}
defaults: {{per_run: 1000000, per_person: 1000000}}
"""
QUESTION = "Please look at bed 7 and tell me whether the discharge letter is ready."
LIBRARIES = ("langchain", "langchain-core", "langgraph", "pydantic")
PII_TYPES = ("email", "credit_card", "ip", "mac_address", "url")
CALLER = Caller.of("ana", agent="bench", tenant="general")
Times = list[tuple[float, float]]
"""Of each run wall clock and processor time, in µs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to make a run. ``bare``: what the others of its framework are held against."""

    framework: str
    what: str
    masker: str = "none"
    journal: str = "none"
    run: Callable[[int], Times]
    bare: bool = False


@tool
def noop(patient_id: str, limit: int = 10) -> str:
    """Do nothing."""
    return "ok"


class Idle(AgentMiddleware):
    """Stands where the guard stands and does nothing: what LangChain itself takes for a middleware there."""

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        return handler(request)

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        return handler(request)


class Scripted(BaseChatModel):
    """Calls the tool, then answers."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Scripted:
        return self

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        if isinstance(messages[-1], ToolMessage):
            answer = AIMessage("The letter is ready.")
        else:
            args = {"patient_id": "pat-7", "limit": 10}
            answer = AIMessage("", tool_calls=[{"name": "noop", "args": args, "id": "call_1", "type": "tool_call"}])
        return ChatResult(generations=[ChatGeneration(message=answer)])


def timed(once: Callable[[], None]) -> Callable[[int], Times]:
    def run(count: int) -> Times:
        times: Times = []
        for _ in range(count):
            began, worked = time.perf_counter(), time.process_time()
            once()
            times.append(((time.perf_counter() - began) * 1e6, (time.process_time() - worked) * 1e6))
        return times

    return run


def checked(result: dict[str, Any]) -> None:
    """A run that did not go as scripted says nothing."""
    said = [(m.type, m.content) for m in result["messages"]]
    if [kind for kind, _ in said] != ["human", "ai", "tool", "ai"] or said[2][1] != "ok":
        raise SystemExit("the run did not go as scripted; its time would mean nothing")


def langchain_run(tools: list[Any], middleware: list[Any], guard: Guard | None = None) -> Callable[[int], Times]:
    agent = create_agent(Scripted(), tools, middleware=middleware)

    def once() -> None:
        checked(agent.invoke({"messages": [HumanMessage(QUESTION)]}))

    if guard is None:
        return timed(once)

    def guarded() -> None:
        with guard.session(caller=CALLER):
            once()

    return timed(guarded)


def langchain_asked(
    tools: list[Any], middleware: list[Any], answer: Callable[[Any], Any], guard: Guard | None = None
) -> Callable[[int], Times]:
    """A run that pauses before the tool; ``answer`` says yes and gives what the graph is resumed with."""
    agent = create_agent(Scripted(), tools, middleware=middleware, checkpointer=InMemorySaver())
    numbers = itertools.count()

    def once() -> None:
        config: Any = {"configurable": {"thread_id": f"thread-{next(numbers)}"}}
        paused = agent.invoke({"messages": [HumanMessage(QUESTION)]}, config)
        checked(agent.invoke(Command(resume=answer(paused["__interrupt__"][0].value)), config))

    if guard is None:
        return timed(once)

    def guarded() -> None:
        with guard.session(caller=CALLER):
            once()

    return timed(guarded)


def langchain_cases(folder: Path) -> list[Case]:
    low, high = folder / "low.yaml", folder / "high.yaml"
    low.write_text(POLICY.format(risk="low"), "utf-8")
    high.write_text(POLICY.format(risk="high"), "utf-8")
    review = HumanInTheLoopMiddleware(interrupt_on={"another_tool": True})
    reviewed = HumanInTheLoopMiddleware(interrupt_on={"noop": True})
    pii = [
        PIIMiddleware(kind, apply_to_input=True, apply_to_output=True, apply_to_tool_results=True) for kind in PII_TYPES
    ]
    yes = {"decisions": [{"type": "approve"}]}
    made = [
        Case(framework="LangChain", what="bare agent", run=langchain_run([noop], []), bare=True),
        Case(framework="LangChain", what="a middleware that does nothing", run=langchain_run([noop], [Idle()])),
        Case(framework="LangChain", what="human in the loop", run=langchain_run([noop], [review])),
        Case(framework="LangChain", what="PII x5", masker="5 patterns", run=langchain_run([noop], pii)),
        Case(
            framework="LangChain",
            what="human in the loop + PII x5",
            masker="5 patterns",
            run=langchain_run([noop], [review, *pii]),
        ),
        Case(
            framework="LangChain",
            what="human in the loop, approved, resumed",
            run=langchain_asked([noop], [reviewed], lambda _: yes),
        ),
    ]
    for journal in ("memory", "SQLite, durable"):
        for masker, parts in (("finds nothing", {}), ("default detector", {"detector": None})):
            place = folder / f"{journal[:6]}-{masker[:5]}"
            place.mkdir()
            desk = Desk(place, store=MemoryStore() if journal == "memory" else None)
            guard = desk.guard(low, **parts)
            tools = guard_tools([noop], guard=guard)
            run = langchain_run(tools, [GuardMiddleware(guard)], guard)
            made.append(Case(framework="LangChain", what="toolguard", masker=masker, journal=journal, run=run))
            if masker != "finds nothing":
                continue
            if journal == "memory":
                run = langchain_run(tools, [], guard)
                made.append(
                    Case(
                        framework="LangChain", what="toolguard, tools only", masker="results", journal=journal, run=run
                    )
                )
            asking = desk.guard(high, **parts)
            tools = guard_tools([noop], guard=asking, mode="interrupt")

            def approve(value: Any, desk: Desk = desk) -> bool:
                desk.approve(value["approval_id"])
                return True

            run = langchain_asked(tools, [GuardMiddleware(asking)], approve, asking)
            what = "toolguard, approved and signed, resumed"
            made.append(Case(framework="LangChain", what=what, masker=masker, journal=journal, run=run))
    return made


class Agents:
    """The process that runs OpenAI Agents."""

    def __init__(self, python: Path) -> None:
        script = Path(__file__).with_name("frameworks_agents.py")
        self._process = subprocess.Popen(
            [str(python), "-W", "ignore", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        said = self._read()
        self.versions: dict[str, str] = said["versions"]
        self.cases = [
            Case(framework="OpenAI Agents", what=name, run=self._asker(name), bare=not i)
            for i, name in enumerate(said["cases"])
        ]

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the process of OpenAI Agents ended; run benchmarks/frameworks_agents.py to see why")
        return json.loads(line)

    def _asker(self, name: str) -> Callable[[int], Times]:
        def run(count: int) -> Times:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps([name, count]) + "\n")
            self._process.stdin.flush()
            return [(wall, cpu) for wall, cpu in self._read()]

        return run

    def close(self) -> None:
        self._process.communicate(timeout=30)


def measure(cases: Sequence[Case], runs: int, batch: int) -> list[dict[str, Any]]:
    """One row a case: medians, and medians of what each turn took over its framework's bare agent."""
    taken: list[list[tuple[float, float]]] = [[] for _ in cases]
    every: list[Times] = [[] for _ in cases]
    for case in cases:
        case.run(max(3, batch))
    order = list(range(len(cases)))
    for turn in range(max(1, runs // batch)):
        for i in order if turn % 2 == 0 else reversed(order):
            times = cases[i].run(batch)
            every[i] += times
            taken[i].append((statistics.median(w for w, _ in times), statistics.median(c for _, c in times)))
    bare = {case.framework: taken[i] for i, case in enumerate(cases) if case.bare}
    return [
        {
            "framework": case.framework,
            "what": case.what,
            "masker": case.masker,
            "journal": case.journal,
            "cpu_us": statistics.median(c for _, c in every[i]),
            "cpu_over": statistics.median(
                mine[1] - base[1] for mine, base in zip(taken[i], bare[case.framework], strict=True)
            ),
            "wall_us": statistics.median(w for w, _ in every[i]),
            "wall_over": statistics.median(
                mine[0] - base[0] for mine, base in zip(taken[i], bare[case.framework], strict=True)
            ),
            "cpu_least": min(c for _, c in every[i]),
        }
        for i, case in enumerate(cases)
    ]


def shown(rows: Sequence[dict[str, Any]], console: Console) -> None:
    table = Table("framework", "run", "masker", "journal", box=None, pad_edge=False)
    for title in ("CPU µs", "over bare", "least", "wall µs", "over bare"):
        table.add_column(title, justify="right")
    for row in rows:
        over = [f"{row[name]:+,.0f}" if row["what"] != "bare agent" else "" for name in ("cpu_over", "wall_over")]
        table.add_row(
            row["framework"],
            row["what"],
            row["masker"],
            row["journal"],
            f"{row['cpu_us']:,.0f}",
            over[0],
            f"{row['cpu_least']:,.0f}",
            f"{row['wall_us']:,.0f}",
            over[1],
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="what guarding a whole agent run costs, beside what frameworks bring")
    parser.add_argument("--agents", type=Path, help="an interpreter that has openai-agents")
    parser.add_argument("--runs", type=int, default=200, help="runs of each case")
    parser.add_argument("--batch", type=int, default=4, help="runs of a case before the next one's turn")
    parser.add_argument("--json", type=Path, dest="out")
    args = parser.parse_args()
    console = Console(width=150)
    agents = Agents(args.agents) if args.agents else None
    versions = {name: version(name) for name in ("toolguard-middleware", *LIBRARIES)} | (
        agents.versions if agents else {}
    )
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        cases = [*langchain_cases(Path(name)), *(agents.cases if agents else ())]
        try:
            rows = measure(cases, args.runs, args.batch)
        finally:
            if agents:
                agents.close()
    load = (before, os.getloadavg()[0])
    shown(rows, console)
    console.print(f"{machine}; load {load[0]:.1f} before and {load[1]:.1f} after; medians of {args.runs} runs")
    console.print(", ".join(f"{package} {number}" for package, number in versions.items()))
    if not agents:
        console.print("OpenAI Agents was not measured: give --agents an interpreter that has it", style="yellow")
    if args.out:
        told = {"machine": machine, "load": load, "runs": args.runs, "versions": versions, "rows": rows}
        args.out.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
