"""S18 and S19: tokens cut in two by a stream; calls inside tools and in threads."""

from __future__ import annotations

from typing import Any

from adapters.contract.driver import Call
from adapters.contract.table import rule
from adapters.contract.ward import ADA, DENIED, MRN, PERSON, RAW, RECORD, USER, assert_masked

SAID = f"Tell {PERSON} that {RECORD} is well, not <PERSON_99> nor 3<4."


@rule("S18")
async def test_a_token_cut_in_two_by_the_stream_maps_back(drive: Any) -> None:
    driver = await drive("find")
    with driver.ward.open() as session:
        session.mask(USER)
        bits = await driver.stream(SAID)
        assert "".join(bits) == SAID
        assert not any(PERSON in bit for bit in bits), "the stream cuts tokens in two"
        shown = session.stream_reveal(purpose="treatment")
        if driver.ward.way == "sync":
            pieces = list(shown.over(bits))
        else:

            async def again() -> Any:
                for bit in bits:
                    yield bit

            pieces = [piece async for piece in shown.aover(again())]
    assert "".join(pieces) == f"Tell {ADA} that {MRN} is well, not <PERSON_99> nor 3<4."
    assert len(pieces) > 3, "it still streams"
    assert_masked(driver.model_saw)


@rule("S19")
async def test_calls_inside_tools_and_in_threads_are_guarded(drive: Any) -> None:
    driver = await drive("outer", "drop")
    found = await driver.start(Call("outer", {"patient": "x"}))
    here, in_a_thread, in_a_lost_thread = found.answers["c1"].split(" | ")
    refused = "DeniedError" if driver.adapter == "python" else DENIED
    assert (here, in_a_thread) == (refused, refused)
    assert in_a_lost_thread == "IdentityError"
    assert driver.ward.ran == [("outer", "x")]
    assert driver.ward.written().count("never-drop") >= 2
    assert not [raw for raw in RAW if raw in driver.model_saw]
