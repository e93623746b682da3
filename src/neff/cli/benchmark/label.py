"""`neff benchmark label`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from neff.cli.options import NO_OUTPUT, STATISTICS, Flag, Input, Number, Output, Whole

__all__ = ["label"]

LABELS = Group("Labels", sort_key=1)
Column = Annotated[str | None, Parameter(group=LABELS)]


def label(
    *tables: Input,
    proposal: Annotated[tuple[str, ...], Parameter(group=LABELS, show_default=False)] = (),
    rejected: Column = None,
    audit: Column = None,
    confidence: Column = None,
    item: Column = None,
    separator: Annotated[str, Parameter(group=LABELS)] = ";",
    rule: Annotated[Literal["union", "majority"], Parameter(group=LABELS)] = "union",
    several: Annotated[Flag, Parameter(group=LABELS)] = False,
    target: Annotated[Number | None, Parameter(group=STATISTICS)] = None,
    human_error: Annotated[Number, Parameter(group=STATISTICS)] = 0.0,
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    n_resamples: Annotated[Whole, Parameter(group=STATISTICS)] = 1000,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    output: Output = NO_OUTPUT,
) -> int:
    """Labels that models propose and people reject: what stands, what is wrong, what to send to people.

    For example:
      neff benchmark label proposals.csv --proposal llama --proposal mistral --rejected rejected
      neff benchmark label proposals.csv --proposal a --proposal b --audit gold --target 0.05
      neff benchmark label proposals.csv --proposal a --audit gold --confidence p -o labels.csv

    Accepted labels are in -o FILE.csv and FILE.json. Give an audit of random items: agreement of models is no proof.

    Parameters
    ----------
    tables
        Files: CSV, JSON Lines or Parquet, one row per item.
    proposal
        Column of what one model proposes, empty where nothing. Repeatable.
    rejected
        Column of the proposed labels that a person rejected, empty where all may stand.
    audit
        Column of the right labels of items drawn at random, empty for the others.
    confidence
        Column of how sure a label is; by default the share of models that agree.
    item
        Column of the item; by default rows are numbered.
    separator
        Between several labels in a cell.
    rule
        union: whatever a model proposes. majority: what more than half of them do.
    several
        An item may have several labels; by default only where a cell has.
    target
        Share of wrong items that is allowed; declare it before you look.
    human_error
        Share of wrong labels among those that people give.
    level
        Coverage of the intervals.
    n_resamples
        Bootstrap resamples of items.
    seed
        Seed of the random numbers.
    """
    from neff.benchmark.labeling import hybrid_labels
    from neff.cli.benchmark.tables import numbers_of, table_of
    from neff.cli.delivery import prepare
    from neff.cli.records import existing
    from neff.errors import ArgumentError

    paths = existing(tables, "benchmark label")
    if not proposal:
        raise ArgumentError("proposal", "a column at least", None, "For example --proposal llama --proposal mistral.")
    if len(set(proposal)) < len(proposal):
        twice = next(name for name in proposal if proposal.count(name) > 1)
        raise ArgumentError("proposal", "a different column each time", twice, "A model has one vote; name it once.")
    if not separator:
        raise ArgumentError("separator", "a character at least", separator, "By default it is a semicolon.")
    delivery = prepare(output, inputs=paths)
    named = dict.fromkeys([*proposal, *(name for name in (rejected, audit, confidence, item) if name)])
    columns = table_of(paths, tuple(named))

    def split(name: str | None) -> list[Any] | None:
        return None if name is None else [_cell(value, separator) for value in columns[name]]

    result = hybrid_labels(
        {name: split(name) or [] for name in proposal}, items=columns[item] if item else None,
        rejected=split(rejected), audit=split(audit),
        confidence=numbers_of(columns[confidence], confidence) if confidence else None, rule=rule,
        exclusive=False if several else None, target=target, human_error=human_error, level=level,
        n_resamples=n_resamples, rng=seed,
    )  # fmt: skip
    delivery.put_out(result, [f"note: {note}" for note in result.notes])
    return 0


def _cell(value: Any, separator: str) -> Any:
    """Return the labels of a cell: a list where a separator stands in it, the one label otherwise."""
    if isinstance(value, str) and separator in value:
        return [part.strip() for part in value.split(separator) if part.strip()]
    return value
