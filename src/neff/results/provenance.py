"""Where a result came from, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Provenance", "Unread"]


@dataclass(frozen=True, slots=True)
class Unread:
    """A file (or part of one) that was not read, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a result came from: enough to run it again.

    Parameters
    ----------
    neff_version
        Version of neff.
    call
        The public call or command line.
    options
        Its options, as JSON values.
    sources
        The files read: path, format, number of rows, SHA-256 where it was computed.
    created
        UTC time in ISO 8601.
    """

    neff_version: str
    call: str
    options: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[Mapping[str, Any], ...] = ()
    created: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "neff_version": self.neff_version,
            "call": self.call,
            "options": dict(self.options),
            "sources": [dict(source) for source in self.sources],
            "created": self.created,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Provenance:
        """Rebuild from `to_dict`."""
        return cls(
            neff_version=str(data.get("neff_version", "")),
            call=str(data.get("call", "")),
            options=dict(data.get("options", {})),
            sources=tuple(data.get("sources", ())),
            created=str(data.get("created", "")),
        )
