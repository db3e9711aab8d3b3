"""A desk with tools that send files: what the file holds is what people approve."""

import pytest

from driving import drive  # noqa: F401 - a fixture of this folder
from toolguard import Caller
from toolguard.policyfile import load_policy
from toolguard.testing.desk import Desk

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: references, version: 1, owner: privacy@general.example}
approvals:
  default: {approvers: ["group:privacy-office"], quorum: 1, expires: 1h}
tools:
  upload: {risk: high, references: {path: file}, decisive: [path]}
  upload_all: {risk: high, references: {"bundle.files": file}}
  send_rows: {risk: high, references: {table: rows}}
  fetch: {risk: high}
  read: {risk: low, references: {path: file}}
  look: {risk: low}
rules: []
"""
LOADED = load_policy(POLICY, name="references")


class Rows:
    """A reader of row sets: what a table holds, and its version."""

    def __init__(self) -> None:
        self.tables: dict[str, list[bytes]] = {}
        self.version = "1"
        self.fail: Exception | None = None

    def open(self, value):
        from contextlib import nullcontext

        from toolguard.ports import Content

        if self.fail is not None:
            raise self.fail
        return nullcontext(Content(identity=self.version, chunks=iter(self.tables[value])))


@pytest.fixture
def desk(tmp_path):
    folder = tmp_path / "desk"
    folder.mkdir()
    desk = Desk(folder, store="memory:")
    yield desk
    desk.store.close()


@pytest.fixture
def rows():
    return Rows()


@pytest.fixture
def guard(desk, rows):
    return desk.guard(LOADED, references={"rows": rows})


@pytest.fixture
def session(guard):
    with guard.session(caller=Caller.of("ana", agent="discharge-agent", tenant="general"), run="r1") as session:
        yield session


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "letter.txt"
    file.write_text("Dear Dr. Chen, all is well.")
    return file


@pytest.fixture
def reasons(desk):
    """Outcome and reason code of what was recorded of the last call's end."""

    def read():
        records = [r.draft for r in desk.store.records() if "toolguard.decision.reason_code" in r.draft.body]
        body = records[-1].body
        return body["toolguard.decision.outcome"], body["toolguard.decision.reason_code"]

    return read
