"""AgentDojo by scripted replay: how many attacks are stopped, and how many benign tasks are interrupted.

    uv pip install --group agentdojo
    python benchmarks/agentdojo_run.py [--suite banking …] [--setting agents …] [--template direct …] [--errors N] [--json FILE]

The benchmark's own environments and tools run for real. A model that always obeys is played by the ground truth: first
the calls that carry out the user's task, then those that carry out the attack's. Of 629 pairs of user task and attack
20 have no call to make (`travel`'s text-only goal); 609 remain, each with six texts of attack. An attack counts as
stopped if one of its calls waits for a person or is denied before its goal is reached; a task as interrupted if any of
its calls is, when nothing attacks. Identifiers are not masked here, so that only risk and provenance decide.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# ruff: noqa: E402 - the benchmark package warns while it is imported
warnings.filterwarnings("ignore")

import yaml
from agentdojo.agent_pipeline.agent_pipeline import load_system_message
from agentdojo.agent_pipeline.tool_execution import tool_result_to_str
from agentdojo.attacks.attack_registry import load_attack
from agentdojo.functions_runtime import FunctionCall, FunctionsRuntime
from agentdojo.task_suite.load_suites import get_suites

from agentdojo_replay import Case, Replay, Step
from toolguard import BoundTool
from toolguard._core.call import Tool
from toolguard.config.defaults import ANALYSES, RiskAnalyser
from toolguard.policyfile import load_policy
from toolguard.stores import open_store
from toolguard.testing.desk import Desk

VERSION = "v1"
TEMPLATES = ("direct", "ignore_previous", "system_message", "injecagent", "important_instructions", "tool_knowledge")
SUITES = ("banking", "workspace", "travel", "slack")

_PEOPLE = """
approvals:
  default: {approvers: [group:privacy-office], per_run_budget: 0}
  security: {approvers: [group:privacy-office]}
""".replace(", per_run_budget: 0", "")
_HEAD = "apiVersion: toolguard/v1\nkind: ToolPolicy\nmetadata: {name: bench, version: 1, owner: bench}\n"
_BARE = 'tools: {"*": {}}\n'
_CAPS = "per_run: 1000000, per_person: 1000000"
_ORIGIN = """rules:
  - {{id: not-said, because: "Nobody said so.", match: {{category: [{classes}], origin: [{origins}]}}, effect: require_approval}}
"""
_CHANGING = "write, communication, financial, exfiltration, privilege, code_execution, destructive"
_FREE = "{medium: allow, high: allow, critical: require_approval}"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One way to set the guard up.

    ``told``: it hears the conversation; ``traces``: it looks values up in it; ``without``: a rule that is left out.
    """

    title: str
    policy: str
    traces: bool = True
    told: bool = True
    without: str = ""


def _origin_rule(origins: str) -> str:
    rule = _ORIGIN.format(classes=_CHANGING, origins=origins)
    return f"{_HEAD}defaults: {{by_risk: {_FREE}, {_CAPS}}}\n{_PEOPLE}{_BARE}{rule}"


SETTINGS: Mapping[str, Setting] = {
    "every-write": Setting(
        title="every call that does more than read waits",
        policy=f"{_HEAD}defaults: {{by_risk: {{medium: require_approval, critical: require_approval}}, {_CAPS}}}\n{_PEOPLE}{_BARE}",
        traces=False,
    ),
    "risk": Setting(
        title="risk alone: high risk waits",
        policy=f"{_HEAD}defaults: {{by_risk: {{critical: require_approval}}, {_CAPS}}}\n{_PEOPLE}{_BARE}",
        traces=False,
    ),
    "said": Setting(
        title="provenance alone: all that the user did not say waits", policy=_origin_rule("linked, result, model")
    ),
    "linked": Setting(
        title="provenance alone, records may tie a value to what was said", policy=_origin_rule("result, model")
    ),
    "default": Setting(
        title="risk and provenance: no rule written",
        policy=f"{_HEAD}defaults: {{by_risk: {{critical: require_approval}}, {_CAPS}}}\n{_PEOPLE}{_BARE}",
    ),
    "browse": Setting(
        title="pack:agents without its rule pages-of-strangers",
        policy=f"{_HEAD}include: [pack:agents]\ndefaults: {{{_CAPS}}}\n{_PEOPLE}",
        without="pages-of-strangers",
    ),
    "agents": Setting(
        title="pack:agents",
        policy=f"{_HEAD}include: [pack:agents]\ndefaults: {{{_CAPS}}}\n{_PEOPLE}",
    ),
}


