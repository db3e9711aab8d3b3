"""URLs, paths and FHIR requests."""

from __future__ import annotations

import pytest

from toolguard._core.risk import RiskLevel
from toolguard.analysis import fhir_facts, url_facts
from toolguard.analysis.fhir import fhir_evidence
from toolguard.analysis.notes import risk_of
from toolguard.analysis.path import path_evidence
from toolguard.analysis.url import MAX_URL, url_evidence


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.org/a?b=c", {"scheme": "https", "host": "example.org", "port": 443, "private": False, "parsed": True}),
        ("HTTP://EXAMPLE.ORG./", {"scheme": "http", "host": "example.org", "port": 80}),
        ("http://example.org:8080", {"port": 8080}),
        ("example.org/path", {"host": "example.org", "scheme": ""}),
        ("//example.org/x", {"host": "example.org"}),
        ("http://b\u00fccher.example/", {"host": "xn--bcher-kva.example"}),
        ("http://ex\u0430mple.org/", {"host": "example.org"}),
        ("http://user:pw@example.org/", {"userinfo": True}),
        ("http://trusted.example@evil.example/", {"host": "evil.example", "userinfo": True}),
        ("http://trusted.example\\@evil.example/", {"parsed": False}),
        ("https://hooks.example.org/services/T00/B00", {"webhook": True}),
        ("https://abc.ngrok.io/x", {"webhook": True}),
        ("http://[::1]/", {"host": "::1", "private": True}),
        ("http://[::ffff:127.0.0.1]/", {"host": "127.0.0.1", "private": True}),
        ("http://exa mple.org:99999/", {"parsed": False, "private": True}),
        ("http://" + "a" * MAX_URL, {"parsed": False}),
        ("", {"parsed": False}),
    ],
)  # fmt: skip
def test_url_facts(text: str, expected: dict[str, object]) -> None:
    facts = url_facts(text)
    assert {k: facts[k] for k in expected} == expected


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "LOCALHOST", "localhost.", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "0",
     "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "0x7f.1", "[::1]", "[fe80::1]", "[fc00::1]", "db", "db.internal", "x.svc.cluster.local",
     "metadata.google.internal", "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021"],
)  # fmt: skip
def test_every_spelling_of_an_inside_address_is_inside(host: str) -> None:
    assert url_facts(f"http://{host}/")["private"] is True


@pytest.mark.parametrize(
    "host", ["example.org", "8.8.8.8", "1.1.1.1", "xn--bcher-kva.example", "sub.host.example.com", "134744072"]
)
def test_outside_addresses_are_outside(host: str) -> None:
    assert url_facts(f"http://{host}/")["private"] is False


@pytest.mark.parametrize(
    ("text", "risk_class", "level"),
    [
        ("https://example.org/a", "read", "low"),
        ("http://169.254.169.254/latest/meta-data", "privilege", "critical"),
        ("http://2852039166/", "privilege", "critical"),
        ("http://[::ffff:169.254.169.254]/", "privilege", "critical"),
        ("http://10.0.0.8/", "read", "medium"),
        ("file:///etc/passwd", "exfiltration", "high"),
        ("javascript:alert(1)", "code_execution", "high"),
        ("data:text/html,x", "code_execution", "high"),
        ("gopher://x.example/", "exfiltration", "high"),
        ("http://a:b@example.org/", "exfiltration", "high"),
        ("https://x.webhook.site/abc", "exfiltration", "high"),
        ("https://example.org/?d=" + "QUJD" * 30, "exfiltration", "high"),
        ("http://8.8.8.8/", "exfiltration", "medium"),
        ("http://[bad", "code_execution", "high"),
    ],
)
def test_where_a_url_leads_decides(text: str, risk_class: str, level: str) -> None:
    found = risk_of(url_evidence(text))
    assert (found.risk_class.value, found.level.label) == (risk_class, level)


