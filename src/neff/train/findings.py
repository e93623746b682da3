"""What a check found: a name, how serious it is, and one sentence that says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from neff.errors import ArgumentError, NeffError, TrainingWarning
from neff.train._caller import warn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["CheckRefusedError", "CheckWarning", "Finding", "Severity", "enforce"]

Severity = Literal["refuse", "warn", "note"]
SEVERITIES: tuple[Severity, ...] = ("refuse", "warn", "note")


class CheckWarning(TrainingWarning):
    """A check of a training run found something; the message begins with the name of the check."""


class CheckRefusedError(NeffError, ValueError):
    """A check refused: the numbers that follow would not mean what they say."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a check.

    Attributes
    ----------
    name
        Which check, such as "top-p": the same in every step and every version.
    severity
        "refuse": the ratios are no likelihood ratios, or the loss is not the one that was asked for. "warn": they may
        not be, or little is learnt. "note": a number is easily misread.
    message
        What was found and what to do, in one or two sentences.
    """

    name: str
    severity: Severity
    message: str

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ArgumentError("severity", f"one of {', '.join(SEVERITIES)}", self.severity, call="Finding")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"name": self.name, "severity": self.severity, "message": self.message}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Finding:
        """Rebuild from `to_dict`."""
        severity: Severity = next((known for known in SEVERITIES if known == data["severity"]), "warn")
        return cls(str(data["name"]), severity, str(data["message"]))

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


def enforce(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Raise where a check refused, warn where one warned, and return all findings.

    Use it before a run starts: `enforce(check_sampling(...))`.

    Parameters
    ----------
    findings
        What checks returned.

    Returns
    -------
    tuple of Finding
        The findings, unchanged.

    Raises
    ------
    CheckRefusedError
        If at least one refused; the message holds all that did.

    Examples
    --------
    >>> enforce([Finding("token-ess", "note", "A token ESS near 1 is no proof.")])[0].name
    'token-ess'
    """
    found = tuple(findings)
    refused = [str(finding) for finding in found if finding.severity == "refuse"]
    if refused:
        raise CheckRefusedError(" ".join(refused))
    for finding in found:
        if finding.severity == "warn":
            warn(CheckWarning(str(finding)))
    return found
