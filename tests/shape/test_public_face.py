"""What the packages show is shown on purpose, comes with types, and costs little to import."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import toolguard

ROOT = Path(__file__).parents[2]
FACE = {
    "toolguard": """
        Annotations Assurance BoundTool CallRef Caller Clear Credential CredentialError CurrentCall Decision DeniedError Done Effect Evidence
        Finding Guard IdentityError Origin Permit Person ResultShape Risk RiskClass RiskLevel Session Suspended Tool
        ToolIdentity ToolguardError acredential credential current_call current_session from_function
    """,
    "toolguard_langchain": "GraphSuspended GuardMiddleware Mode guard_model guard_tools",
    "toolguard_notebook": "Practice Service practice show_approval show_approvals start_service",
    "toolguard_openai": """
        ApplyPatchTool CallReport ComputerTool CustomTool PendingCall RunResult ShellTool SuspendedRun ToolBox
        areveal_parsed areveal_stream guard_client reveal_parsed reveal_stream
    """,
    "toolguard_presidio": "PlainNlpEngine PresidioDetector ToolguardRecognizer analyzer_engine",
    "toolguard_server": "LOOPBACK create_app",
}
PACKAGES = [p.parent for folder in ("src", "adapters", "policies") for p in (ROOT / folder).glob("*/__init__.py")]


@pytest.mark.parametrize("name", FACE)
def test_the_public_names_are_these(name):
    package = importlib.import_module(name)
    assert sorted(package.__all__) == sorted(FACE[name].split())
    assert all(getattr(package, each) is not None for each in package.__all__)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_every_package_is_typed(package):
    assert (package / "py.typed").is_file()


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_importing_toolguard_loads_no_parser_model_or_framework():
    heavy = ["pydantic", "cel_expr_python", "sqlglot", "presidio_analyzer", "opentelemetry.sdk", "langchain", "openai"]
    done = run(f"import sys, toolguard; print([n for n in {heavy!r} if n in sys.modules])")
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_the_guard_never_loads_presidio():
    done = run(
        "import sys; from toolguard import Guard; Guard('pack:hipaa'); print('presidio_analyzer' in sys.modules)"
    )
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr


def test_the_other_project_of_this_name_is_noticed(tmp_path, monkeypatch):
    (tmp_path / "toolguard-1.0.dist-info").mkdir()
    monkeypatch.setattr(toolguard, "__file__", str(tmp_path / "toolguard" / "__init__.py"))
    with pytest.raises(ImportError, match="pip uninstall toolguard toolguard-middleware"):
        toolguard._refuse_clash()


@pytest.mark.parametrize(
    ("name", "needs", "extra"),
    [
        ("toolguard_langchain", "langgraph", "langchain"),
        ("toolguard_openai", "openai", "openai"),
        ("toolguard_notebook", "anywidget", "notebook"),
        ("toolguard_server", "fastapi", "server"),
    ],
)
def test_a_missing_extra_is_named(name, needs, extra):
    done = run(f"import sys; sys.modules[{needs!r}] = None; import {name}")
    assert done.returncode == 1
    assert f"toolguard-middleware[{extra}]" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(("command", "needs", "extra"), [("serve", "uvicorn", "server"), ("demo", "langchain", "all")])
def test_a_command_without_its_extra_says_which(command, needs, extra):
    done = run(
        f"import sys; sys.modules[{needs!r}] = None; sys.argv = ['toolguard', {command!r}];"
        "from toolguard.cli.main import main; main()"
    )
    assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr
    assert f"[{extra}]" in done.stderr
