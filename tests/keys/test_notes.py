"""Signed notes: believed under a pinned audit key and its name, and under nothing else."""

from __future__ import annotations

import pytest

from toolguard._core.checkpoint import Checkpoint, log_origin
from toolguard.errors import KeyUnavailableError, TamperedError
from toolguard.keys import Ed25519Signer, NoteSigner, NoteVerifier, PinnedVerifier, PublicKey, Purpose, SecretKey

KEY = SecretKey.generate(Purpose.AUDIT)
SIGNER = NoteSigner(KEY)
VERIFIER = NoteVerifier([SIGNER.public_key.line])
POINT = Checkpoint(origin=log_origin("e", "d"), size=7, root="ab" * 32)


def test_a_signed_checkpoint_comes_back() -> None:
    assert VERIFIER.checkpoint(SIGNER.checkpoint(POINT)) == POINT
    assert PublicKey.parse(SIGNER.public_key.line) == SIGNER.public_key
    assert SIGNER.public_key.id.startswith("audit-")


def test_any_text_can_be_signed_under_a_name() -> None:
    note = SIGNER.sign("manifest\nab\n", name="toolguard/manifest")
    assert VERIFIER.open(note, name="toolguard/manifest") == "manifest\nab\n"
    with pytest.raises(TamperedError):
        VERIFIER.open(note, name="toolguard/e/d")
    with pytest.raises(TamperedError):
        VERIFIER.checkpoint(note)


def test_after_a_rotation_both_keys_are_believed() -> None:
    other = NoteSigner(SecretKey.generate(Purpose.AUDIT))
    both = NoteVerifier([SIGNER.public_key, other.public_key])
    assert both.checkpoint(SIGNER.checkpoint(POINT)) == both.checkpoint(other.checkpoint(POINT)) == POINT


@pytest.mark.parametrize(
    "edit",
    [
        lambda note: note.replace("\n7\n", "\n8\n"),
        lambda note: note.replace("toolguard/e/d\n", "toolguard/e/x\n", 1),
        lambda note: note.replace("toolguard/e/d", "toolguard/e/x"),
        lambda note: note[:-8] + "AAAA" + note[-4:],
        lambda note: "",
        lambda note: note + "\n",
        lambda note: NoteSigner(SecretKey.generate(Purpose.AUDIT)).checkpoint(POINT),
    ],
)
def test_whatever_was_changed_is_not_believed(edit) -> None:  # type: ignore[no-untyped-def] # a lambda a row
    with pytest.raises(TamperedError):
        VERIFIER.checkpoint(edit(SIGNER.checkpoint(POINT)))


def test_a_key_signs_what_it_is_for_and_nothing_else() -> None:
    signing = SecretKey.generate(Purpose.SIGN)
    with pytest.raises(KeyUnavailableError, match="not an audit key"):
        NoteSigner(signing)
    with pytest.raises(KeyUnavailableError, match="not a signing key"):
        Ed25519Signer(KEY)
    with pytest.raises(KeyUnavailableError, match="not an audit key"):
        NoteVerifier([Ed25519Signer(signing).public_key])
    with pytest.raises(KeyUnavailableError, match="trusted takes the service's"):
        PinnedVerifier([SIGNER.public_key])
    with pytest.raises(KeyUnavailableError, match="no public half"):
        PublicKey.of(SecretKey.generate(Purpose.SEAL))
    relabelled = SIGNER.public_key.line.replace("audit-", "sign-")
    with pytest.raises(KeyUnavailableError):
        PinnedVerifier([relabelled])
