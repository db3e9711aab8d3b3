"""OpenAI Agents' own approvals, in a process of their own: cases on standard input, times on standard output.

Run by ``benchmarks/frameworks.py`` with an interpreter that has ``openai-agents``. The first line it writes says versions
and cases; for each line ``CASE RUNS`` it makes so many runs and answers with wall and CPU time of each, in µs.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import version
from typing import Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage, function_tool
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

QUESTION = "Please look at bed 7 and tell me whether the discharge letter is ready."
CALL = {"patient_id": "pat-7", "limit": 10}


def noop(patient_id: str, limit: int = 10) -> str:
    """Do nothing."""
    return "ok"


class Scripted(Model):
    """Calls the tool, then answers."""

    async def get_response(self, system_instructions: Any, input: Any, *args: Any, **kwargs: Any) -> ModelResponse:
        answered = isinstance(input, list) and input[-1].get("type") == "function_call_output"
        call = ResponseFunctionToolCall(
            arguments=json.dumps(CALL),
            call_id="call_1",
            name="noop",
            type="function_call",
            id="fc_1",
            status="completed",
        )
        said = ResponseOutputText(text="The letter is ready.", type="output_text", annotations=[])
        text = ResponseOutputMessage(id="m", content=[said], role="assistant", status="completed", type="message")
        return ModelResponse(output=[text if answered else call], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError("no run here streams")


async def _only_large(context: object, arguments: dict[str, Any], call_id: str) -> bool:
    return bool(arguments["limit"] > 500)


def _case(approval: Any) -> Callable[[], Awaitable[None]]:
    agent = Agent(name="bench", model=Scripted(), tools=[function_tool(noop, needs_approval=approval)])
    config = RunConfig(tracing_disabled=True)

    async def run() -> None:
        result = await Runner.run(agent, QUESTION, run_config=config)
        if approval is True:
            state = result.to_state()
            (asked,) = result.interruptions
            state.approve(asked)
            result = await Runner.run(agent, state, run_config=config)
        outputs = [i.output for i in result.new_items if i.type == "tool_call_output_item"]
        if outputs != ["ok"] or result.final_output != "The letter is ready.":
            raise SystemExit("the run did not go as scripted; its time would mean nothing")

    return run


CASES: dict[str, Callable[[], Awaitable[None]]] = {
    "bare agent": _case(False),
    "approval asked of each call by a function, not needed": _case(_only_large),
    "approval needed and given, run resumed": _case(True),
}


async def main() -> None:
    print(json.dumps({"versions": {"openai-agents": version("openai-agents")}, "cases": list(CASES)}), flush=True)
    for line in iter(sys.stdin.readline, ""):
        name, runs = json.loads(line)
        times = []
        for _ in range(runs):
            began, worked = time.perf_counter(), time.process_time()
            await CASES[name]()
            times.append(((time.perf_counter() - began) * 1e6, (time.process_time() - worked) * 1e6))
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
