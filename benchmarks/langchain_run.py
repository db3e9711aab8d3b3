"""What guarding a LangChain agent costs: one run of two scripted model calls and one no-op tool.

    python benchmarks/langchain_run.py [--runs 400] [--json FILE]

Medians over interleaved runs, in microseconds, wall clock and CPU time, in one process: the bare agent; LangChain's own
HumanInTheLoopMiddleware and five PIIMiddlewares; the guard with a detector that finds nothing (journal in memory,
journal in SQLite, tools wrapped but no middleware); and the guard with the default detector.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, PIIMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool

from toolguard import Caller, Guard
from toolguard.keys import KeyRing, Purpose, SecretKey
from toolguard.testing import NoDetector
from toolguard_langchain import GuardMiddleware, guard_tools

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: bench, version: 1}
approvals: {default: {approvers: ["group:g"]}}
tools: {noop: {risk: low}}
"""
QUESTION = "Please look at bed 7 and tell me whether the discharge letter is ready."
LIBRARIES = ("langchain", "langchain-core", "langgraph", "pydantic")
PII_TYPES = ("email", "credit_card", "ip", "mac_address", "url")
Case = tuple[str, Callable[[int], None]]


@tool
def noop(patient_id: str, limit: int = 10) -> str:
    """Do nothing."""
    return "ok"


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


def cases(folder: Path) -> list[Case]:
    """(what, a function that makes n runs)."""
    caller = Caller.of("ana", agent="bench", tenant="general")
    keys = KeyRing([SecretKey.generate(Purpose.SEAL)])
    file = folder / "policy.yaml"
    file.write_text(POLICY, "utf-8")

    def runs(tools: list[Any], middleware: list[Any], guard: Guard | None = None) -> Callable[[int], None]:
        agent = create_agent(Scripted(), tools, middleware=middleware)

        def run(count: int) -> None:
            for _ in range(count):
                result = agent.invoke({"messages": [HumanMessage(QUESTION)]})
                assert [m.type for m in result["messages"]] == ["human", "ai", "tool", "ai"]
                assert result["messages"][2].content == "ok"

        if guard is None:
            return run
        session = guard.session(caller=caller)

        def guarded(count: int) -> None:
            with session:
                run(count)

        return guarded

    review = HumanInTheLoopMiddleware(interrupt_on={"another_tool": True})
    pii = [
        PIIMiddleware(kind, apply_to_input=True, apply_to_output=True, apply_to_tool_results=True) for kind in PII_TYPES
    ]
    made: list[Case] = [
        ("bare agent", runs([noop], [])),
        ("LangChain human in the loop", runs([noop], [review])),
        ("LangChain PII x5", runs([noop], pii)),
        ("LangChain human in the loop + PII x5", runs([noop], [review, *pii])),
    ]
    for what, parts, whole in (
        ("guarded tools only, journal in memory", {"detector": NoDetector()}, False),
        ("guarded, no masking, journal in memory", {"detector": NoDetector()}, True),
        (
            "guarded, no masking, journal in SQLite",
            {"detector": NoDetector(), "store": f"sqlite:///{folder}/t.db", "keys": keys},
            True,
        ),
        ("guarded, default detector, journal in memory", {}, True),
    ):
        guard = Guard(file, **parts)
        made.append((what, runs(guard_tools([noop], guard=guard), [GuardMiddleware(guard)] if whole else [], guard)))
    return made


def measure(runs: int = 400, batch: int = 5) -> list[dict[str, Any]]:
    """One row a case, medians over ``runs`` runs made in turns of ``batch``: ``wall_us``, ``cpu_us`` and, of each, what
    lies over the bare agent. CPU time is what a busy machine leaves comparable.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = cases(Path(folder))
        wall: dict[str, list[float]] = {what: [] for what, _ in made}
        cpu: dict[str, list[float]] = {what: [] for what, _ in made}
        for _, run in made:
            run(10)
        for turn in range(max(1, runs // batch)):
            for what, run in made if turn % 2 == 0 else reversed(made):
                for _ in range(batch):
                    began, worked = time.perf_counter(), time.process_time()
                    run(1)
                    cpu[what].append((time.process_time() - worked) * 1e6)
                    wall[what].append((time.perf_counter() - began) * 1e6)
    rows = [{"what": w, "wall_us": statistics.median(wall[w]), "cpu_us": statistics.median(cpu[w])} for w, _ in made]
    return [
        {**row, "wall_over": row["wall_us"] - rows[0]["wall_us"], "cpu_over": row["cpu_us"] - rows[0]["cpu_us"]}
        for row in rows
    ]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    rows = measure(options.runs)
    with_versions = {name: version(name) for name in LIBRARIES}
    print(
        "  ".join(f"{name} {number}" for name, number in with_versions.items()), f"python {platform.python_version()}"
    )
    print(f"{'2 model calls + 1 no-op tool':<48}{'wall µs':>10}{'over':>9}{'cpu µs':>10}{'over':>9}")
    for row in rows:
        print(
            f"{row['what']:<48}{row['wall_us']:>10.0f}{row['wall_over']:>+9.0f}{row['cpu_us']:>10.0f}{row['cpu_over']:>+9.0f}"
        )
    if options.json:
        options.json.write_text(json.dumps({"versions": with_versions, "rows": rows}, indent=1), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
