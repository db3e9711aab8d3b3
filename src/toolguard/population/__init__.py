"""What the records say of a period: calls, questions, people, exceptions, reviews, and which control they speak for.

Everything here is counted from records. Nothing is assumed: where there is no record, there is no evidence.
"""

from __future__ import annotations

from toolguard._core.moment import LAST_MOMENT, iso
from toolguard.population.calls import Answered, Call, Question
from toolguard.population.controls import FRAMEWORKS, Control, Evidence, Matrix, Row, matrix_of
from toolguard.population.evidence import EIGHTEEN, eighteen
from toolguard.population.exceptions import (
    ASKS_FOR_REVIEW,
    EXCEPTIONS,
    Exceptional,
    Reviewed,
    exceptions_of,
    reviews_of,
)
from toolguard.population.people import ApproverFigures, Reciprocity
from toolguard.population.period import LogPart, Period, read_period, taken_out
from toolguard.population.population import Found, PolicyVersion, Population
from toolguard.population.sample import draw, rank

__all__ = [
    "ASKS_FOR_REVIEW",
    "EIGHTEEN",
    "EXCEPTIONS",
    "FRAMEWORKS",
    "LAST_MOMENT",
    "Answered",
    "ApproverFigures",
    "Call",
    "Control",
    "Evidence",
    "Exceptional",
    "Found",
    "LogPart",
    "Matrix",
    "Period",
    "PolicyVersion",
    "Population",
    "Question",
    "Reciprocity",
    "Reviewed",
    "Row",
    "draw",
    "eighteen",
    "exceptions_of",
    "iso",
    "matrix_of",
    "rank",
    "read_period",
    "reviews_of",
    "taken_out",
]
