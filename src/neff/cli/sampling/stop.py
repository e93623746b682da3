"""`neff sampling stop`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from neff.cli.options import NO_COLUMNS, NO_OUTPUT, STATISTICS, Columns, Input, Number, Output, Whole

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["stop"]

SAMPLING = Group("Sampling", sort_key=1)


def stop(
    *records: Input,
    answers: Annotated[str | None, Parameter(group=SAMPLING)] = None,
    verifier: Annotated[str | None, Parameter(group=SAMPLING)] = None,
    target: Annotated[tuple[Number, ...], Parameter(group=SAMPLING, show_default=False)] = (),
    confidence: Annotated[tuple[Number, ...], Parameter(group=SAMPLING, show_default=False)] = (),
    window: Annotated[Whole, Parameter(group=SAMPLING)] = 5,
    peek: Annotated[Whole, Parameter(group=SAMPLING)] = 5,
    max_draws: Annotated[Whole, Parameter(group=SAMPLING)] = 64,
    orders: Annotated[Whole, Parameter(group=SAMPLING)] = 20,
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    columns: Columns = NO_COLUMNS,
    output: Output = NO_OUTPUT,
) -> int:
    """Show what rules for when to stop drawing would have cost, and got wrong, on recorded answers.

    For example:
      neff sampling stop samples.csv --answers answer
      neff sampling stop samples.csv --verifier judge --target 0.9 --target 0.95

    By vote: adaptive consistency and windows that agree. By a verifier's score: the first that is enough, and OptScale.

    Parameters
    ----------
    records
        Files or folders with several scored answers per item, of one model on one task.
    answers
        Column of the answer given: rules by vote.
    verifier
        Column of a verifier's score in [0, 1]: rules by score.
    target
        Score that is enough. Repeatable; by default 0.9.
    confidence
        How sure a rule must be. Repeatable; by default 0.9, 0.95 and 0.99 for votes, 0.95 for scores.
    window
        Answers of one window, which must all agree; windows do not overlap.
    peek
        Answers before the first look, of OptScale.
    max_draws
        Answers at most.
    orders
        Random orders of each item's answers.
    level
        Coverage of the intervals.
    seed
        Of the orders.
    """
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import existing, read_records
    from neff.cli.sampling.forecast import one_part
    from neff.errors import ArgumentError
    from neff.sampling import draws_of
    from neff.sampling.stopping import replay_stoppers

    paths = existing(records, "sampling stop")
    if (answers is None) == (verifier is None):
        raise ArgumentError("answers", "given, or else --verifier", answers, "Rules look at one of the two.")
    delivery = prepare(output, inputs=paths)
    also = [name for name in (answers, verifier) if name]
    table = read_records(paths, columns, also=also, quiet=output.quiet)
    draws = one_part(draws_of(table, answers=answers, scores=verifier, call="neff sampling stop"), "stop")
    if answers is not None:
        rules = _by_vote(confidence or (0.9, 0.95, 0.99), window, max_draws)
    else:
        rules = _by_score(target or (0.9,), confidence or (0.95,), peek, max_draws)
    with progress("replaying", quiet=output.quiet):
        value = "answer" if answers is not None else "score"
        result = replay_stoppers(draws, rules, value=value, n_orders=orders, level=level, rng=seed)
    delivery.put_out(result, [f"note: {note}" for note in result.notes])
    return 0


def _by_vote(confidences: tuple[float, ...], window: int, most: int) -> dict[str, Callable[[], Any]]:
    from neff.sampling.stopping import AdaptiveConsistency, EarlyStopping

    rules: dict[str, Callable[[], Any]] = {
        f"adaptive consistency {c:g}": partial(AdaptiveConsistency, c, max_draws=most) for c in confidences
    }
    return rules | {f"windows of {window}": partial(EarlyStopping, window=window, max_draws=most)}


def _by_score(
    targets: tuple[float, ...], confidences: tuple[float, ...], peek: int, most: int
) -> dict[str, Callable[[], Any]]:
    from neff.sampling.stopping import FirstAbove, OptScale

    rules: dict[str, Callable[[], Any]] = {}
    for t in targets:
        rules[f"first above {t:g}"] = partial(FirstAbove, t, max_draws=most)
        for c in confidences:
            options: dict[str, Any] = {"confidence": c, "peek": peek, "max_draws": most, "every": None}
            rules[f"OptScale {t:g}, {c:g}"] = partial(OptScale, t, **options)
            rules[f"OptScale {t:g}, {c:g}, no early stop"] = partial(OptScale, t, stop_if_hit=False, **options)
    return rules
