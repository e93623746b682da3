"""ParaphraseRobustness -> Document: what other wordings do to scores, ranks and answers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.benchmark.robustness.result import ParaphraseRobustness
from neff.report.charts import ForestPlot, ForestRow
from neff.report.document import Bullets, Document, Fact, Figure, Notice, Section, TableBlock, document, gate_notices
from neff.report.text import Name, count, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Gate, Text

__all__ = ["paraphrase_document"]


@document.register(ParaphraseRobustness)
def paraphrase_document(result: ParaphraseRobustness, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document: the drop of every model with its interval, rank stability, and consistency."""
    block = TableBlock(
        result.table(), "Models in all wordings", ("model", "mean", "drop", "drop_interval", "consistent")
    )
    parts: list[Figure | TableBlock] = [block]
    drawn = [m for m in result.models if not math.isnan(m.drop.interval[0])]
    if drawn:
        rows = tuple(
            ForestRow(m.model, m.drop.value, *m.drop.interval, strong=m.drop.interval[0] * m.drop.interval[1] > 0)
            for m in drawn
        )
        plot = ForestPlot(rows, "original − paraphrases", result.level, 3, reference=0.0, signed=True, head="Drop")
        parts = [Figure(plot, "Drop", "Score in the original wording minus the mean of the others, by item.", block)]
    notices = [Notice("warning", (f"{warning}.",)) for warning in result.warnings]
    many = plural(len(result.wordings), "wording")
    return Document(
        title=_title(result),
        kind="paraphrase robustness",
        kicker=(plural(len(result.models), "model"), " · ", plural(result.n_items, "item"), f" · {many}"),
        lead=_lead(result),
        facts=_facts(result),
        notices=(*gate_notices(gates), *notices),
        sections=(Section(("Models",), tuple(parts)), Section(("Notes",), (Bullets(_notes(result)),), "context")),
    )  # fmt: skip


def _title(result: ParaphraseRobustness) -> Text:
    low, high = result.mean_drop.interval
    if math.isnan(low):
        return ("The wording changes no score",) if result.mean_drop.value == 0 else ("Too few items to tell a drop",)
    if low > 0:
        return ("Scores drop when the items are reworded",)
    return ("Scores rise when the items are reworded",) if high < 0 else ("No sure change when the items are reworded",)


def _lead(result: ParaphraseRobustness) -> tuple[Text, ...]:
    e = result.mean_drop
    said: list[Text] = []
    if not math.isnan(e.interval[0]):
        said.append((f"Mean drop {e.value:+.4f} [{e.interval[0]:+.4f}, {e.interval[1]:+.4f}] over items.",))
    if len(result.models) > 1 and not math.isnan(result.mean_tau):
        said.append(
            (f"Kendall's tau-b with the original ranking: mean {result.mean_tau:.3f}, lowest {result.min_tau:.3f}.",)
        )
    return tuple(said)


def _facts(result: ParaphraseRobustness) -> tuple[Fact, ...]:
    right = [m.consistency.correctness for m in result.models]
    facts = [
        Fact("Models that drop", f"{result.n_dropped} of {len(result.models)}"),
        Fact("Right or wrong in all wordings", f"{min(right):.0%} to {max(right):.0%}", ("of items",)),
        Fact("Items", count(result.n_items)),
    ]
    return tuple(facts)


def _notes(result: ParaphraseRobustness) -> tuple[Text, ...]:
    notes: list[Text] = [
        ("p: chance of such a drop if any wording could have been the original.",),
        ("All wordings: the recommended score, with its error over items.",),
        ("A count of models that drop proves little: noise in the paraphrases alone makes most models drop a bit.",),
    ]
    for m in result.models[:3]:
        if math.isfinite(m.wording_share) and m.wording_share > 0:
            one, all_of_them = (m.standard_error(k, result.n_items) for k in (1, len(result.wordings)))
            notes.append(
                (Name(m.model), f": standard error {one:.4f} with one wording, {all_of_them:.4f} with all of them.")
            )
    if not math.isnan(result.association):
        notes.append((f"Rank correlation of score and consistency over models: {result.association:+.2f}.",))
    return tuple(notes)
