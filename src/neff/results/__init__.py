"""What every room returns: `Estimate`, `Comparison`, `Verdict`, `Table`. Frozen, self-describing, self-rendering."""

from neff.reasons import Reason
from neff.results._common import json_number, json_value
from neff.results.comparison import Comparison, Verdict
from neff.results.estimate import Estimate
from neff.results.provenance import Provenance, Unread
from neff.results.table import Column, Table

__all__ = [
    "Column",
    "Comparison",
    "Estimate",
    "Provenance",
    "Reason",
    "Table",
    "Unread",
    "Verdict",
    "json_number",
    "json_value",
]
