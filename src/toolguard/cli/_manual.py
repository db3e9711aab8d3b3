"""The manual: what stands under each command's help beside its own words: examples, exit codes and what is related.

Exit codes stand here once. `exit_table` is what docs/cli.md shows; a test holds both against the commands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["GROUPS", "MANUAL", "Page", "epilog", "exit_table"]

GROUPS: Mapping[str, tuple[str, ...]] = {
    "The first hour": ("init", "doctor", "demo", "serve"),
    "Approvals": ("approvals", "people", "freeze", "teams"),
    "Policy": ("policy", "risk"),
    "Audit": ("audit", "trace", "report"),
    "Data": ("mask", "phi"),
    "Keys and store": ("keys", "store"),
    "This shell": ("completion",),
}
"""How ``toolguard --help`` lists its commands."""

_SERVICE = {
    0: "done",
    1: "refused: not yours to decide",
    2: "wrong usage",
    3: "no usable service, token or configuration",
    4: "nothing of that name for you",
    5: "it has changed, was decided or has expired",
    6: "the service itself failed",
}
_FILE = {0: "done", 2: "wrong usage", 3: "a file, key or store is missing, wrong or already there"}
_FOUND = {0: "in order", 1: "what it looks for was found", 2: "wrong usage", 3: "a file or store is unusable"}
_AUDIT = {0: "whole, or done", 1: "changed, or refused", 2: "wrong usage, or something is missing", 3: "unusable input"}
_CODES: Mapping[str, Mapping[int, str]] = {
    "approvals": _SERVICE,
    "freeze": _SERVICE,
    "audit redact": _SERVICE,
    "audit hold": _SERVICE,
    "audit": _AUDIT,
    "audit tail": {0: "shown", 2: "wrong usage", 3: "the store cannot be read"},
    "audit show": {0: "shown", 2: "wrong usage", 3: "no such call, or the store cannot be read"},
    "report": {0: "shown", 1: "shown, but the journal was changed", 2: "shown, but no call was judged or a log is missing; wrong usage", 3: "unusable input"},
    "trace": {0: "drawn", 2: "wrong usage", 3: "there is no such call, or the store cannot be read"},
    "policy": _FOUND,
    "policy explain": {0: "explained, whatever the decision", 2: "wrong usage", 3: "a file is unusable"},
    "policy schema": {0: "printed", 2: "wrong usage"},
    "policy sign": {0: "signed", 1: "you wrote it, or it does not load", 2: "wrong usage", 3: "a key or file is missing or wrong"},
    "policy verify": {0: "trusted", 1: "not trusted, or it does not load", 2: "wrong usage", 3: "a key or file is missing or wrong"},
    "keys": _FILE,
    "people": {0: "done", 1: "there was nothing to take back", 2: "wrong usage, or nobody of that name", 3: "the configuration or a file is unusable"},
    "people coverage": {0: "every hour is covered", 1: "some hours are not", 2: "wrong usage", 3: "the configuration or the directory is unusable"},
    "store": {0: "up to date, or done", 2: "wrong usage, or migrations are to be run", 3: "the store cannot be read or changed"},
    "mask": {0: "done", 1: "done, but something was withheld", 2: "wrong usage", 3: "unusable input"},
    "phi": {0: "done", 1: "a reported case fails", 2: "wrong usage", 3: "unusable input"},
    "risk": {0: "done", 2: "wrong usage", 3: "the file cannot be read, or a line does not fit"},
    "init": {0: "written", 2: "wrong usage", 3: "something is there already, or the tools cannot be read"},
    "doctor": {0: "no fault", 1: "a fault (with --strict: or a warning)", 2: "wrong usage", 3: "the tools cannot be read"},
    "serve": {0: "stopped", 2: "wrong usage", 3: "it cannot start"},
    "demo": {0: "every promise held", 1: "one did not", 2: "wrong usage", 3: "it cannot run here"},
    "teams": _FILE,
    "completion": {0: "printed", 2: "wrong usage"},
}  # fmt: skip
"""By command, or by the group it is in; the longest name wins."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is said under one command: command lines without ``toolguard``, and related commands."""

    examples: tuple[str, ...]
    related: tuple[str, ...] = ()


def _pages(text: str) -> dict[str, Page]:
    """``name | example ; example | related, related`` a line."""
    found = {}
    for line in text.strip().splitlines():
        name, examples, related = (part.strip() for part in line.split(" | "))
        found[name] = Page(
            tuple(e.strip() for e in examples.split(" ;; ")), tuple(r.strip() for r in related.split(","))
        )
    return found


