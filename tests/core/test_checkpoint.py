"""Checkpoints and notes: one way to write each, everything else is refused."""

from __future__ import annotations

import base64

import pytest

from toolguard._core.checkpoint import Checkpoint, Note, NoteSignature, log_of, log_origin, note_key_id, registry_origin

ROOT = "ab" * 32
POINT = Checkpoint(origin=log_origin("e" * 32, "d" * 32), size=1234, root=ROOT)
BODY = f"toolguard/{'e' * 32}/{'d' * 32}\n1234\nq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n"
NOTE = Note(body=BODY, signatures=(NoteSignature(name=POINT.origin, key_id=b"abcd", signature=b"s" * 64),))


def test_a_checkpoint_is_three_lines() -> None:
    assert POINT.body() == BODY
    assert Checkpoint.parse(BODY) == POINT


def test_lines_of_others_are_kept() -> None:
    body = BODY + "timestamp 1\nwitnessed\n"
    found = Checkpoint.parse(body)
    assert found.extensions == ("timestamp 1", "witnessed")
    assert found.body() == body


@pytest.mark.parametrize(
    "body",
    [
        "",
        "\n",
        BODY[:-1],
        BODY + "\n",
        BODY.replace("1234", "01234"),
        BODY.replace("1234", "-1"),
        BODY.replace("1234", "+1"),
        BODY.replace("1234", "1234.0"),
        BODY.replace("1234", "١٢"),
        BODY.replace("1234", "9" * 19),
        BODY.replace("q6s=", "q6s"),
        BODY.replace("q6s=", "q6t="),
        BODY.replace("q6ur", "", 1),
        BODY.replace("\n1234", ""),
        "\n1234\n" + BODY.split("\n")[2] + "\n",
    ],
)
def test_what_is_written_another_way_is_no_checkpoint(body: str) -> None:
    with pytest.raises(ValueError, match="checkpoint"):
        Checkpoint.parse(body)


def test_a_note_is_a_text_and_its_signatures() -> None:
    line = base64.b64encode(b"abcd" + b"s" * 64).decode()
    assert NOTE.text == f"{BODY}\n— {POINT.origin} {line}\n"
    assert Note.parse(NOTE.text) == NOTE
    second = Note(body=BODY, signatures=(*NOTE.signatures, NoteSignature(name="w", key_id=b"efgh", signature=b"t")))
    assert Note.parse(second.text) == second


@pytest.mark.parametrize(
    "text",
    [
        "",
        BODY,
        NOTE.text[:-1],
        NOTE.text.replace("\n\n", "\n"),
        NOTE.text.replace("— ", "- "),
        NOTE.text.replace("— toolguard", "— tool guard"),
        NOTE.text.replace("— toolguard", "— tool+guard"),
        NOTE.text + "\n",
        NOTE.text + "more\n",
        NOTE.text.replace("1234", "12\x0034"),
        "x" * (1 << 20) + NOTE.text,
    ],
)
def test_what_is_damaged_is_no_note(text: str) -> None:
    with pytest.raises(ValueError, match="note"):
        Note.parse(text)


def test_the_key_id_is_that_of_the_format() -> None:
    """The example key of C2SP's signed-note page: PeterNeumann+c74f20a3+…"""
    raw = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    assert raw[:1] == b"\x01"
    assert note_key_id("PeterNeumann", raw[1:]).hex() == "c74f20a3"


def test_an_origin_says_which_log_of_which_store() -> None:
    assert log_of(POINT.origin) == ("e" * 32, "d" * 32)
    assert log_of(registry_origin("e")) == ("e", "")
    for origin in ("", "toolguard/", "toolguard/e", "toolguard/e/", "toolguard//d", "toolguard/e/d/x", "other/e/d"):
        with pytest.raises(ValueError, match="origin"):
            log_of(origin)


def test_a_stamp_is_one_line_that_can_be_read_back() -> None:
    assert POINT.stamp == f"{'d' * 32} 1234 {ROOT}"
    assert Checkpoint.parse_stamp(f"  {POINT.stamp} ", epoch="e" * 32) == POINT
    for stamp in (
        "",
        "a b c",
        f"d 1 {ROOT[:-1]}",
        f"d 1 {ROOT.upper()}",
        f"d -1 {ROOT}",
        f"d 1 {ROOT} x",
        f"a/b 1 {ROOT}",
    ):
        with pytest.raises(ValueError, match=r"stamp|origin"):
            Checkpoint.parse_stamp(stamp, epoch="e")