@pytest.mark.parametrize(
    "text",
    ["../x", "a/../../x", "..\\x", "%2e%2e/x", "%252e%252e%252fx", "\uff0e\uff0e/x", "/etc/../etc/shadow", "/home/a/.ssh/id_rsa", "~/.aws/credentials",
     "C:\\Users\\a\\.ssh\\id_rsa", "file:///home/a/.ssh/id_rsa", "server.pem", ".env", "config/.env.production", "\\\\host\\share\\x", "//host/share/x", "a\x00.txt", "x" * 5000,
     "/proc/self/environ", "/var/run/secrets/kubernetes.io/serviceaccount/token"],
)  # fmt: skip
def test_paths_that_climb_or_hold_secrets_are_held(text: str) -> None:
    assert risk_of(path_evidence(text)).level >= RiskLevel.HIGH


@pytest.mark.parametrize(
    "text", ["notes/a.txt", "./a", "report.pdf", "/tmp/x", "/home/a/notes.txt", "a..b/c", "C:\\data\\a.csv"]
)
def test_plain_paths_are_not_held(text: str) -> None:
    assert risk_of(path_evidence(text)).level is RiskLevel.LOW


def test_writing_weighs_more_than_reading() -> None:
    assert risk_of(path_evidence("/etc/hosts")).level is RiskLevel.MEDIUM
    assert risk_of(path_evidence("/etc/hosts", writes=True)).level is RiskLevel.HIGH
    assert risk_of(path_evidence("/home/a/.bashrc", writes=True)).risk_class.value == "code_execution"


@pytest.mark.parametrize(
    ("text", "method", "expected"),
    [
        ("Patient/123", "get", {"resource": "Patient", "id": "123", "operation": "", "bulk": False, "parsed": True}),
        (
            "https://h.example/fhir/Patient/123/Observation",
            "get",
            {"resource": "Observation", "id": "123", "bulk": False},
        ),
        ("Patient?name=x&_count=20", "get", {"count": 20, "bulk": False, "search": True}),
        ("Patient?_count=500&name=x", "get", {"count": 500, "bulk": True}),
        ("Patient?_count=all", "get", {"bulk": True}),
        ("Patient", "get", {"bulk": True}),
        ("Patient?_sort=name&_count=5", "get", {"bulk": True}),
        ("Observation?patient=1", "get", {"bulk": False}),
        ("Patient/$export", "get", {"operation": "export", "bulk": True}),
        ("Patient/1/$everything", "get", {"operation": "everything", "bulk": True}),
        ("$export", "get", {"operation": "export", "bulk": True}),
        ("Patient/%24export", "get", {"operation": "export", "bulk": True}),
        ("patient/$EXPORT", "get", {"operation": "export", "bulk": True}),
        ("Patient/\uff04export", "get", {"operation": "export", "bulk": True}),
        ("ValueSet/$expand?url=x", "get", {"operation": "expand", "bulk": False}),
        ("hello", "get", {"parsed": False, "bulk": True}),
    ],
)
def test_fhir_facts(text: str, method: str, expected: dict[str, object]) -> None:
    facts = fhir_facts(text, method)
    assert {k: facts[k] for k in expected} == expected


@pytest.mark.parametrize(
    ("text", "method", "risk_class", "level"),
    [
        ("Patient/1", "GET", "read", "low"),
        ("Patient/1", "PUT", "write", "medium"),
        ("Patient", "POST", "write", "medium"),
        ("Patient/_search", "POST", "read", "low"),
        ("Patient/1", "DELETE", "destructive", "high"),
        ("Patient?name=x", "DELETE", "destructive", "critical"),
        ("Patient/$export", "GET", "exfiltration", "critical"),
        ("Patient/1/$everything", "GET", "exfiltration", "high"),
        ("Patient/1/$expunge", "POST", "destructive", "critical"),
        ("Patient/$unheard-of", "POST", "write", "high"),
        ("Patient?_count=1000&active=true", "GET", "exfiltration", "high"),
    ],
)
def test_what_a_fhir_request_does(text: str, method: str, risk_class: str, level: str) -> None:
    found = risk_of(fhir_evidence(text, method))
    assert (found.risk_class.value, found.level.label) == (risk_class, level)
