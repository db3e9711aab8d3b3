"""What lint looks at: a policy as it is written and as it was loaded, its tools and its people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from toolguard._core.call import Tool
from toolguard._core.policy import Policy, Rule
from toolguard.directory import FileDirectory
from toolguard.policyfile.cel import CelCondition
from toolguard.policyfile.document import At, Document
from toolguard.policyfile.models import RuleModel
from toolguard.policyfile.shape import Parts
from toolguard.policytools.remark import Remark

__all__ = ["Linted", "Written"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A rule of the file itself: where it stands, as it is written, as it was built."""

    at: At
    model: RuleModel
    rule: Rule

    @property
    def condition(self) -> CelCondition | None:
        return self.rule.when if isinstance(self.rule.when, CelCondition) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Linted:
    """A policy to look at. ``parts`` are the file's own; ``policy`` has those of its packs, too."""

    document: Document
    parts: Parts
    policy: Policy
    tools: tuple[Tool, ...] = ()
    directory: FileDirectory | None = None
    now: float = 0.0

    def rules(self) -> Iterator[Written]:
        """The rules of the file itself."""
        built = {r.id: r for r in self.policy.rules}
        for index, model in self.parts.rules:
            yield Written(at=("rules", index), model=model, rule=built[model.id])

    def concerned(self, rule: Rule) -> tuple[Tool, ...]:
        """The tools a rule can match by name."""
        return tuple(t for t in self.tools if rule.concerns(t))

    def remark(self, code: str, at: At, message: str, *, key: bool = False, offset: int | None = None) -> Remark:
        """A remark at a place in the document; its rule or entry begins two steps down."""
        problem = self.document.problem(at, message, key=key, offset=offset)
        first, _ = self.document.position(at[:2], key=at[:1] != ("rules",))
        return Remark(
            file=problem.file,
            line=problem.line,
            column=problem.column,
            code=code,
            message=message,
            path=problem.path,
            first=first,
        )
