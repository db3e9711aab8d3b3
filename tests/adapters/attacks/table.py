"""The attacks side by side, as the docs show them: what each did to the bare framework, and to the guarded one.

python -m adapters.attacks.table          (in tests/; writes the table into docs/frameworks.md)
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from adapters.attacks import attacks

LANGCHAIN = {
    "replayed": 1,
    "raced": 1,
    "raced_by_four": 3,
    "vetoed": 1,
    "swapped": 1,
    "forged": 1,
    "edited": 1,
    "jumped": 1,
    "rewritten": 1,
    "misspelt": 1,
    "retried": 1,
}
"""How often what should not have run did, or (``retried``) how often too many people were asked: bare LangChain."""
AGENTS = {
    "replayed": 1,
    "raced": 1,
    "raced_by_four": 3,
    "vetoed": 1,
    "swapped": 1,
    "forged": 1,
    "always": 1,
}
"""The same of OpenAI Agents."""
AGENTS_VERSION = "0.24.0"
ALWAYS = '"always approve", said of one recipient and amount, used for another'
OURS = (
    ("nested list changed after it was digested", "test_t13_objects_changed_while_the_claim_is_written_do_not_run"),
    ("a denied value in another spelling", "test_t22_another_spelling_of_what_was_denied_is_not_asked_again"),
    ("a tool registered again under the same name", "test_t6_a_tool_that_changed_what_it_says_is_refused"),
    ("the requester's second account approves", "test_t2_another_requester_named_by_the_agent_is_the_one_who_cannot_approve"),
    ("a restored database", "test_t4_a_restored_backup_of_the_store_stops_the_service_until_someone_accepts_it"),
    ("an hour's jump of the clock", "test_invariant_8_a_clock_that_jumps_revives_nothing"),
    ("a fault at every step in turn", "test_invariant_6_whatever_step_fails_the_tool_runs_once_at_most"),
)  # fmt: skip
"""What frameworks have no notion of, and the test of ours that shows it."""

MARKS = ("<!-- attacks: made by `python -m adapters.attacks.table` in tests/ -->", "<!-- attacks: end -->")
DOCS = Path(__file__).parents[3] / "docs" / "frameworks.md"


AGAIN = frozenset({"replayed", "raced", "raced_by_four"})
"""Attacks that make an approved call run again."""


def _bare(name: str, times: int | None) -> str:
    if times is None:
        return ""
    if name == "retried":
        return f"asked {times + 1}×"
    return f"ran {times + 1}×" if name in AGAIN else "ran"


def _guarded(name: str) -> str:
    return "asked once" if name == "retried" else "ran once" if name in AGAIN else "did not run"


def table() -> str:
    """The rows, as Markdown."""
    rows = [
        f"| attack | LangChain {version('langchain')} | OpenAI Agents {AGENTS_VERSION} | guarded |",
        "|---|---|---|---|",
    ]
    words = {a.__name__: (a.__doc__ or "").partition("\n")[0] for a in attacks.ATTACKS} | {"always": ALWAYS}
    for name, said in words.items():
        bare = f"{_bare(name, LANGCHAIN.get(name))} | {_bare(name, AGENTS.get(name))}"
        rows.append(f"| {said} | {bare} | {_guarded(name)} |")
    rows += [f"| {said} | | | `{test}` |" for said, test in OURS]
    return "\n".join(rows)


def written(page: str) -> str:
    """The page with the table as it is now between its marks."""
    before, _, rest = page.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return f"{before}{MARKS[0]}\n\n{table()}\n\n{MARKS[1]}{after}"


if __name__ == "__main__":
    DOCS.write_text(written(DOCS.read_text("utf-8")), "utf-8")
