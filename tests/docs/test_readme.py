"""What the README shows is what happens: its files are written down, its code is run, its commands exist (test_commands.py)."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from toolguard import Guard
from toolguard.config import Config
from toolguard.testing.openai_server import OpenAIServer, Use, say, use
from toolguard_demo.agents import EndpointChat

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = [(m[1], m[2]) for m in re.finditer(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)]
PYTHON = [code for language, code in BLOCKS if language == "python"]
TOOLGUARD = Path(sys.executable).with_name("toolguard")


def block(start: str) -> str:
    """The block whose first line is ``start``."""
    (found,) = [code for _, code in BLOCKS if code.startswith(start)]
    return found


def model(request):
    """Looks the patient up by the token it was sent, and answers with the token that came back."""
    if request.outputs:
        return say("Born " + re.search(r"<DATE_OF_BIRTH_\d+>", request.outputs[-1])[0])
    return use(Use("find_patient", {"name": re.search(r"<PERSON_\d+>", request.user_text)[0]}))


def test_what_it_says_of_others_stands_in_what_was_measured() -> None:
    frameworks = (ROOT / "docs" / "frameworks.md").read_text("utf-8").splitlines()
    said = README.partition("## Beside others\n")[2].partition("\n## ")[0]
    rows = [line for line in said.splitlines() if line.startswith("|")]
    assert len(rows) > 5
    assert [row for row in rows if row not in frameworks] == []
    benchmarks = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    measured = {cells[0]: cells for line in benchmarks.splitlines() if len(cells := line.split(" | ")) == 9}
    figures = r"found (\S+), .* (\.\d+) and toolguard's\s+default (\.\d+), at (\S+), (\S+) and (\S+) char"
    found = re.search(figures, said)
    assert found is not None
    others = [measured[name] for name in ("| Presidio as it comes", "| LangChain PIIMiddleware", "| toolguard, fast")]
    assert found.groups() == (*(row[1] for row in others), *(row[4] for row in others))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder as the README leaves it, with a model on loopback."""
    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text(block("# policy.yaml"), "utf-8")
    Path("directory.yaml").write_text(block("# directory.yaml"), "utf-8")
    said = subprocess.run([TOOLGUARD, "keys", "init", "keys"], capture_output=True, text=True, check=True).stdout
    line = re.search(r'trusted = \["(.*)"\]', said)[1]
    Path("toolguard.toml").write_text(
        block("[guard]").replace("PUBLIC KEY LINE FROM 'toolguard keys init'", line), "utf-8"
    )
    with OpenAIServer(model) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        yield server


def test_the_examples_are_four():
    assert len(PYTHON) == 4
    assert all(len(code.splitlines()) <= 17 for code in PYTHON)


def test_the_first_guarded_call_says_what_the_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text(block("# policy.yaml"), "utf-8")
    exec(compile(PYTHON[0], "README.md", "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out == block("When was")


def test_the_langchain_example(place, capsys, monkeypatch):
    from openai import OpenAI

    monkeypatch.setattr(
        "langchain.agents.factory.init_chat_model",
        lambda name: EndpointChat(client=OpenAI(), model=name.removeprefix("openai:")),
    )
    code = next(c for c in PYTHON if "toolguard_langchain" in c)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    assert re.fullmatch(r"Born <DATE_OF_BIRTH_\d+>\n", capsys.readouterr().out)
    assert "O'Neil" not in place.seen
    assert "1947" not in place.seen


def test_the_openai_example(place, capsys):
    code = next(c for c in PYTHON if "toolguard_openai" in c)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    assert re.fullmatch(r"Born <DATE_OF_BIRTH_\d+>\n", capsys.readouterr().out)
    assert "O'Neil" not in place.seen
    assert "1947" not in place.seen


def test_the_plain_example_suspends_and_runs_once_approved(place, capsys):
    code = next(c for c in PYTHON if "Suspended" in c)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    assert "ask the privacy office:" in capsys.readouterr().out
    with Guard.from_config() as guard:
        (waiting,) = guard.parts.store.list("general")
        assert waiting.state.value == "pending"


ELSEWHERE = {"remote.md"}
"""Pages whose code needs what stands around it: each has a test of its own, which sets that up (test_remote.py)."""


@pytest.mark.parametrize(
    "page", sorted(p for p in (ROOT / "docs").glob("*.md") if p.name not in ELSEWHERE), ids=lambda p: p.name
)
def test_code_in_the_other_documents_runs_from_top_to_bottom(page):
    names = {"__name__": "page"}
    for code in re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        exec(compile(code, page.name, "exec"), names)


def test_every_key_of_the_configuration_is_explained():
    told = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    wanted = set()
    for section, field in Config.model_fields.items():
        kinds = [k for k in (field.annotation, *get_args(field.annotation)) if hasattr(k, "model_fields")]
        wanted |= {f"{section}.{name}" for kind in kinds for name in kind.model_fields}
    assert set(re.findall(r"^\| `([^`]+)` \|", told, re.MULTILINE)) == wanted


def test_the_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"\bmake (\w+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_every_page_is_reached_from_here():
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)", README))
    assert linked == {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
