"""Load a policy: bytes in, a whole `Policy` out, or one error that names every fault."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from toolguard._core.policy import ApproverRule, Defaults, Effect, Mode, Policy, Rule
from toolguard.errors import PolicyError
from toolguard.policyfile.build import (
    Built,
    Source,
    approver_rule,
    build_rules,
    build_tools,
    check_approvals,
    choose_default_approval,
    effect_of,
    merge_defaults,
)
from toolguard.policyfile.cel import CelEngine
from toolguard.policyfile.cel_functions import Analysis
from toolguard.policyfile.document import MAX_BYTES, read_document
from toolguard.policyfile.faults import Problem, did_you_mean, refuse
from toolguard.policyfile.masking import build_masking, check_masking, declared_types
from toolguard.policyfile.packs import pack_names, read_pack
from toolguard.policyfile.shape import Parts, check_shape

__all__ = ["load_policy"]


def load_policy(
    source: Path | str | bytes,
    *,
    name: str | None = None,
    functions: Mapping[str, Analysis] | None = None,
    packs: Callable[[str], bytes] = read_pack,
) -> Policy:
    """The policy in ``source``.

    Args:
        source: a path, or the YAML itself as text or bytes.
        name: what to call the file in errors; the path by default.
        functions: analyses for conditions, by name (``sql``, ``shell``, ``url``, ``fhir``): text in, facts out.
        packs: the bytes of a pack by name; raises KeyError where there is none.

    Raises:
        PolicyError: ``problems`` holds every fault with its line and column; nothing was loaded.
    """
    raw, file = _read(source, name)
    built = Built()
    main = _source(raw, file, "", built.problems)
    included = _included(main, packs, built.problems)
    everything = [main, *(s for s, _ in included)]
    head = main.parts.head
    approvals = _approvals(everything, built.problems)
    known = set(approvals).union(*(s.parts.approval_names for s in everything))
    default = choose_default_approval(main, everything[1:], known)
    on_error = effect_of(head.on_error) if head is not None else Effect.REQUIRE_APPROVAL
    engine = CelEngine(functions)
    for each in everything:
        built.problems.extend(check_approvals(each))
        built.tools.extend(build_tools(each))
        built.rules.extend(build_rules(each, engine, known, on_error, built.problems))
    declared = frozenset[str]().union(*(declared_types(each.parts.masking) for each in everything))
    for each in everything:
        built.problems.extend(check_masking(each.parts.masking, each.document, declared))
    defaults = merge_defaults(everything)
    if isinstance(main.document.data, dict) and not any(p.path.startswith(_SETTLED) for p in built.problems):
        built.problems.extend(_check_default_approval(main, defaults, built.rules, known, default))
    if built.problems or head is None:
        raise refuse(file, built.problems)
    return Policy(
        id=head.metadata.name,
        version=head.metadata.version,
        sha256=_sha256(raw, [(n, b) for _, (n, b) in included]),
        owner=head.metadata.owner,
        mode=Mode(head.mode),
        defaults=replace(defaults, approval=default or "default"),
        approvals=approvals,
        tools=tuple(built.tools),
        rules=tuple(built.rules),
        masking=build_masking(each.parts.masking for each in everything),
        packs=tuple(
            f"{name}@{pack.parts.head.metadata.version}" for pack, (name, _) in included if pack.parts.head is not None
        ),
    )


def _read(source: Path | str | bytes, name: str | None) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        return source, name or "<policy>"
    if isinstance(source, str):
        return source.encode(), name or "<policy>"
    try:
        with source.open("rb") as handle:
            return handle.read(MAX_BYTES + 1), name or str(source)
    except OSError as failure:
        reason = failure.strerror or type(failure).__name__
        raise PolicyError(
            f"policy file {str(source)!r} cannot be read ({reason}); check the path and its permissions"
        ) from None


def _source(raw: bytes, file: str, prefix: str, problems: list[Problem]) -> Source:
    document = read_document(raw, file)
    problems.extend(document.problems)
    parts = Parts()
    if document.data is not None or not document.problems:
        parts, found = check_shape(document)
        problems.extend(found)
    return Source(document=document, parts=parts, prefix=prefix)


def _included(
    main: Source, packs: Callable[[str], bytes], problems: list[Problem]
) -> list[tuple[Source, tuple[str, bytes]]]:
    wanted = main.document.data.get("include", []) if isinstance(main.document.data, dict) else []
    if main.parts.head is None:
        return []
    found: list[tuple[Source, tuple[str, bytes]]] = []
    for index, reference in enumerate(main.parts.head.include):
        at = ("include", index) if isinstance(wanted, list) else ("include",)
        name, _, wanted_version = reference.removeprefix("pack:").partition("@")
        if any(n == name for _, (n, _) in found):
            problems.append(main.document.problem(at, f"pack {name!r} is included twice; remove one"))
            continue
        try:
            raw = packs(name)
        except KeyError:
            problems.append(main.document.problem(at, f"there is no pack {name!r}; {did_you_mean(name, pack_names())}"))
            continue
        pack = _source(raw, f"pack:{name}", f"{name}/", problems)
        if wanted_version and pack.parts.head is not None:
            version = pack.parts.head.metadata.version
            if not (version + ".").startswith(wanted_version + "."):
                message = (
                    f"pack {name!r} is version {version}, and {wanted_version} is asked for; read what changed in it, "
                    f"then write pack:{name}@{version.partition('.')[0]}"
                )
                problems.append(main.document.problem(at, message))
        if pack.parts.head is not None and pack.parts.head.include:
            problems.append(
                pack.document.problem(("include",), "a pack cannot include packs; include both from the policy")
            )
        found.append((pack, (name, raw)))
    return found


def _approvals(sources: Iterable[Source], problems: list[Problem]) -> dict[str, ApproverRule]:
    """Every approval by name. The including file comes first: it names the real people, so it wins over packs."""
    found: dict[str, ApproverRule] = {}
    owner: dict[str, Source] = {}
    for source in sources:
        for name, model in source.parts.approvals.items():
            if name not in found:
                found[name], owner[name] = approver_rule(name, model), source
            elif owner[name].prefix and approver_rule(name, model) != found[name]:
                message = f"two packs define approval {name!r} differently; define it in the policy itself"
                problems.append(source.document.problem(("approvals", name), message, key=True))
    return found


def _check_default_approval(
    main: Source,
    defaults: Defaults,
    rules: Iterable[Rule],
    approvals: set[str],
    default: str | None,
) -> list[Problem]:
    """A default approval is needed wherever something asks for one without naming it."""
    document = main.document
    if default is not None:
        if default in approvals:
            return []
        message = f"no approval is called {default!r}; {did_you_mean(default, approvals)}"
        return [document.problem(("defaults", "approval"), message)]
    mend = "define approvals.default, or name one with defaults.approval"
    found: list[Problem] = []
    asking = [level.label for level, effect in defaults.by_risk.items() if effect is Effect.REQUIRE_APPROVAL]
    if asking:
        message = f"{', '.join(asking)} risk requires approval, but no approval is the default; {mend}"
        found.append(document.problem(("defaults", "by_risk", asking[0]), message))
    if defaults.unknown_tool is Effect.REQUIRE_APPROVAL:
        message = f"unknown tools require approval, but no approval is the default; {mend}"
        found.append(document.problem(("defaults", "unknown_tool"), message))
    for index, model in main.parts.rules:
        if model.effect == "require_approval" and model.approval is None:
            message = f"requires approval but names none, and no approval is the default; add 'approval:', or {mend}"
            found.append(document.problem(("rules", index, "effect"), message))
    erring = [r for r in rules if r.when is not None and r.approval is None and r.on_error is Effect.REQUIRE_APPROVAL]
    if not found and any(r.effect < Effect.REQUIRE_APPROVAL or r.id.count("/") for r in erring):
        message = f"a rule that cannot be evaluated requires approval, but no approval is the default; {mend}"
        found.append(document.problem(("on_error",), message))
    return found


_SETTLED = ("defaults", "include", "approvals")
"""What must be free of faults before a missing default approval means anything."""


def _sha256(raw: bytes, packs: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 of the file's bytes; with packs, of the file's and every pack's digest."""
    own = hashlib.sha256(raw).hexdigest()
    lines = [f"pack:{name} {hashlib.sha256(body).hexdigest()}" for name, body in sorted(packs)]
    if not lines:
        return own
    return hashlib.sha256("\n".join(["toolguard.policy.v1", own, *lines]).encode()).hexdigest()