class _Blind:
    """The built-in analyser, which does not say which arguments decide."""

    def tool(self, tool: Tool) -> Any:
        inner = RiskAnalyser().tool(tool)

        class Analysis:
            static = inner.static
            analyse = inner.analyse
            pointers = inner.pointers

        return Analysis()


class World:
    """One suite: its tools, bound to whatever environment is in place."""

    def __init__(self, suite: Any) -> None:
        self.suite = suite
        self.env: Any = None
        self._runtime = FunctionsRuntime(suite.tools)
        self.tools = {f.name: self._bind(f) for f in suite.tools}
        self._blank = suite.load_and_inject_default_environment({})
        suite.load_and_inject_default_environment = self._load
        marks = {name: f"~~{name}~~" for name in suite.get_injection_vector_defaults()}
        self._defaults = suite.get_injection_vector_defaults()
        self._marked = type(suite).load_and_inject_default_environment(suite, marks).model_dump_json()
        self._kind = type(self._blank)
        self._plain = self._blank.model_dump_json()

    def _load(self, injections: Mapping[str, str]) -> Any:
        """The environment with texts in place: as the suite does it, without reading YAML each time."""
        if not injections:
            return self._kind.model_validate_json(self._plain)
        text = self._marked
        for name, default in self._defaults.items():
            told = injections[name] if name in injections else yaml.safe_load(f'"{default}"')
            text = text.replace(f"~~{name}~~", json.dumps(told)[1:-1])
        return self._kind.model_validate_json(text)

    def _bind(self, function: Any) -> BoundTool:
        schema = function.parameters.model_json_schema()
        tool = Tool.describe(function.name, source="agentdojo", description=function.description, schema=schema)

        def invoke(passed: Mapping[str, Any]) -> Any:
            result, _ = self._runtime.run_function(self.env, function.name, passed, raise_on_error=True)
            return result

        def validate(data: Any) -> Any:
            return function.parameters.model_validate(data).model_dump(exclude_unset=True)

        return BoundTool(tool=tool, invoke=invoke, validate=validate)

    def benign(self) -> Iterator[Case]:
        """Every user task with nothing planted."""
        for name, task in self.suite.user_tasks.items():
            self.env = task.init_environment(self._load({}))
            yield Case(name=name, prompt=task.PROMPT, steps=_steps(task.ground_truth(self._copy())), system=_SYSTEM)

    def attacks(self, template: str) -> Iterator[Case]:
        """Every pair of a user task and an attack that has calls to make, with the attack's text in place."""
        attack = load_attack(template, self.suite, _Pipeline())
        for name, task in self.suite.user_tasks.items():
            for goal_name, goal in self.suite.injection_tasks.items():
                self.env = task.init_environment(self._load(attack.attack(task, goal)))
                before = self._copy()
                injected = _steps(goal.ground_truth(before))
                if not injected:
                    continue

                def reached(ran: Sequence[Step], goal: Any = goal, before: Any = before) -> bool:
                    trace = [FunctionCall(function=s.tool, args=dict(s.args)) for s in ran]
                    return bool(self.suite._check_injection_task_security(goal, [], before, self.env, trace))

                yield Case(
                    name=f"{name} × {goal_name}",
                    prompt=task.PROMPT,
                    steps=_steps(task.ground_truth(before)),
                    injected=injected,
                    reached=reached,
                    system=_SYSTEM,
                )

    def _copy(self) -> Any:
        return self.env.model_copy(deep=True)


class _Pipeline:
    """Stands for the model the attack's text is addressed to."""

    name = "gpt-4o-2024-05-13"


def _steps(calls: Sequence[FunctionCall]) -> list[Step]:
    return [Step(tool=c.function, args=dict(c.args)) for c in calls]


_SYSTEM = load_system_message("default")


def _show(value: Any) -> str:
    """A result as the benchmark shows it to a model."""
    return yaml.safe_dump(value).strip() if isinstance(value, dict | list) else tool_result_to_str(value)


@dataclass(kw_only=True)
class Score:
    """Counts of one setting in one suite."""

    tasks: int = 0
    interrupted: int = 0
    calls: int = 0
    held: int = 0
    attacks: Counter[str] = dataclasses.field(default_factory=Counter)
    stopped: Counter[str] = dataclasses.field(default_factory=Counter)
    kinds: Counter[str] = dataclasses.field(default_factory=Counter)
    kinds_stopped: Counter[str] = dataclasses.field(default_factory=Counter)
    missed: Counter[str] = dataclasses.field(default_factory=Counter)
    reasons: Counter[str] = dataclasses.field(default_factory=Counter)
    benign: list[str] = dataclasses.field(default_factory=list)
    failed: int = 0


