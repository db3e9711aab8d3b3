"""Calls with their arguments, judged under a policy and the one before it, without running anything."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ConfigDict, ValidationError

from toolguard._core.call import Tool
from toolguard._core.policy import Policy
from toolguard.errors import ConfigError
from toolguard.policytools.judging import Answer, Call, Judge
from toolguard.policytools.spec import CallModel

__all__ = ["Simulated", "read_calls", "simulate"]


class LineModel(CallModel):
    """A line of a file of calls. What else the line says (an id, a time stamp) is left alone."""

    model_config = ConfigDict(extra="ignore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One call: where it stands, what is answered, and what was before (None: nobody asked)."""

    line: int
    tool: str
    after: Answer = field(repr=False)
    before: Answer | None = field(default=None, repr=False)

    @property
    def changed(self) -> bool:
        return self.before is not None and (self.before.effect, set(self.before.approvals)) != (
            self.after.effect,
            set(self.after.approvals),
        )


def read_calls(file: str, tools: Iterable[Tool] = ()) -> Iterator[tuple[int, Call]]:
    """The calls of a file of JSON lines ``{tool, args, caller, environment, at, …}``, with their line numbers.

    A tool of which a line says only the name is looked up in ``tools``.

    Raises:
        ConfigError: it cannot be read, or a line does not fit; no value of a line is in the message.
    """
    try:
        text = Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"cannot read the calls in {file!r} ({type(fault).__name__}); check the path") from None
    known = {tool.name: tool for tool in tools}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, _call(line, f"{file}:{number}", known)


def _call(line: str, where: str, tools: Mapping[str, Tool]) -> Call:
    try:
        return LineModel.model_validate(json.loads(line)).call(tools)
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"][:2])) or "the line"
        raise ConfigError(
            f"{where}: {place!r} does not fit ({first['type']}); a call is {{tool, args, caller, …}}"
        ) from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{where}: is not JSON; write one object a line") from None


def simulate(calls: Iterable[tuple[int, Call]], policy: Policy, *, before: Policy | None = None) -> Iterator[Simulated]:
    """Each call under ``policy``, and under the one ``before`` it if it is given."""
    with Judge(policy) as judge, nullcontext() if before is None else Judge(before) as earlier:
        for line, call in calls:
            yield Simulated(
                line=line,
                tool=call.tool.name,
                after=judge.judge(call),
                before=None if earlier is None else earlier.judge(call),
            )
