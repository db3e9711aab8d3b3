"""The reference pages name everything there is to name, and their policies load."""

import re
from pathlib import Path

import pytest

from toolguard.config import ANALYSES
from toolguard.detection import TYPES
from toolguard.policyfile import load_policy, models
from toolguard.policyfile.cel import FIELDS, VARIABLES
from toolguard.policyfile.cel_functions import ABOUT_ARGS
from toolguard_langchain import allow as langchain_allow
from toolguard_openai import allow as openai_allow

DOCS = Path(__file__).parents[2] / "docs"
BLOCKS = [
    pytest.param(m[2], id=f"{page.name}-{number}")
    for page in sorted(DOCS.glob("*.md"))
    for number, m in enumerate(
        re.finditer(r"^```(ya?ml)\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
]
PARTS = [m for m in vars(models).values() if isinstance(m, type) and hasattr(m, "model_fields") and m.model_fields]


def words(page: str) -> set[str]:
    """Everything a page writes as code, word by word."""
    text = (DOCS / page).read_text("utf-8")
    return {w for code in re.findall(r"`([^`\n]+)`", text) for w in re.findall(r"[A-Za-z_]+", code)}


@pytest.mark.parametrize("text", BLOCKS)
def test_every_policy_shown_loads(text):
    assert load_policy(text, functions=ANALYSES).rules


@pytest.mark.parametrize("part", PARTS, ids=lambda m: m.__name__)
def test_every_key_of_a_policy_is_explained(part):
    assert {field.alias or name for name, field in part.model_fields.items()} <= words("policy.md")


def test_every_variable_and_function_of_conditions_is_explained():
    told = words("policy.md")
    assert set(VARIABLES) <= told
    assert set().union(*FIELDS.values()) <= told
    assert {*ABOUT_ARGS, *ANALYSES, "host_in", "lower"} <= told


@pytest.mark.parametrize(
    ("name", "text"), [("sql", "select 1"), ("shell", "ls"), ("url", "https://a.example/"), ("fhir", "/Patient/1")]
)
def test_every_fact_of_an_analysis_is_explained(name, text):
    row = next(line for line in (DOCS / "policy.md").read_text("utf-8").splitlines() if line.startswith(f"| `{name}("))
    assert set(ANALYSES[name](text)) == set(re.findall(r"`([a-z]+)`", row.split("|")[2]))


def test_every_type_of_identifier_is_named():
    assert words("masking.md") >= TYPES


def test_every_word_of_allow_is_named():
    told = words("frameworks.md")
    assert {*langchain_allow.PARTS, *langchain_allow.HOSTED, "history", "tracers"} <= told
    assert {*openai_allow._PARTS, *openai_allow._HOSTED} <= told
