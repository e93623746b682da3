"""BaselineVariance -> Document: which baseline leaves the least noise in a gradient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.report.document import Bullets, Document, Fact, Section, TableBlock, document, gate_notices
from neff.report.text import Name, count, plural
from neff.train.baselines import BaselineVariance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Gate, Text
    from neff.train.baselines import BaselineRow

__all__ = ["baselines_document"]

BRIEF = ("name", "value", "interval", "ratio")


@document.register(BaselineVariance)
def baselines_document(result: BaselineVariance, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a comparison of baselines."""
    known = [row for row in result.rows if not math.isnan(row.value)]
    least = min(known, key=lambda row: row.value) if known else None
    unit = "outcomes" if result.exact else "samples"
    notes: list[Text] = [("Variance: the trace of the covariance matrix of one response's gradient.",)]
    if result.exact:
        notes.append(("Exact: every outcome counts with its probability, so there is no interval.",))
    else:
        notes.append((f"From {count(result.n)} samples that were drawn independently.",))
    notes += [(Name(row.name), f" is undefined: {row.reason}.") for row in result.rows if row.reason is not None]
    return Document(
        title=("No variance is defined",) if least is None else (Name(least.name), " leaves the least variance"),
        kind="variance of a policy gradient",
        kicker=(f"{plural(len(result.rows), 'baseline')} · {count(result.n)} {unit}",),
        lead=tuple(_sentence(row, result.rows[0]) for row in result.rows[1:]),
        facts=() if least is None else (Fact("Least variance", f"{least.value:.4g}", (Name(least.name),)),),
        notices=gate_notices(gates),
        sections=(
            Section(("Baselines",), (TableBlock(result.table(), "Baselines", BRIEF),)),
            Section(("Notes",), (Bullets(tuple(notes)),), "context"),
        ),
    )


def _sentence(row: BaselineRow, first: BaselineRow) -> Text:
    if math.isnan(row.ratio):
        return (Name(row.name), ": no variance to compare with that of ", Name(first.name), ".")
    way = "raises" if row.ratio > 1 else "lowers" if row.ratio < 1 else "leaves"
    to = f" the variance to {row.ratio:.3g} times" if row.ratio != 1 else " the variance at"
    return (Name(row.name), f" {way}{to} that of ", Name(first.name), ".")
