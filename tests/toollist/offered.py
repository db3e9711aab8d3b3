"""Tools as applications hold them, for the tests."""

from langchain_core.tools import tool
from pydantic import BaseModel


@tool
def find_patient(name: str, birth_date: str) -> str:
    """Find a patient by name and date of birth."""
    return ""


def delete_record(record_id: str) -> str:
    """Permanently delete a record."""
    return ""


class SendEmail(BaseModel):
    """Send an email to somebody."""

    to: str
    body: str


LANGCHAIN = [find_patient]
FUNCTIONS = [delete_record]
PAIRS = {SendEmail: lambda passed: "sent", "erase": ({"type": "object", "properties": {}}, lambda: "gone")}
OPENAI = [
    {"type": "function", "function": {"name": "export_all", "parameters": {"type": "object"}}},
    {"type": "web_search"},
]
BROKEN = [3]


def made():
    return [find_patient, delete_record]


def failing():
    raise RuntimeError("MRN 84021733")
