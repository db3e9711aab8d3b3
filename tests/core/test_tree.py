"""The Merkle tree: the same as another implementation's, and proofs that prove exactly one thing."""

from __future__ import annotations

import hashlib

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from toolguard._core.tree import (
    EMPTY,
    Frontier,
    consistency_proof,
    inclusion_proof,
    root,
    verify_consistency,
    verify_inclusion,
)

ENTRIES = [f"record {n}".encode() for n in range(130)]
LEAVES = [hashlib.sha256(b"\x00" + entry).hexdigest() for entry in ENTRIES]
ROOTS = [root(LEAVES[:n]) for n in range(len(LEAVES) + 1)]


@pytest.fixture(scope="module")
def oracle() -> InmemoryTree:
    return InmemoryTree.init_from_entries(ENTRIES, algorithm="sha256")


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert root([]) == EMPTY == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_roots_are_those_of_certificate_transparency() -> None:
    """The eight entries and roots that every implementation of RFC 6962 is tested with."""
    entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [hashlib.sha256(b"\x00" + bytes.fromhex(entry)).hexdigest() for entry in entries]
    assert [root(leaves[:n]) for n in (1, 2, 3, 8)] == [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 64, 65, 127, 128, 129, 130])
def test_roots_are_those_of_another_implementation(oracle: InmemoryTree, size: int) -> None:
    assert ROOTS[size] == oracle.get_root(size).hex()


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 9, 33, 100])
def test_inclusion_proofs_are_those_of_another_implementation(oracle: InmemoryTree, size: int) -> None:
    for index in range(size):
        ours = inclusion_proof(LEAVES[:size], index)
        theirs = {digest.hex() for digest in oracle.prove_inclusion(index + 1, size).path}
        assert set(ours) | {LEAVES[index]} == theirs | {LEAVES[index]}
        assert len(ours) == len(set(ours))


def _subproof(first: int, leaves: list[str], whole: bool) -> list[str]:
    """RFC 6962, 2.1.2, word for word."""
    if first == len(leaves):
        return [] if whole else [root(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if first <= k:
        return [*_subproof(first, leaves[:k], whole), root(leaves[k:])]
    return [*_subproof(first - k, leaves[k:], False), root(leaves[:k])]


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 9, 33, 100])
def test_consistency_proofs_are_those_of_the_definition(oracle: InmemoryTree, size: int) -> None:
    for first in range(1, size + 1):
        assert list(consistency_proof(LEAVES[:size], first)) == _subproof(first, LEAVES[:size], True)
        theirs = oracle.prove_consistency(first, size)
        pymerkle.verify_consistency(bytes.fromhex(ROOTS[first]), bytes.fromhex(ROOTS[size]), theirs)


@given(st.integers(0, 130), st.lists(st.integers(0, 130), max_size=4))
def test_a_tree_that_grows_is_the_tree_made_at_once(size: int, cuts: list[int]) -> None:
    tree, at = Frontier(), 0
    for cut in (*sorted(min(cut, size) for cut in cuts), size):
        tree.extend(LEAVES[at:cut])
        at = cut
        assert (tree.size, tree.root) == (cut, ROOTS[cut])
    other = tree.copy()
    other.extend(LEAVES[:1])
    assert (tree.size, tree.root) == (size, ROOTS[size])


@given(st.integers(1, 130), st.data())
def test_every_leaf_is_proven_and_no_other(size: int, data: st.DataObject) -> None:
    index, wrong = data.draw(st.integers(0, size - 1)), data.draw(st.integers(-1, 131))
    proof = inclusion_proof(LEAVES[:size], index)
    assert verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])
    assert wrong == index or not verify_inclusion(LEAVES[index], wrong, size, proof, ROOTS[size])
    assert not verify_inclusion(LEAVES[index - 1] if size > 1 else EMPTY, index, size, proof, ROOTS[size])
    assert not verify_inclusion(LEAVES[index], index, size, (*proof, EMPTY), ROOTS[size])
    assert not proof or not verify_inclusion(LEAVES[index], index, size, proof[:-1], ROOTS[size])
    assert not verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size - 1])


@given(st.integers(0, 130), st.data())
def test_every_earlier_tree_is_proven_to_be_the_beginning_and_no_other(second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, second))
    proof = consistency_proof(LEAVES[:second], first)
    assert verify_consistency(first, ROOTS[first], second, ROOTS[second], proof)
    other = root([*LEAVES[: max(0, first - 1)], "00" * 32])
    assert not verify_consistency(first, other, second, ROOTS[second], proof)
    assert not verify_consistency(first, ROOTS[first], second, other, proof) or first == 0
    assert not verify_consistency(first, ROOTS[first], second, ROOTS[second], (*proof, EMPTY))
    assert not proof or not verify_consistency(first, ROOTS[first], second, ROOTS[second], proof[:-1])
    assert not verify_consistency(second + 1, ROOTS[second], second, ROOTS[second], ())


@pytest.mark.parametrize("hash_", ["", "zz" * 32, "ab" * 31, " " * 64, "ab" * 33])
def test_what_is_no_hash_proves_nothing(hash_: str) -> None:
    assert not verify_inclusion(hash_, 0, 1, (), hash_)
    assert not verify_inclusion(LEAVES[0], 0, 2, (hash_,), ROOTS[2])
    assert not verify_consistency(1, LEAVES[0], 2, ROOTS[2], (hash_,))


@pytest.mark.parametrize("index", [-1, 3, 10])
def test_there_is_no_proof_for_what_is_not_there(index: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_proof(LEAVES[:3], index)
    with pytest.raises(ValueError, match="does not begin"):
        consistency_proof(LEAVES[:3], 4 if index > 0 else index)
