"""The offline example against a scripted model: a real one is slow and belongs to ``make offline-model``."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from toolguard.testing.openai_server import ModelRequest, OpenAIServer, Reply, say

PLACE = Path(__file__).parents[3] / "examples" / "offline_model.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("offline_model", PLACE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["offline_model"] = module  # where a dataclass looks for its own module
    spec.loader.exec_module(module)
    return module


def obedient(request: ModelRequest) -> Reply:
    if "response_format" not in request.body:
        return say("It is done.")
    tool = "send_letter" if "letter" in request.user_text else "look_up"
    return say(json.dumps({"tool": tool, "mrn": "<MRN_1>"}))


def babbling(request: ModelRequest) -> Reply:
    return say("Namaste! This is a simple AI.")


def guessing(request: ModelRequest) -> Reply:
    return say(json.dumps({"tool": "look_up", "mrn": "1"})) if "response_format" in request.body else say("One.")


@pytest.mark.parametrize(
    ("script", "outcomes", "records"),
    [
        (obedient, ["answered: <PERSON_1> is in bed 4", "approved: The letter is on its way."], "approval.resolved"),
        (babbling, ["no call", "no call"], "0 records"),
        (guessing, ["answered: There is no such patient."], "call.executing"),
    ],
    ids=["obedient", "babbling", "guessing"],
)
def test_whatever_the_model_writes_passes_the_gate_and_nothing_raw_reaches_it(
    example: ModuleType, capsys: pytest.CaptureFixture[str], script: object, outcomes: list[str], records: str
) -> None:
    with OpenAIServer(script) as server:  # type: ignore[arg-type] # a table fills it in
        leaked = example.run(server.base_url, example.QUESTIONS, 10.0)
        seen = server.seen
    told = capsys.readouterr().out
    assert leaked == 0
    assert example.NAME not in seen
    assert example.MRN not in seen
    for outcome in outcomes:
        assert outcome in told
    assert records in told


def test_a_model_that_does_not_answer_in_time_is_said_to_be_late(
    example: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    from toolguard.testing.openai_server import fail

    with OpenAIServer(lambda request: fail(500, "asleep")) as server:
        assert example.run(server.base_url, example.QUESTIONS[:1], 10.0) == 0
    assert "no answer (InternalServerError)" in capsys.readouterr().out
