"""What people complain about in other maskers of agents' messages, each as a test by its name."""

import json
import threading

import pytest

from toolguard import BoundTool
from toolguard._core.call import Tool
from toolguard._core.mask import Finding
from toolguard._core.stream import HELD
from toolguard._core.vault import token_spans
from toolguard.testing import WordDetector

NAME, PHONE = "Ada Byron", "617-555-1234"


def turn(session, *texts):
    """One step of an agent: the whole history is sent again."""
    return session.mask([{"role": "user", "content": text} for text in texts])


def test_tokens_change_across_turns(session):
    with session() as s:
        history: list[str] = []
        seen = []
        for text in ("Ada Byron called.", "Who is 4711001?", "And Ada Byron again, 617-555-1234"):
            history.append(text)
            seen.append([m["content"] for m in turn(s, *history)])
        assert seen[1][:1] == seen[0]
        assert seen[2] == ["<PERSON_1> called.", "Who is <MRN_1>?", "And <PERSON_1> again, <PHONE_1>"]


def test_the_second_call_overwrites_the_vault(session):
    with session() as s:
        first = s.mask("Ada Byron")
        second = s.mask("José Núñez")
        assert s.reveal(f"{first} and {second}", purpose="treatment").text == "Ada Byron and José Núñez"


def test_two_tool_calls_at_once_overwrite_each_others_tokens(session):
    with session() as s:
        names = iter(["Ada Byron", "José Núñez"])
        tool = BoundTool(tool=Tool.describe("find", source="t"), invoke=lambda passed: next(names))
        got = [s.call(tool, {}) for _ in range(2)]
        assert got == ["<PERSON_1>", "<PERSON_2>"]


def test_only_the_newest_message_is_scanned(session):
    with session() as s:
        messages = [
            {"role": "system", "content": "You help Ada Byron."},
            {"role": "user", "content": [{"type": "text", "text": "call 617-555-1234"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"arguments": '{"mrn": "4711001"}'}]},
            {"role": "tool", "content": '{"dob": "1815-12-10"}'},
            {"role": "user", "content": "thanks"},
        ]
        masked = json.dumps(s.mask(messages))
        assert not any(word in masked for word in (NAME, PHONE, "4711001", "1815-12-10"))


def test_history_is_masked_again_and_becomes_something_else(session):
    with session() as s:
        masked = turn(s, "Ada Byron <PERSON_7> &lt;DATE_1&gt; called")
        for _ in range(3):
            assert s.mask(masked) == masked


def test_tool_call_arguments_are_missed(session):
    got = []
    tool = BoundTool(tool=Tool.describe("send", source="t"), invoke=got.append)
    with session() as s:
        s.call(tool, {"to": {"name": NAME, "tags": [PHONE, {"deep": "x 4711001"}]}, "json": json.dumps({"n": NAME})})
    text = json.dumps(got)
    assert not any(word in text for word in (NAME, PHONE, "4711001"))
    assert got[0]["to"] == {"name": "<PERSON_M1>", "tags": ["<PHONE_M1>", {"deep": "x <MRN_M1>"}]}


def test_tool_call_arguments_are_blanked(session):
    """A tool that is trusted gets the real ones, of exactly the types it is trusted for."""
    got = []
    tool = BoundTool(tool=Tool.describe("find", source="t"), invoke=got.append)
    with session() as s:
        s.mask(f"{NAME} {PHONE}")
        s.call(tool, {"name": "<PERSON_1>", "phone": "<PHONE_1>", "limit": 5, "all": False, "note": None})
    assert got == [{"name": NAME, "phone": "<PHONE_1>", "limit": 5, "all": False, "note": None}]


def test_the_whole_stream_is_buffered(session):
    text = "It is a long answer. " * 40 + "<PERSON_1> waits. " + "And so on without end " * 60
    with session() as s:
        s.mask(NAME)
        reveal, mask = s.stream_reveal(purpose="treatment"), s.stream_mask()
        shown = masked = 0
        for come, char in enumerate(text, start=1):
            shown += len(reveal.take(char))
            masked += len(mask.take(char))
            assert come - shown <= len("<PERSON_1>")
            assert come - masked <= HELD + 1
        reveal.close()
        mask.close()


def test_a_token_is_split_across_chunks(session):
    with session() as s:
        masked = s.mask("so Ada Byron.")
        for cut in range(len(masked)):
            stream = s.stream_reveal(purpose="treatment")
            assert "".join(stream.over([masked[:cut], masked[cut:]])) == "so Ada Byron."


def test_an_identifier_is_split_across_chunks(session):
    text = "so Ada Byron came."
    with session() as s:
        for cut in range(len(text)):
            assert "".join(s.stream_mask().over([text[:cut], text[cut:]])) == "so <PERSON_1> came."


