"""What the person types, in order. The story is the same through LangChain and through the OpenAI client."""

from __future__ import annotations

from toolguard_demo.hospital import Hospital

__all__ = ["DELETE", "EXPORT", "OUTSIDE", "REFER", "look_up"]

OUTSIDE = "cardiology@northside.example"
EXPORT = "Export the heart failure cohort to s3://research-registry/hf for the study."
REFER = f"Send a referral for this patient to {OUTSIDE}. Keep it short."
DELETE = "That record looks like a duplicate. Delete it."


def look_up(hospital: Hospital) -> str:
    """The first question, about a patient by name and birth date."""
    return f"Find {hospital.name}, born {hospital.someone['birthDate']}, and tell me the potassium."