MANUAL: Mapping[str, Page] = _pages(
    """
init | init ;; init --tools my_agent.tools:TOOLS --person ana.ruiz --approver wei.chen --yes | doctor, policy scan, people token
doctor | doctor ;; doctor --tools my_agent.tools:TOOLS --strict ;; doctor --json | init, policy lint, store status
demo | demo --auto ;; demo --base-url http://127.0.0.1:11434/v1 --model llama3.3 | init, serve
serve | serve ;; serve --host 0.0.0.0 --tls-cert chain.pem --tls-key key.pem --log-json | doctor, approvals, people token
completion | completion bash > ~/.local/share/bash-completion/completions/toolguard ;; completion fish | doctor
approvals list | approvals list --mine ;; approvals list --state pending --json | approvals show, approvals watch
approvals show | approvals show 4f1c | approvals approve, approvals deny, trace
approvals approve | approvals approve 4f1c --reason "agreed with the data steward" ;; approvals approve 4f1c --reason "this round" --for 2h --uses 10 | approvals deny, approvals propose, approvals standing list
approvals deny | approvals deny 4f1c --reason "the cohort is too wide" | approvals approve, approvals propose
approvals watch | approvals watch ;; approvals watch --json --until 60 | approvals list
approvals comment | approvals comment 4f1c --text "which study is this for?" | approvals comments
approvals comments | approvals comments 4f1c | approvals comment
approvals reveal | approvals reveal 4f1c --purpose "to decide this request" | approvals approve
approvals propose | approvals propose 4f1c --arguments '{"limit": 50}' --reason "fifty will do" | approvals approve
approvals revoke | approvals revoke 4f1c --reason "the study was stopped" | approvals deny, approvals standing end
approvals resolve | approvals resolve 4f1c --ran --evidence "the file is on the partner's server" | trace, audit show
approvals break-glass | approvals break-glass 4f1c --reason "patient in theatre" --code 123456 | approvals reviews, approvals review
approvals reviews | approvals reviews | approvals review
approvals review | approvals review 4f1c --finding justified --reason "theatre list of that night" | approvals reviews
approvals stats | approvals stats --hours 720 --json | approvals list
approvals standing list | approvals standing list | approvals standing end
approvals standing end | approvals standing end 9ab2 --reason "the round is over" | approvals standing list
people list | people list | people token
people token | people token wei.chen --audience decide ;; people token ward-guard --audience service | people revoke, approvals list
people link | people link wei.chen | people token
people revoke | people revoke 3fa1c0 ;; people revoke --person wei.chen | people list
people coverage | people coverage group:privacy-office --tenant general --quorum 2 | doctor
people factor enrol | people factor enrol wei.chen | people factor remove
people factor remove | people factor remove wei.chen | people factor enrol
freeze agent | freeze agent ward-assistant --reason "it asked for every record" | freeze list, freeze lift
freeze tenant | freeze tenant --reason "an account was taken over" | freeze list, freeze lift
freeze everyone | freeze everyone --reason "the model provider was broken into" | freeze list, freeze lift
freeze list | freeze list --json | freeze lift
freeze lift | freeze lift 77d0 --reason "found and mended" | freeze list
teams manifest | teams manifest --out toolguard.zip | serve, doctor
policy check | policy check policy.yaml ;; policy check pack:hipaa --json | policy lint, policy explain
policy lint | policy lint policy.yaml --tools my_agent.tools:TOOLS --directory directory.yaml ;; policy lint policy.yaml --format github | policy check, policy test
policy test | policy test ;; policy test policy.yaml --min-coverage 90 | policy lint, policy explain
policy explain | policy explain policy.yaml --tool find_patient --args '{"name": "Mary Smith"}' | policy test, trace
policy scan | policy scan my_agent.tools:TOOLS --write policy.yaml ;; policy scan --mcp "python ward_server.py" | init, policy lint, risk tools
policy diff | policy diff old.yaml new.yaml | policy replay, policy simulate
policy replay | policy replay new.yaml --since 7d | policy diff, policy shadow
policy simulate | policy simulate new.yaml calls.jsonl --against policy.yaml | policy replay
policy shadow | policy shadow --since 7d | policy replay
policy sign | policy sign policy.yaml --key wei.key --signer wei.chen --author ana.ruiz | policy verify, keys policy
policy verify | policy verify policy.yaml | policy sign, doctor
policy schema | policy schema > policy.schema.json | policy check
risk tools | risk tools tools.jsonl | policy scan
risk sql | risk sql statements.jsonl | policy explain
risk shell | risk shell commands.jsonl | policy explain
audit verify | audit verify ;; audit verify --anchor /mnt/worm/toolguard.anchor --json | audit anchor, audit tail, doctor
audit anchor | audit anchor --to /mnt/worm/toolguard.anchor | audit verify, keys audit
audit tail | audit tail -n 20 ;; audit tail --follow --json | audit show, trace
audit show | audit show 4f1c9a | trace, audit verify
audit archive | audit archive --before 2026-01-01 --to segments | audit prune, audit verify
audit prune | audit prune --before 2026-01-01 --segments segments | audit archive, audit verify
audit export | audit export --from 2026-06-01 --out evidence.zip | audit verify, audit sample, report
audit sample | audit sample --from 2026-06-01 --seed 2026-Q2 --n 25 | audit review
audit review | audit review ;; audit review 4f1c9a --finding justified --reason "ticket 4711" | audit sample
audit reconcile | audit reconcile --jaeger http://127.0.0.1:16686 | audit verify, trace
audit redact | audit redact --session ward-7 --reason "asked for by the person" | audit hold add
audit hold add | audit hold add --session ward-7 --reason "case 12 of 2026" | audit hold lift
audit hold lift | audit hold lift 51be --reason "the case is closed" | audit hold list
audit hold list | audit hold list | audit hold add
trace | trace 4f1c9a ;; trace study-7 --jaeger trace.json | audit show, audit reconcile
report | report --control hipaa --from 2026-06-01 ;; report --control soc2 --from 2026-06-01 --html soc2.html | audit export, audit verify
mask | mask notes/*.txt --out masked/ ;; mask visits.parquet --subject patient_id --out masked/ --key data.key | phi report missed
phi report missed | phi report missed --type PERSON --key keys/guard.key | phi report wrong, phi check
phi report wrong | phi report wrong --type PERSON --key keys/guard.key | phi report missed, phi check
phi list | phi list | phi forget
phi forget | phi forget 8c21 | phi list
phi check | phi check | phi report missed
keys init | keys init keys | keys show, init
keys show | keys show keys/service.key | keys rotate
keys rotate | keys rotate keys/service.key | keys show
keys audit | keys audit keys/audit.key | audit anchor
keys policy | keys policy wei.key | policy sign
store status | store status --json | store migrate, doctor
store migrate | store migrate | store status
store roles | store roles --print > roles.sql | store status
store accept | store accept | audit verify, doctor
"""
)
"""By command. One without an entry fails the tests."""


