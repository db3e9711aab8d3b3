"""Comments: what an act has to be to be one, and that no register a guard reads takes one."""

import pytest

from core.test_register import act
from toolguard._core.comments import LONGEST, Side, comment_of, comments_of, tidy
from toolguard._core.register import ALL, START, ActKind, Register
from toolguard.errors import TamperedError

SAID = {"approval": "r1", "text": "which patient is this?", "side": "asking"}


CHAIN = comments_of("t")


def said(body=SAID, *, kind=ActKind.COMMENT, tenant=CHAIN, **more):
    return act(kind, body, tenant=tenant, **more)


def test_a_comment_is_what_its_signed_bytes_say():
    made = said()
    comment = comment_of(made, tenant="t", n=0, last=START)
    assert (comment.approval, comment.person, comment.side, comment.text) == ("r1", "sid", Side.ASKING, SAID["text"])
    assert (comment.n, comment.digest, comment.at, comment.id) == (1, made.hash, 100.0, "a1")
    second = said(n=2, prev=made.hash)
    assert comment_of(second, tenant="t", n=1, last=made.hash).n == 2


@pytest.mark.parametrize(
    "made",
    [
        said(tenant="t"),
        said(tenant=comments_of("u")),
        said(n=2),
        said(prev="1" * 64),
        said({"agent": "", "reason": ""}, kind=ActKind.FREEZE),
        said({**SAID, "approval": 1}),
        said({**SAID, "text": ["x"]}),
        said({**SAID, "side": "boss"}),
        said({}),
    ],
    ids=["register", "tenant", "number", "chain", "kind", "approval", "text", "side", "nothing"],
)
def test_anything_else_is_tampered_with(made):
    with pytest.raises(TamperedError):
        comment_of(made, tenant="t", n=0, last=START)


@pytest.mark.parametrize("tenant", ["t", ALL, comments_of("t")])
def test_no_register_takes_a_comment(tenant):
    with pytest.raises(TamperedError):
        Register(tenant=tenant).add(said(tenant=tenant))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("  a\r\nb\rc\n", "a\nb\nc"),
        ("a\n\nb", "a\n\nb"),
        ("a" + "\n" * 500 + "b", "a\n\nb"),
        ("a" + "\n \t\u3000" * 500 + "\nb", "a\n\nb"),
        ("\n\n \n", ""),
        ("x" * LONGEST, "x" * LONGEST),
    ],
)
def test_line_ends_and_gaps_are_tidied(text, kept):
    assert tidy(text) == kept
