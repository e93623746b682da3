"""Models propose labels, people only reject: which labels stand, how wrong they are, and what people should label.

What it estimates: the share of wrong labels among the accepted ones, from a random audit. Rejecting takes out what is
wrong; what no model proposed stays missing, and only the audit sees it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.labeling.deferral import deferral_curve
from neff.benchmark.labeling.label_sets import as_text, label_sets
from neff.benchmark.labeling.metrics import label_metrics
from neff.benchmark.labeling.result import (
    ACCEPTED,
    ALL_REJECTED,
    NO_MAJORITY,
    NOTHING_PROPOSED,
    SEVERAL_LEFT,
    HybridLabels,
    ProposalRecord,
)
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Estimate, Verdict
from neff.stats import clopper_pearson, wilson
from neff.stats._options import check_choice, seeded
from neff.stats._validate import check_level, check_number, check_same_length, check_vector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from neff.benchmark.labeling.label_sets import Labels

__all__ = ["hybrid_labels"]

CALL = "hybrid_labels"
RULES = ("union", "majority")
NO_LABELS: Labels = frozenset()
WITHOUT = (NOTHING_PROPOSED, NO_MAJORITY, ALL_REJECTED, SEVERAL_LEFT)


def hybrid_labels(
    proposals: Mapping[str, Sequence[Any]],
    *,
    items: Sequence[Any] | None = None,
    rejected: Sequence[Any] | None = None,
    audit: Sequence[Any] | None = None,
    confidence: ArrayLike | None = None,
    rule: str = "union",
    exclusive: bool | None = None,
    target: float | None = None,
    human_error: float = 0.0,
    level: float = 0.95,
    n_resamples: int = 1000,
    rng: Any = None,
) -> HybridLabels:
    """Put together the labels that models propose, take out what people rejected, and say what is left wrong.

    Use it to make a training set for a small model: several models propose, people look at proposals only, a random
    part is labeled with care. Then `fit_learning_curve` says how many of them are worth their price. Not without an
    audit where the error matters: agreement of models is no proof, for they err together.

    Parameters
    ----------
    proposals
        By model the labels that it proposes: of each item a label, a list of labels, or None, shape (n_items,).
    items
        Names of the items; by default their numbers from 1.
    rejected
        Of each item the labels that a person rejected, None or empty where all may stand. None: nobody looked.
    audit
        The right labels of items that were drawn at random, None for the others; an empty list where no label is right.
    confidence
        Of each item, larger is surer; by default the share of models that propose just the accepted labels.
    rule
        "union": whatever a model proposes, as in the paper. "majority": what more than half of the models with a
        proposal do.
    exclusive
        Whether an item has just one label: with several left it is not accepted. By default, if no model and no audit
        ever gives two.
    target
        Largest share of wrong items that is allowed, declared before looking.
    human_error
        Share of wrong labels among those that people give in full.
    level
        Coverage of the intervals.
    n_resamples, rng
        Bootstrap of items for the measures (SPEC 7).

    Returns
    -------
    HybridLabels
        Accepted labels, residual error, verdict, a record per model, and the deferral curve.

    Raises
    ------
    ArgumentError
        If lengths differ, or a label was rejected that nobody proposed.

    Notes
    -----
    Assumes that audited items are a random sample, whatever was proposed, and audits are right. An item is wrong unless
    its accepted labels are just the right ones. The interval is Clopper and Pearson's: it holds its level at any number
    of audited items. O(n_items n_models).

    References
    ----------
    Carammia, Iacus and Porro, Rethinking Scale: The Efficacy of Fine-Tuned Open-Source LLMs. arXiv:2411.00890

    Examples
    --------
    >>> proposals = {"small": ["war", "trade", "war", "health"], "large": ["war", "trade", "trade", "tax"]}
    >>> found = hybrid_labels(proposals, rejected=[None, None, "war", "tax"], audit=["war", None, "trade", None])
    >>> found.labels, found.n_decisions
    ((('war',), ('trade',), ('trade',), ('health',)), 6)
    >>> found.residual.value, round(found.residual.interval[1], 3)
    (0.0, 0.842)
    """
    level = check_level(level, call=CALL)
    check_choice(rule, RULES, argument="rule", call=CALL)
    if target is not None:
        target = check_number(target, argument="target", call=CALL)
        if not 0 < target < 1:
            raise ArgumentError("target", "a share between 0 and 1", target, call=CALL)
    if not proposals:
        raise ArgumentError("proposals", "labels of one model or more", "none", call=CALL)
    votes = {str(model): label_sets(told, argument="proposals", call=CALL) for model, told in proposals.items()}
    n = check_same_length(call=CALL, **votes)
    out = _of_items(rejected, "rejected", n)
    right = _of_items(audit, "audit", n)
    names = tuple(map(as_text, items)) if items is not None else tuple(str(i + 1) for i in range(n))
    if len(names) != n:
        raise ArgumentError("items", f"{n} names", len(names), call=CALL)
    generator, seed = seeded(rng, call=CALL)
    columns = list(votes.values())
    if exclusive is None:
        exclusive = all(own is None or len(own) <= 1 for column in (*columns, right) for own in column)
    shown, accepted, states = [], [], []
    for i, own in enumerate(zip(*columns, strict=True)):
        _check_rejected(out[i], own, i)
        shown.append(_merged(own, rule))
        left = shown[-1] - (out[i] or NO_LABELS)
        states.append(_state(shown[-1], left, proposed=any(own), exclusive=exclusive))
        accepted.append(left if states[-1] == ACCEPTED else NO_LABELS)
    kept = np.array([state == ACCEPTED for state in states], bool)
    same = np.array(
        [[vote == labels for vote, labels in zip(column, accepted, strict=True)] for column in columns], bool
    )
    agreement = np.where(kept, same.mean(axis=0), np.nan)
    wrong = np.array([math.nan if r is None else float(r != a) for r, a in zip(right, accepted, strict=True)])
    sure = agreement if confidence is None else _confidence(confidence, n)
    audited = kept & ~np.isnan(wrong)
    pairs = [(right[i], accepted[i]) for i in np.flatnonzero(audited)]
    residual = _residual(int(wrong[audited].sum()), int(audited.sum()), level, int(kept.sum()))
    return HybridLabels(
        items=names, labels=tuple(tuple(sorted(own)) for own in accepted), states=tuple(states), agreement=agreement,
        models=tuple(_record(m, votes[m], out, kept, same[k], level) for k, m in enumerate(votes)), residual=residual,
        metrics=None if not pairs else label_metrics(
            *zip(*pairs, strict=True), level=level, n_resamples=n_resamples, rng=generator
        ),
        deferral=None if audit is None else deferral_curve(
            sure[kept], wrong[kept], target=target, human_error=human_error, n_sent=int(n - kept.sum()), level=level
        ),
        verdict=_verdict(residual, target), target=target,
        n_decisions=0 if rejected is None else sum(map(len, shown)),
        n_rejected=sum(len(s & (o or NO_LABELS)) for s, o in zip(shown, out, strict=True)), rule=rule,
        exclusive=exclusive, level=level, seed=seed,
        notes=_notes(rejected is None, int((~np.isnan(wrong) & ~kept).sum()), states),
    )  # fmt: skip


def _of_items(values: Sequence[Any] | None, argument: str, n: int) -> list[Labels | None]:
    if values is None:
        return [None] * n
    found = label_sets(values, argument=argument, call=CALL)
    if len(found) != n:
        raise ArgumentError(argument, f"as long as the proposals ({n})", len(found), call=CALL)
    return found


def _confidence(confidence: ArrayLike, n: int) -> NDArray[np.float64]:
    sure = check_vector(confidence, argument="confidence", call=CALL, allow_inf=True)
    if len(sure) != n:
        raise ArgumentError("confidence", f"as long as the proposals ({n})", len(sure), call=CALL)
    return sure


def _check_rejected(out: Labels | None, own: tuple[Labels | None, ...], i: int) -> None:
    for label in sorted(out or ()):
        if not any(label in (vote or NO_LABELS) for vote in own):
            fix = f"Nobody proposed {label!r} for item {i + 1}."
            raise ArgumentError("rejected", "labels that were proposed", label, fix, call=CALL)


def _merged(own: tuple[Labels | None, ...], rule: str) -> Labels:
    given = [vote for vote in own if vote]
    everything = NO_LABELS.union(*given)
    if rule == "union":
        return everything
    return frozenset(label for label in everything if 2 * sum(label in vote for vote in given) > len(given))


def _state(shown: Labels, left: Labels, *, proposed: bool, exclusive: bool) -> str:
    if not shown:
        return NO_MAJORITY if proposed else NOTHING_PROPOSED
    if not left:
        return ALL_REJECTED
    return SEVERAL_LEFT if exclusive and len(left) > 1 else ACCEPTED


def _record(
    model: str, votes: list[Labels | None], out: list[Labels | None], kept: NDArray[np.bool_],
    same: NDArray[np.bool_], level: float,
) -> ProposalRecord:  # fmt: skip
    gave = np.array([bool(vote) for vote in votes], bool) & kept
    n, hits = int(gave.sum()), int((gave & same).sum())
    low, high, _ = wilson(hits, n, level=level)
    n_rejected = sum(len((vote or NO_LABELS) & (o or NO_LABELS)) for vote, o in zip(votes, out, strict=True))
    return ProposalRecord(
        model, sum(map(bool, votes)), sum(len(vote or ()) for vote in votes), n_rejected, hits / n if n else math.nan,
        (low, high),
    )  # fmt: skip


def _residual(n_wrong: int, n: int, level: float, n_kept: int) -> Estimate:
    low, high, _ = clopper_pearson(n_wrong, n, level=level)
    value = n_wrong / n if n else math.nan
    return Estimate(
        value, math.sqrt(value * (1 - value) / n) if 0 < n_wrong < n else math.nan, (low, high), level=level, n=n,
        n_items=n, n_unscored=n_kept - n, metric="residual error", method="Clopper-Pearson, random audit",
        assumptions=("audited items are a random sample", "the audit is right"),
        reason=None if n else Reason.NO_LABELS,
    )  # fmt: skip


def _verdict(residual: Estimate, target: float | None) -> Verdict:
    if target is None:
        return Verdict.NOT_GRADED
    if residual.reason is not None:
        return Verdict.NOT_CHECKED
    low, high = residual.interval
    if high <= target:
        return Verdict.HOLDS
    return Verdict.FAILS if low > target else Verdict.UNDECIDED


def _notes(nobody: bool, n_unused: int, states: list[str]) -> tuple[str, ...]:  # noqa: FBT001
    notes = ["nobody has looked at the proposals yet: no rejections were given"] if nobody else []
    without = ((state, states.count(state)) for state in WITHOUT)
    notes += [
        f"{count:,} {'item' if count == 1 else 'items'} without accepted labels: {state}"
        for state, count in without
        if count
    ]
    if n_unused:
        have, say = ("item has", "says") if n_unused == 1 else ("items have", "say")
        notes.append(f"{n_unused:,} audited {have} no accepted labels and {say} nothing about the accepted ones")
    return tuple(notes)