def codes_of(command: str) -> Mapping[int, str]:
    """What a command's exit codes mean."""
    words = command.split(" ")
    for end in range(len(words), 0, -1):
        found = _CODES.get(" ".join(words[:end]))
        if found is not None:
            return found
    return {0: "done", 2: "wrong usage", 3: "unusable input"}


def epilog(command: str, said: str) -> str:
    """What stands below a command's options. ``said`` is its own help: what that says already is not said twice."""
    page = MANUAL.get(command)
    parts = []
    if page is not None and "Examples:" not in said:
        parts.append("\\b\nExamples:\n" + "\n".join(f"  toolguard {example}" for example in page.examples))
    if not re.search(r"Exit codes?:? ", said):
        parts.append(
            "Exit codes: " + ", ".join(f"{code} {meaning}" for code, meaning in codes_of(command).items()) + "."
        )
    if page is not None and page.related != ("",) and "See also:" not in said:
        parts.append("See also: " + ", ".join(f"toolguard {name}" for name in page.related))
    return "\n\n".join(parts).replace("\\b", "\b")


def exit_table(commands: Sequence[str]) -> str:
    """The table of docs/cli.md: commands that end alike stand in one row."""
    rows: dict[tuple[tuple[int, str], ...], list[str]] = {}
    for command in sorted(commands):
        rows.setdefault(tuple(codes_of(command).items()), []).append(command)
    lines = ["| command | ends in |", "|---|---|"]
    for codes, names in sorted(rows.items(), key=lambda row: row[1]):
        said = " · ".join(f"**{code}** {meaning}" for code, meaning in codes)
        lines.append(f"| {', '.join(f'`{name}`' for name in names)} | {said} |")
    return "\n".join(lines) + "\n"


def _main() -> None:
    """Print the table of docs/cli.md."""
    print(exit_table(list(MANUAL)), end="")  # noqa: T201 - that is what it is for


if __name__ == "__main__":
    _main()