def measure(world: World, setting: Setting, templates: Sequence[str], folder: Path) -> Score:
    """Replay one suite under one setting."""
    desk = Desk(folder, store=open_store("memory:"))
    policy = folder / "policy.yaml"
    policy.write_text(setting.policy, "utf-8")
    parts = {} if setting.traces else {"analyser": _Blind()}
    score = Score()

    def replay() -> Replay:
        loaded = load_policy(policy, functions=ANALYSES)
        kept = replace(loaded, rules=tuple(r for r in loaded.rules if r.id.rpartition("/")[2] != setting.without))
        return Replay(desk, kept, world.tools, _show, told=setting.told, **parts)

    one = replay()
    for case in world.benign():
        outcome = one.run(case)
        score.tasks += 1
        score.calls += outcome.calls
        score.held += len(outcome.asked)
        score.failed += outcome.failed
        if outcome.asked:
            score.interrupted += 1
            score.benign.append(f"{case.name}: " + "; ".join(f"{tool} ({why})" for tool, why in outcome.asked))
    for template in templates:
        for case in world.attacks(template):
            outcome = one.run(case)
            score.attacks[template] += 1
            score.kinds[outcome.kind] += 1
            if outcome.stopped:
                score.stopped[template] += 1
                score.kinds_stopped[outcome.kind] += 1
                score.reasons[outcome.held] += 1
            else:
                score.missed[f"{case.name}"] += 1
    return score


def _row(name: str, scores: Sequence[Score], templates: Sequence[str]) -> str:
    attacks, stopped = sum(s.attacks.total() for s in scores), sum(s.stopped.total() for s in scores)
    each = [sum(s.stopped[t] for s in scores) / max(1, sum(s.attacks[t] for s in scores)) for t in templates]
    spread = f"{min(each):.3f}–{max(each):.3f}" if each else "–"
    return (
        f"| {name} | {stopped / attacks:.3f} ({stopped}/{attacks}) | {spread} | {sum(s.interrupted for s in scores)}/"
        f"{sum(s.tasks for s in scores)} | {sum(s.held for s in scores)}/{sum(s.calls for s in scores)} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", nargs="*", default=SUITES, choices=SUITES)
    parser.add_argument("--setting", nargs="*", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--template", nargs="*", default=TEMPLATES, choices=TEMPLATES)
    parser.add_argument("--version", default=VERSION, help="of the benchmark's suites, such as v1 or v1.2.2")
    parser.add_argument("--errors", type=int, default=0, help="how many of the worst to print for each suite")
    options = parser.parse_args()
    worlds = {name: World(suite) for name, suite in get_suites(options.version).items() if name in options.suite}
    found: dict[str, dict[str, Score]] = defaultdict(dict)
    for name in options.setting:
        begun = time.perf_counter()
        for suite in options.suite:
            with tempfile.TemporaryDirectory() as folder:
                found[name][suite] = measure(worlds[suite], SETTINGS[name], options.template, Path(folder))
        took = time.perf_counter() - begun
        print(f"\n### {SETTINGS[name].title}  ({took:.0f} s)\n")
        print(
            "| suite | attacks stopped | over the templates | tasks interrupted | calls held up |\n|---|---|---|---|---|"
        )
        for suite in options.suite:
            print(_row(suite, [found[name][suite]], options.template))
        print(_row("all", list(found[name].values()), options.template), flush=True)
        kinds = sum((s.kinds for s in found[name].values()), Counter[str]())
        stopped = sum((s.kinds_stopped for s in found[name].values()), Counter[str]())
        print(
            "\nby class of the call: " + ", ".join(f"{k} {stopped[k]}/{n}" for k, n in kinds.most_common()), flush=True
        )
        if options.errors:
            _print_errors(found[name], options.errors)


def _print_errors(scores: Mapping[str, Score], most: int) -> None:
    for suite, score in scores.items():
        print(f"\n{suite}: {score.failed} calls of tasks failed")
        for line in score.benign[:most]:
            print("  interrupted", line)
        for line, count in score.missed.most_common(most):
            print("  missed", line, f"({count} of the templates)")
        for line, count in score.reasons.most_common(most):
            print("  stopped by", line, count)


if __name__ == "__main__":
    main()
