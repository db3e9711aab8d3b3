"""Keys, tokens and passwords; and what merely looks random."""

from __future__ import annotations

import zlib

import pytest

from detection.marked import PIPELINE, hidden

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
LONG = LETTERS * 5


def github(body: str) -> str:
    """A token whose last six characters are the CRC-32 of the rest in base 62, as GitHub makes them."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number, tail = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        tail = digits[digit] + tail
    return f"ghp_{body}{tail}"


SECRETS = [
    "AKIA" + "QRSTUVWXYZ234567", "sk-proj-" + LONG[:40], "sk-ant-api03-" + LONG[:50], github(LETTERS[5:35]), "github_pat_" + LONG[:40], "glpat-" + LETTERS[:20],
    "xoxb-" + "123456789012-abcdefGHIJKL", "AIza" + LETTERS[:35], "GOCSPX-" + LETTERS[:28], "sk_" + "live_" + LETTERS[:24], "rk_" + "test_" + LETTERS[:24], "whsec_" + LETTERS[:32],
    "npm_" + LETTERS[:36], "pypi-" + LONG[:60], "hf_" + LETTERS[:34], "SG." + LETTERS[:22] + "." + LETTERS[:43], "hvs." + LETTERS[:24], "dapi" + "0123456789abcdef" * 2,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0." + LETTERS[:43], "abc8Q~" + LETTERS[:34], "1234567890:AA" + LETTERS[:33],
    "https://hooks.slack.com/services/T0AB1CD2E/B0AB1CD2E/" + LETTERS[:24],
]  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("frame", ["{}", "use {} please", '{{"k": "{}"}}', "X={};", "({})"])
def test_a_published_shape_is_a_secret_wherever_it_stands(secret: str, frame: str) -> None:
    assert ("SECRET", secret) in hidden(frame.format(secret))


PLACED = [
    ("postgres://app:{}@db.example.org/x", "s3cr3tpw"), ("redis://:{}@cache:6379/0", "p4ssw0rd"), ("Server=db;User Id=sa;Password={};", "P@ssw0rd!"), ("password: {}", "hunter2"),
    ("my password is {}", "Tr0ub4dor&3"), ("export DB_PASSWORD='{}'", "open-sesame-9"), ("aws_secret_access_key = {}", "wJalrXUtnFEMIK7MDENGbPxRfiCYzz1234567890"), ("AccountKey={};", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq=="),
    ("Authorization: Bearer {}", "abcd1234efgh5678ijkl"), ("Authorization: Basic {}", "dXNlcjpwYXNzd29yZDE="), ("https://a.example/x?sig={}&b=1", "abc123DEF456ghi789"), ("curl -u admin:{} https://x.example", "s3cr3t99"),
    ("mysql --password={} -h db", "foobar99"), ('{{"api_key": "{}"}}', "ab12cd34ef56gh78"), ("client_secret: {}", "Zx9-kkQ2_plm77"), ("token = {}", "9fceb02d0ae598e95dc970b74767f19372d61af8"),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "secret"), PLACED)
def test_a_secret_is_known_by_its_place_or_label(frame: str, secret: str) -> None:
    text = frame.format(secret)
    start = text.index(secret)
    spans = PIPELINE.spans(text)
    assert any(s.start <= start and start + len(secret) <= s.end for s in spans), spans


@pytest.mark.parametrize(
    "kind", ["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]
)
def test_a_private_key_is_one_secret_to_its_last_line(kind: str) -> None:
    body = "\n".join([LETTERS + "+/"] * 5)
    key = f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----"
    assert hidden(f"key:\n{key}\nend") == [("SECRET", key)]
    assert hidden(f"key:\n{key}\nend".replace("\n", "\\n"))[0][1] == key.replace("\n", "\\n")
    cut = key[: len(key) // 2]
    assert [kind for kind, _ in hidden(cut)] == ["SECRET"]


@pytest.mark.parametrize(
    "text",
    [
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "etag 123e4567-e89b-12d3-a456-426614174000",
        "max_tokens=2048 tokens: 4096", "password: ********", "password = os.environ['DB']", "secret: ${SECRET}", "reset your password: click here", "The password is correct.",
        "token: <TOKEN>", "the key is in the lock", "api_key=YOUR_KEY", "sk-xxxxxxxxxxxxxxxxxxxxxxxx", "task-force-management-system-alpha", "pin code required", "password: required",
        "-----BEGIN CERTIFICATE-----", "a token of appreciation", "basic metabolic panel",
    ],
)  # fmt: skip
def test_what_merely_looks_random_stays(text: str) -> None:
    assert hidden(text) == []


def test_a_right_checksum_raises_the_score_and_a_wrong_one_does_not_veto() -> None:
    good = github(LETTERS[5:35])
    bad = good[:-1] + ("a" if good[-1] != "a" else "b")
    scores = [PIPELINE.spans(token)[0].score for token in (good, bad)]
    assert scores[0] > scores[1] > 0.9