def test_arguments_that_stream_are_not_unmasked(session):
    with session() as s:
        masked = json.dumps({"name": s.mask(NAME)})
        stream = s.stream_reveal(purpose="treatment", json=True)
        assert json.loads("".join(stream.over(masked))) == {"name": NAME}


def test_a_quote_in_a_value_breaks_the_json_of_a_stream(session):
    name = 'Ada "Ace" O\'Byron \\ é\n'
    with session(words={name: "PERSON"}) as s:
        masked = json.dumps({"name": s.mask(name)})
        shown = "".join(s.stream_reveal(purpose="treatment", json=True).over(masked))
        assert json.loads(shown) == {"name": name}


def test_overlapping_spans_corrupt_the_text(session):
    words = {"Ada Byron": "PERSON", "Byron of Ockham": "PERSON", "ron of Ock": "LOCATION", "Ockham": "LOCATION"}
    text = "Lady Ada Byron of Ockham, Surrey"
    with session(words=words) as s:
        masked = s.mask(text)
        spans = token_spans(masked)
        assert masked == f"Lady {spans[0].token}, Surrey"
        assert s.reveal(masked, purpose="treatment").text == text


def test_offsets_point_into_the_wrong_text(policy, ana):
    """Characters that fold to more or fewer ones stand before and inside what is found."""
    from toolguard import Guard

    text = "ﬃ ㎏ ½ İ\u200b: SSN 219\u201109\u20119999, SSN ２１９-０９-９９９９ end"
    with Guard(policy()).session(caller=ana) as s:
        masked = s.mask(text)
        assert masked.startswith("ﬃ ㎏ ½ İ\u200b: SSN <SSN_1>, SSN <")
        assert "９" not in masked
        assert s.reveal(masked, purpose="treatment").text == text


def test_a_confused_detector_cannot_shift_the_text(session, policy, ana):
    from toolguard import Guard
    from toolguard.errors import DetectionError

    class Wrong(WordDetector):
        def inspect(self, value, *, origin, schema=None):
            return (Finding(start=5, end=500, type="PERSON"),)

    with Guard(policy(), detector=Wrong({})).session(caller=ana) as s, pytest.raises(DetectionError):
        s.mask("Ada Byron")


@pytest.mark.parametrize(
    "value",
    [
        {"219-09-9999": "x"},
        {"ssn": 219099999},
        {"a": [{"ssn": "219 09 9999"}]},
        "SSN 219\u200b-09-9999",
        '{"ssn": 219099999}',
    ],
)
def test_an_ssn_as_a_key_as_a_number_or_in_disguise_passes(policy, ana, value):
    from toolguard import Guard

    with Guard(policy()).session(caller=ana) as s:
        masked = json.dumps(s.mask(value), ensure_ascii=False)
    assert "<SSN_1>" in masked
    assert "9999" not in masked


def test_the_vault_is_not_thread_safe(session):
    with session(words={f"Person {n}.": "PERSON" for n in range(40)}) as s:
        start = threading.Barrier(8)
        out: list[list[str]] = [[] for _ in range(8)]

        def work(mine: list[str]) -> None:
            start.wait()
            mine += [s.mask(f"Person {n}.") for n in range(40)]

        threads = [threading.Thread(target=work, args=(mine,)) for mine in out]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({tuple(mine) for mine in out}) == 1
        assert len(set(out[0])) == 40
        assert [s.reveal(t, purpose="treatment").text for t in out[0]] == [f"Person {n}." for n in range(40)]


def test_a_model_that_mangles_a_token_loses_the_value(session):
    with session() as s:
        s.mask(NAME)
        said = "[PERSON_1], PERSON_1, &lt;PERSON_1&gt;, **<person_1>**, PERSON_1's, (PERSON_1)"
        shown = s.reveal(said, purpose="treatment")
        assert shown.text == f"{NAME}, {NAME}, {NAME}, **{NAME}**, {NAME}'s, ({NAME})"


def test_a_made_up_token_vanishes_unseen(session):
    with session() as s:
        shown = s.reveal("<PERSON_9> called", purpose="treatment")
        assert (shown.text, shown.unknown) == ("<PERSON_9> called", ("<PERSON_9>",))


def test_a_masked_date_breaks_the_tool_that_gets_it(session):
    import datetime

    got = []

    def send(day: datetime.date) -> str:
        """Send."""
        got.append(day)
        return "ok"

    with session() as s:
        s.mask("on 1815-12-10")
        s.call(send, {"day": "<DATE_1>"})
    assert got == [datetime.date(9000, 1, 2)]


def test_one_conversation_reads_anothers_tokens(session, ana):
    with session() as s:
        token = s.mask(NAME)
        with s.guard.session(caller=ana) as other:
            assert other.reveal(token, purpose="treatment").text == token
