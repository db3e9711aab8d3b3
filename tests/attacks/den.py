"""A ward under one policy, for attackers: any functions as tools, one store and one clock for all its guards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from history.conftest import NumberDetector
from toolguard import Caller, DeniedError, Guard, Session, Suspended
from toolguard.errors import InvalidatedError, ResultWithheldError, ToolFailedError
from toolguard.testing import FakeClock
from toolguard.testing.desk import Desk

HEAD = {
    "apiVersion": "toolguard/v1",
    "kind": "ToolPolicy",
    "metadata": {"name": "den", "version": 1},
    "approvals": {"default": {"approvers": ["group:privacy-office"], "expires": "1h"}},
    "defaults": {"by_risk": {"low": "allow", "medium": "allow", "high": "allow", "critical": "allow"}},
}


def rule(effect: str, match: Mapping[str, Any], id: str = "r", **more: Any) -> dict[str, Any]:
    return {"id": id, "because": "B.", "effect": effect, "match": match, **more}


class Den:
    """``real``: on the machine's own clock, for what waits."""

    def __init__(self, folder: Path, store: Any = "memory:", *, real: bool = False) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.desk = Desk(folder, clock=None if real else self.clock, store=store)

    def write(
        self, tools: Mapping[str, Any], *rules: Mapping[str, Any], name: str = "policy.yaml", **head: Any
    ) -> Path:
        path = self.folder / name
        path.write_text(json.dumps({**HEAD, "tools": tools, "rules": rules, **head}), "utf-8")
        return path

    def guard(self, tools: Mapping[str, Any], *rules: Mapping[str, Any], parts: Any = None, **head: Any) -> Guard:
        return self.desk.guard(self.write(tools, *rules, **head), **{"detector": NumberDetector(), **(parts or {})})


def person(who: str = "ana", **more: Any) -> Caller:
    return Caller.of(who, **{"agent": "ward-agent", "tenant": "general", **more})


async def cut_off(call: Coroutine[Any, Any, Any], runs: asyncio.Event) -> None:
    """Make ``call``, and go away as soon as its tool runs, which sets ``runs``."""
    task, running = asyncio.ensure_future(call), asyncio.ensure_future(runs.wait())
    await asyncio.wait([task, running], return_when=asyncio.FIRST_COMPLETED)
    running.cancel()
    task.cancel()
    await task


def outcome(session: Session, tool: Any, /, **arguments: Any) -> str:
    """What becomes of one call, in a word."""
    try:
        session.call(tool, arguments)
    except DeniedError:
        return "denied"
    except Suspended:
        return "asked"
    except ResultWithheldError:
        return "withheld"
    except InvalidatedError:
        return "invalidated"
    except ToolFailedError:
        return "failed"
    return "ran"
