"""One peer's decision, timed in a process of its own: ``decision_peers.py PEER RULES CALLS`` → microseconds a call.

Each peer gets the same policy in its own language: RULES - 1 rules about other tools and one about the measured tool,
with one condition on a number, which is true of one call (checked: it must be refused) and false of the timed one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

ARGUMENTS = {"patient_id": "pat-7", "limit": 10}
REFUSED = {"patient_id": "pat-7", "limit": 501}


def noop(**arguments: Any) -> str:
    return "ok"


def agt(rules: int, calls: int) -> tuple[str, float]:
    """Microsoft's Agent Governance Toolkit: ``govern(function)``, with its in-memory audit log as it comes."""
    from agentmesh.governance import govern
    from agentmesh.governance.govern import GovernanceDenied

    listed = [
        {"name": f"other-{n}", "condition": f"action.type == 'other_{n}' and limit.value > {n}", "action": "deny"}
        for n in range(rules - 1)
    ]
    listed.append({"name": "own", "condition": "action.type == 'noop' and limit.value > 500", "action": "deny"})
    policy = {
        "apiVersion": "governance.toolkit/v1",
        "version": "1.0",
        "name": "bench",
        "agents": ["*"],
        "default_action": "allow",
        "rules": listed,
    }
    governed = govern(noop, policy=yaml.safe_dump(policy), agent_id="*")
    try:
        governed(action="noop", **REFUSED)
    except GovernanceDenied:
        pass
    else:
        raise SystemExit("AGT let the call through that its rule denies; the comparison would be worth nothing")
    governed(action="noop", **ARGUMENTS)
    started = time.perf_counter()
    for _ in range(calls):
        governed(action="noop", **ARGUMENTS)
    return version("agent-governance-toolkit-core"), (time.perf_counter() - started) / calls * 1e6


def veto(rules: int, calls: int) -> tuple[str, float]:
    """Veto: ``guard()``, local rules, no cloud and no logging."""
    from veto import Veto, VetoOptions

    def rule(name: str, tool: str, limit: int) -> dict[str, Any]:
        condition = {"field": "arguments.limit", "operator": "greater_than", "value": limit}
        return {
            "id": name,
            "name": name,
            "enabled": True,
            "severity": "high",
            "action": "block",
            "tools": [tool],
            "conditions": [condition],
        }

    listed = [rule(f"other-{n}", f"other_{n}", n) for n in range(rules - 1)] + [rule("own", "noop", 500)]

    async def measured(folder: Path) -> float:
        (folder / "rules").mkdir()
        (folder / "rules" / "bench.yaml").write_text(yaml.safe_dump({"version": "1.0", "name": "b", "rules": listed}))
        guard = await Veto.init(VetoOptions(config_dir=str(folder), validation_mode="local", log_level="silent"))
        if (await guard.guard("noop", REFUSED)).decision != "deny":
            raise SystemExit("Veto let the call through that its rule denies; the comparison would be worth nothing")
        await guard.guard("noop", ARGUMENTS)
        started = time.perf_counter()
        for _ in range(calls):
            await guard.guard("noop", ARGUMENTS)
        return (time.perf_counter() - started) / calls * 1e6

    with tempfile.TemporaryDirectory() as name:
        return version("veto"), asyncio.run(measured(Path(name)))


PEERS: dict[str, Callable[[int, int], tuple[str, float]]] = {"AGT govern()": agt, "Veto guard()": veto}


def main() -> None:
    peer, rules, calls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    release, spent = PEERS[peer](rules, calls)
    print(json.dumps({"version": release, "microseconds": spent}))


if __name__ == "__main__":
    main()
