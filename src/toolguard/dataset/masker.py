"""One record in, the same record without identifiers out. Nothing is remembered from record to record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from toolguard._core.call import Json
from toolguard._core.mask import Finding, Path, apply_findings, checked, leaf_text
from toolguard._core.operators import Operator, apply
from toolguard._core.vault import canonical_form
from toolguard.dataset.plan import Plan, steps
from toolguard.keys import operator_keys
from toolguard.ports import Origin

__all__ = ["Masker", "Record"]

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A masked record. ``findings`` point into the original; ``replace`` says what took a finding's place."""

    value: Json
    findings: tuple[Finding, ...]
    replace: Callable[[Finding, str], str]


class Masker:
    """Masks records by one plan. Each is looked into by itself, so neither their order nor their number matters."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._detector = plan.detector()
        self._session = self._detector.session()
        self._keys = operator_keys(plan.key, "dataset", year=plan.year)
        self._schema = plan.schema()
        self._fhir_schema = replace(plan, subjects=()).schema()
        self._subjects = [steps(column) for column in plan.subjects]
        self._hidden = [steps(column) for column in plan.subjects if column not in plan.keep]
        self._operators: dict[str, Operator] = {}
        self._seen: dict[tuple[str, str], str] = {}

    @property
    def version(self) -> str:
        """The detector's name and version."""
        return self._detector.version

    def renew(self) -> None:
        """Forget the texts seen: at the beginning of each chunk, so that memory stays flat."""
        self._session = self._detector.session()

    def record(self, value: Json, *, schema: Mapping[str, Json] | None = None) -> Record:
        """``value`` masked.

        Raises:
            DetectionError: it cannot be looked into, and must be withheld.
        """
        findings, put_for = self.found(value, schema=schema)
        return Record(
            value=apply_findings(value, findings, put_for) if findings else value, findings=findings, replace=put_for
        )

    def found(
        self, value: Json, *, schema: Mapping[str, Json] | None = None
    ) -> tuple[tuple[Finding, ...], Callable[[Finding, str], str]]:
        """The identifiers of ``value``, and what is to take their place."""
        fhir = isinstance(value, Mapping) and "resourceType" in value  # it says itself what of a reference is an id
        given = schema or (self._fhir_schema if fhir else self._schema)
        findings = self._session.inspect(value, origin=Origin.RESULT, schema=given)
        findings = checked(value, [*findings, *self._subject_findings(value, findings)])
        return findings, self._replacing(value, findings)

    def number(self, type: str, text: str) -> str:
        """What takes the place of ``text``, an identifier of ``type``, where only a number can stand.

        A pseudonym is letters, so numbers are encrypted into numbers; the first digit is not 0, which would be lost.
        """
        operator = self.plan.operator(type)
        if operator in (Operator.TOKEN, Operator.PSEUDONYM, Operator.SURROGATE):
            operator = Operator.FPE
        new = apply(operator, type, text, keys=self._keys)
        while operator is Operator.FPE and new.startswith("0") and new.strip("0"):
            new = apply(operator, type, new, keys=self._keys)
        return new

    def subject(self, value: Json) -> str:
        """Whose record it is; ``""`` if it does not say."""
        for path in self._subjects:
            found = _reached(value, path)
            if found:
                text = found[1].strip().removeprefix("urn:uuid:")
                text = text.rpartition("/")[2] if "Patient/" in text else text
                if text:
                    return text
        return ""

    def _subject_findings(self, value: Json, findings: Iterable[Finding]) -> list[Finding]:
        """The columns that name a subject are identifiers, whatever they look like."""
        have = {f.path for f in findings if not f.key}
        reached = [found for path in self._hidden if (found := _reached(value, path))]
        return [
            Finding(path=path, start=0, end=len(text), type="ID", source="subject")
            for path, text in reached
            if path not in have
        ]

    def _replacing(self, value: Json, findings: tuple[Finding, ...]) -> Callable[[Finding, str], str]:
        subject = self.subject(value)
        names = _full_names(leaf_text(value, f) for f in findings if f.type == "PERSON")

        def put_for(finding: Finding, text: str) -> str:
            if finding.type == "PERSON":
                text = names[canonical_form("PERSON", text)]
            return self._one(finding.type, text, subject)

        return put_for

    def _one(self, type: str, text: str, subject: str) -> str:
        operator = self._operators.get(type)
        if operator is None:
            operator = self._operators[type] = self.plan.operator(type)
        if operator is Operator.DATE_SHIFT:
            if not subject:
                operator = Operator.YEAR  # whose date it is, nobody knows: no two could be told apart or put together
            elif type == "DATE_OF_BIRTH":
                year = apply(Operator.YEAR, type, text, keys=self._keys)
                if year.endswith("before"):
                    return year  # a date of birth, moved or not, tells who is older than 89
            return apply(operator, type, text, keys=self._keys, subject=subject)
        known = self._seen.get((type, text))
        if known is None:
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            known = self._seen[type, text] = apply(operator, type, text, keys=self._keys, subject=subject)
        return known


def _reached(value: Json, steps: list[str]) -> tuple[Path, str] | None:
    """The leaf at the end of ``steps``, as path and text; None where there is none, or an empty one."""
    path: list[str | int] = []
    for step in steps:
        if isinstance(value, Mapping) and step in value:
            path.append(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            path.append(int(step))
        else:
            return None
        value = value[path[-1]]
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return (tuple(path), text) if text else None


def _full_names(names: Iterable[str]) -> dict[str, str]:
    """Each name → the only longest one of the same record that it is a part of: one person, one pseudonym."""
    forms: dict[str, str] = {}
    for name in names:
        forms.setdefault(canonical_form("PERSON", name), name)
    holding: dict[str, list[str]] = {}
    for form in forms:
        for word in set(form.split()):
            holding.setdefault(word, []).append(form)
    out: dict[str, str] = {}
    for form, name in forms.items():
        around = holding.get(form.partition(" ")[0], ())
        longer = [other for other in around if other != form and f" {form} " in f" {other} "]
        widest = max(longer, key=len, default="")
        if longer and all(f" {other} " in f" {widest} " for other in longer):
            out[form] = forms[widest]
        else:
            out[form] = name
    return out
