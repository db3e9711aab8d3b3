"""Where a terminal is narrow, nothing is squeezed away; and whoever is asked may answer wrongly without beginning anew."""

from __future__ import annotations

import io

import pytest
import typer
from rich.console import Console
from rich.table import Table

from toolguard.cli import _show, doctor, init
from toolguard.health.finding import fault, fine, warning

COMMAND = "toolguard people token wei.chen --audience decide --config /a/rather/long/path/toolguard.toml"
FOUND = (
    fine("store.schema", "SQLite, schema 7 of 7"),
    warning("store.room", "little room is left where the store stands", "free space there, or archive old records"),
    fault("tokens.nobody", "nobody who may decide has a token", COMMAND),
)


def terminal(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=True, no_color=True, highlight=False)


def shown(out: Console) -> list[str]:
    text = out.file.getvalue()  # type: ignore[attr-defined] # it is a StringIO
    return [
        line.rstrip() for line in text.replace("\x1b[0m", "").replace("\x1b[1m", "").replace("\x1b[2m", "").split("\n")
    ]


@pytest.mark.parametrize(("width", "as_table"), [(40, False), (71, False), (72, True), (200, True)])
def test_a_table_that_does_not_fit_is_a_list_of_each_row(width: int, as_table: bool, monkeypatch) -> None:
    out = terminal(width)
    monkeypatch.setattr(_show, "screen", lambda **_: out)
    table = Table("id", "tool", "asked by")
    for number in (1, 2):
        table.add_row(f"60{number}", "export_report_of_the_ward", "somebody with a long name " * 2)
    _show.print_table(table)
    lines = shown(out)
    assert any(line.startswith("id ") for line in lines) is not as_table
    assert sum(word in line for line in lines for word in ("601", "602")) == 2
    if not as_table:
        assert "tool      export_report_of_the_ward" in lines
        assert "" in lines[:-1], "rows are apart"


def test_a_small_table_stays_one(monkeypatch) -> None:
    out = terminal(40)
    monkeypatch.setattr(_show, "screen", lambda **_: out)
    table = Table("id", "what")
    table.add_row("1", "all")
    _show.print_table(table)
    assert "│ 1  │ all  │" in shown(out)


def test_what_mends_stands_below_what_is_wrong(monkeypatch) -> None:
    out = terminal(100)
    monkeypatch.setattr(doctor, "screen", lambda: out)
    doctor._show(FOUND, quiet=False)
    lines = shown(out)
    at = next(line.index("little room") for line in lines if "little room" in line)
    assert any(line.startswith(" " * at + "→ free space there") for line in lines)


@pytest.mark.parametrize("width", [40, 100])
def test_a_command_that_mends_is_one_line_to_copy(width: int, monkeypatch) -> None:
    out = terminal(width)
    monkeypatch.setattr(doctor, "screen", lambda: out)
    doctor._show(FOUND, quiet=False)
    assert any(line.endswith(COMMAND) for line in shown(out))


def test_in_a_narrow_terminal_doctors_areas_stand_above(monkeypatch) -> None:
    out = terminal(40)
    monkeypatch.setattr(doctor, "screen", lambda: out)
    doctor._show(FOUND, quiet=False)
    lines = shown(out)
    assert lines[:2] == ["store", "✓  SQLite, schema 7 of 7"]
    assert all(len(line) <= 40 for line in lines if COMMAND not in line)


# --- whoever is asked


@pytest.fixture
def answers(monkeypatch):
    """What somebody types, one answer a question."""
    typed: list[str] = []
    monkeypatch.setattr(typer, "prompt", lambda text, default="", **_: typed.pop(0) or default)
    return typed


def test_an_answer_that_is_no_id_is_asked_for_again(answers, capsys) -> None:
    answers += ["no id!", "ana", "wei.chen"]
    assert init._id("--approver", "", "Who", "x", asks=True, not_="ana") == "wei.chen"
    said = capsys.readouterr().err
    assert "letters, digits" in said
    assert "nobody approves their own call" in said


def test_a_flag_that_is_no_id_is_not_asked_for_again(answers) -> None:
    with pytest.raises(typer.BadParameter, match="nobody approves"):
        init._id("--approver", "ana", "Who", "x", asks=True, not_="ana")


def test_tools_that_cannot_be_read_are_asked_for_again(answers, tmp_path, capsys) -> None:
    (tmp_path / "tools.py").write_text("TOOLS = []\n", "utf-8")
    (tmp_path / "tools.json").write_text('[{"name": "find_patient"}]', "utf-8")
    answers += ["no.such.module:TOOLS", str(tmp_path / "tools.py"), str(tmp_path / "tools.json")]
    assert [tool.name for tool in init._asked_tools()] == ["find_patient"]
    said = capsys.readouterr().err
    assert "'no.such.module' cannot be imported" in said
    assert "name Python's as module:attribute" in said


def test_without_tools_it_is_about_an_example(answers) -> None:
    answers += [""]
    assert init._asked_tools() == ()
