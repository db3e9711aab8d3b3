"""The controls that records can speak for. The words are ours: what a control is about, short; read the source itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FRAMEWORKS", "Control", "Framework"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control: its id, what it is about, and the kinds of evidence (`evidence.KINDS`) that speak for it.

    ``asks`` is what an auditor has to look at elsewhere, because no record here can show it.
    """

    framework: str
    id: str
    about: str
    evidence: tuple[str, ...]
    asks: str = ""

    @property
    def name(self) -> str:
        """As policies spell it: ``hipaa:164.312(b)``."""
        return f"{self.framework}:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    title: str
    source: str
    controls: tuple[Control, ...]


_Row = tuple[str, str, str] | tuple[str, str, str, str]


def _framework(key: str, title: str, source: str, *rows: _Row) -> Framework:
    controls = []
    for row in rows:
        id, about, evidence, *asks = row
        controls.append(
            Control(framework=key, id=id, about=about, evidence=tuple(evidence.split()), asks=asks[0] if asks else "")
        )
    return Framework(title=title, source=source, controls=tuple(controls))


FRAMEWORKS: Mapping[str, Framework] = {
    "hipaa": _framework(
        "hipaa",
        "HIPAA Security and Privacy Rules",
        "45 CFR Part 164",
        ("164.308(a)(1)(ii)(D)", "Information system activity review", "reviews exceptions"),
        ("164.312(a)(1)", "Access control", "decisions denials questions apart"),
        ("164.312(a)(2)(ii)", "Emergency access procedure", "break_glass break_glass_reviewed"),
        ("164.312(b)", "Audit controls", "records decisions executions"),
        ("164.312(c)(1)", "Integrity", "records checkpoints"),
        (
            "164.312(d)",
            "Person or entity authentication",
            "answers stepped_up refused",
            "How callers of the application sign in.",
        ),
        (
            "164.312(e)(1)",
            "Transmission security",
            "transmission",
            "TLS settings of the store, the service and the receiver of spans; clear text beyond loopback is refused.",
        ),
        ("164.316(b)(2)(i)", "Retention of documentation for six years", "kept", "The store's backup and retention."),
        ("164.502(b)", "Minimum necessary", "masked questions denials"),
        (
            "164.514(b)(2)",
            "De-identification by safe harbor: the 18 identifiers",
            "eighteen found masked",
            "Measured recall of detection; masking calls does not by itself de-identify a data set.",
        ),
        (
            "164.528",
            "Accounting of disclosures",
            "disclosures shown",
            "Which of these were disclosures under the Privacy Rule, and to whom.",
        ),
    ),
    "soc2": _framework(
        "soc2",
        "SOC 2 Trust Services Criteria",
        "AICPA TSC 2017 (points of focus 2022)",
        ("CC2.1", "Information that supports internal control", "records decisions exceptions"),
        ("CC6.1", "Logical access security", "decisions denials credentials refused"),
        ("CC6.3", "Access by role, least privilege, segregation of duties", "apart two_persons masked refused"),
        (
            "CC6.7",
            "Restricting transmission, movement and removal of information",
            "questions masked disclosures shown",
        ),
        ("CC7.2", "Monitoring for anomalies", "exceptions undecided refused"),
        ("CC7.3", "Evaluating security events", "reviews break_glass_reviewed frozen"),
        ("CC8.1", "Change management", "policies loads signed_loads", "Who reviewed each policy before it was signed."),
    ),
    "iso27001": _framework(
        "iso27001",
        "ISO/IEC 27001:2022, Annex A",
        "ISO/IEC 27001:2022",
        ("A.5.3", "Segregation of duties", "apart two_persons refused"),
        ("A.5.15", "Access control", "decisions denials"),
        ("A.5.18", "Access rights", "refused taken_back frozen", "The directory's own joiners, movers and leavers."),
        ("A.5.28", "Collection of evidence", "records checkpoints"),
        ("A.5.33", "Protection of records", "records checkpoints kept"),
        ("A.5.34", "Privacy and protection of personal data", "masked found shown"),
        ("A.8.2", "Privileged access rights", "questions two_persons stepped_up break_glass"),
        ("A.8.3", "Information access restriction", "decisions denials masked"),
        ("A.8.11", "Data masking", "masked found eighteen"),
        ("A.8.12", "Data leakage prevention", "questions denials disclosures"),
        ("A.8.15", "Logging", "records decisions executions"),
        ("A.8.16", "Monitoring activities", "exceptions reviews"),
        (
            "A.8.17",
            "Clock synchronization",
            "transmission",
            "How the store's clock is kept: every time in a record is the store's own.",
        ),
        ("A.8.32", "Change management", "policies loads signed_loads"),
    ),
    "nist": _framework(
        "nist",
        "NIST SP 800-53",
        "NIST SP 800-53 Rev. 5",
        ("AC-3(2)", "Dual authorization", "two_persons"),
        ("AC-5", "Separation of duties", "apart refused"),
        ("AC-6(9)", "Log use of privileged functions", "questions executions break_glass"),
        ("AU-2", "Event logging", "records decisions"),
        ("AU-3", "Content of audit records", "records decisions"),
        ("AU-4", "Audit log storage capacity", "transmission", "Capacity and alarms of the store."),
        ("AU-5", "Response to audit logging process failures", "undecided", "A call whose record fails does not run."),
        ("AU-6", "Audit record review, analysis and reporting", "reviews exceptions"),
        ("AU-7", "Audit record reduction and report generation", "decisions exceptions"),
        ("AU-8", "Time stamps", "records", "How the store's clock is kept."),
        ("AU-9", "Protection of audit information", "records checkpoints"),
        ("AU-10", "Non-repudiation", "answers checkpoints"),
        ("AU-11", "Audit record retention", "kept"),
        ("AU-12", "Audit record generation", "records executions"),
    ),
    "eu-ai-act": _framework(
        "eu-ai-act",
        "EU AI Act",
        "Regulation (EU) 2024/1689",
        ("Art. 12", "Record-keeping: events logged automatically", "records decisions executions"),
        (
            "Art. 14",
            "Human oversight: intervene, override, stop",
            "questions answers unanswered taken_back frozen",
            "Whether those who oversee are competent and have time.",
        ),
        ("Art. 19", "Automatically generated logs are kept", "records kept"),
        ("Art. 26(6)", "Deployers keep logs for at least six months", "kept records"),
    ),
}
"""Key of ``--control`` → framework. Nothing here says that a control is met."""
