"""`evaluate`: every model's score, every pair of models, and who cannot be told from the best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neff.errors import ArgumentError, ArgumentTypeError, RecordsError
from neff.evaluate.answers import target_columns
from neff.evaluate.average import policy_contests
from neff.evaluate.judge_options import Estimator, JudgeOptions
from neff.evaluate.means.blocks import Unscored, blocks
from neff.evaluate.means.group import groups
from neff.evaluate.notes import judged_notes, mean_notes, unused_note
from neff.evaluate.options import Aggregate, Options
from neff.evaluate.result import Evaluation, group_key
from neff.evaluate.standing import Pairs, conclude
from neff.records import ItemSums, Records
from neff.records.big import load
from neff.results import Provenance
from neff.stats._options import seeded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neff.evaluate.calibrating.calibration import Mode
    from neff.evaluate.means.pair import PairedTest
    from neff.evaluate.standing import Contest
    from neff.records.big import Engine
    from neff.stats.multiplicity import Correction

__all__ = ["evaluate"]


def evaluate(
    records: Any,
    *,
    level: float = 0.95,
    correction: Correction = "holm",
    margin: float = 0.0,
    aggregate: Aggregate = "macro",
    unscored: Unscored = "exclude",
    lower_is_better: bool | None = None,
    pairs: Pairs = True,
    tests: Sequence[PairedTest] = (),
    n_resamples: int = 10_000,
    estimator: Literal["auto", "mean"] | Estimator = "auto",
    scale: tuple[float, float] = (0.0, 1.0),
    calibration: Mode = "auto",
    covariates: Sequence[str] = (),
    propensity: str | None = None,
    n_folds: int | None = None,
    inference: Literal["analytic", "bootstrap"] = "analytic",
    log_prob: str | None = None,
    target_log_prob: Mapping[str, str] | Sequence[str] = (),
    engine: Engine = "auto",
    rng: int | np.random.Generator | None = None,
    **columns: Any,
) -> Evaluation:
    """Score every model with an honest interval, and compare every pair on the same items.

    It sees what is there. Scores alone are averaged as they stand. Scores of a judge beside labels on a random slice
    are calibrated to the labels' scale first, and each model's mean is corrected by its own labels. Do not use it on
    labels that were chosen for cause (complaints, low scores): nothing in the data shows that, and nothing mends it.

    Parameters
    ----------
    records
        `Records`; a path or list of paths (CSV, JSONL, Parquet, Inspect, lm-eval logs, folders of them); any
        dataframe; a dict of arrays; a Ray dataset; or the `ItemSums` of `neff.records.summarise`. One row per draw, or
        one column per model.
    level
        Coverage of the intervals, in (0, 1).
    correction
        For the comparisons of each (task, metric): "holm" and "bonferroni" bound the chance of any false
        difference, "benjamini-hochberg" the expected share of false ones, "none" nothing.
    margin
        A better model must win by more than this, in units of the score. Declare it before looking.
    aggregate
        Average over tasks, where there are several: "macro" (each task counts once), "micro" (each item counts
        once) or "none".
    unscored
        "exclude" draws without a score from the mean (they are counted), or call them "wrong" (score 0).
    lower_is_better
        True for losses; by default what the log says about its metric, else False.
    pairs
        True for all pairs, False for none, or the pairs (a, b) to compare.
    tests
        Further paired tests, any of "mcnemar", "permutation", "bootstrap"; their p-values go to `Comparison.tests`.
    n_resamples, rng
        Of the permutation and bootstrap tests and of `inference="bootstrap"`. `rng` is a Generator, an int, or None
        (SPEC 7).
    estimator
        "auto": "augmented" where there are labels, else "mean". "mean" takes the scores as they stand. With labels:
        "augmented" (calibrated, corrected by own labels), "augmented-tuned" (trusting the judge as far as it has
        earned), "plug-in" (calibrated, not corrected), "labels" (labelled answers alone), "judge" (mean score on the
        answers that "augmented" uses), "ppi" and "ppi++" (raw scores as predictions). With log-probabilities too:
        "dr" (doubly robust, with the labels' own residuals), "augmented-snips" (the same without fresh answers),
        "snips", "ips", and the published "raw-ips", "simcal-ips", "dr-cpo", "mrdr", "tmle", "tr-cpo", "tr-cpo-e",
        "stacked-dr".
    scale
        Lowest and highest possible label, declared.
    calibration
        "monotone", "two-stage" or "auto"; see `neff.evaluate.calibrating.calibration.calibrate`.
    covariates
        Names of kept columns that predict the label beside the score (length, a second judge).
    propensity
        Name of a kept column with the known probability that a row was labelled; None: labelled at random.
    n_folds
        Folds of prompts for cross-fitting and the jackknife; by default 20, or as many as prompts are labelled.
    log_prob, target_log_prob
        Kept columns with the natural log-probability of each whole logged answer, under the policy that gave it and
        under each target policy ({policy: column}, or columns named after the policy, `log_prob_new`). A target with
        answers of its own is judged by those; one without is estimated from logged answers, and refused
        where they do not overlap.
    inference
        "analytic", or "bootstrap": prompts reweighted and the calibrator refitted `n_resamples` times.
    engine
        How files become numbers; the result is the same to the last bit. "memory" reads all rows, "stream" only keeps
        sums per item and model, "ray" makes them in the caller's Ray cluster, "auto" streams files that would take
        more than half of the memory. Labels need "memory" or "auto".
    **columns
        Which column is what, where `records` is not yet a `Records`: `item`, `model`, `score`, `draw`, `task`,
        `metric`, `cluster`, `label`, `weight`, `target`, `wide`; see `neff.read`.

    Returns
    -------
    Evaluation
        Estimates, comparisons, the models tied with the best, notes.

    Raises
    ------
    ArgumentError
        If an option has a value that cannot be used.
    RecordsError
        If the records cannot be read or make no sense.

    Notes
    -----
    Estimand: the expected score on items like these, each item counting once. Standard errors treat items (or
    clusters) as the random sample: answers to one item are averaged first, so that repeats narrow the interval
    only by what sampling contributes [1]_. Calibrated means, weights and their gates follow [3]_, with the changes that
    the guide names. Clustered errors are CRV1 with t quantiles of (clusters - 1) degrees
    of freedom. Plain 0/1 scores get Wilson intervals, their differences Tango's score interval and McNemar's
    mid-p: the normal interval covers too rarely below a few hundred items [2]_.

    Cost: O(n log n) in draws, then O(items) per pair of models.

    References
    ----------
    .. [1] Miller, "Adding Error Bars to Evals", arXiv:2411.00640.
    .. [2] Bowyer et al., "Don't use the CLT in LLM evals with fewer than a few hundred datapoints",
       arXiv:2503.01747.
    .. [3] Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150.

    Examples
    --------
    >>> scores = {"item": [1, 2, 3, 4, 5] * 2, "model": ["a"] * 5 + ["b"] * 5, "score": [1, 1, 1, 0, 1, 0, 1, 0, 0, 1]}
    >>> result = evaluate(scores)
    >>> print(result.estimate("a"))
    a · all · score: 0.8000 ± 0.2000, 95% interval [0.3755, 0.9638], n = 5
    >>> print(result.comparison("a", "b").describe_verdict())
    not told apart
    """
    options = Options(
        level=level,
        correction=correction,
        margin=margin,
        aggregate=aggregate,
        unscored=unscored,
        tests=tests,  # type: ignore[arg-type]
        n_resamples=n_resamples,
        lower_is_better=lower_is_better,
    )
    generator, drawn = seeded(rng, call="evaluate")
    seed = drawn if options.tests or inference == "bootstrap" else None  # nothing else here is random
    named = [*covariates, propensity, log_prob, *target_columns(target_log_prob).values()]
    if "keep" not in columns and not isinstance(records, Records) and any(named):
        columns["keep"] = tuple(name for name in named if name)
    rows = estimator not in ("auto", "mean") or any(named)
    table = load(records, engine=engine, rows=rows, labels=estimator != "mean", **columns)
    if len(table) == 0:
        raise RecordsError("there are no rows.", "Give records with at least one scored draw.")
    pairs = _checked_pairs(pairs, table.model.levels)
    lower = frozenset(table.metric.levels if lower_is_better else ())
    if lower_is_better is None:
        lower = table.lower_is_better & frozenset(table.metric.levels)
    if lower and unscored == "wrong":
        raise ArgumentError(
            "unscored",
            "'exclude' where a lower score is better",
            "wrong",
            "A missing score would become 0, the best there is.",
            call="evaluate",
        )
    chosen = _chosen(estimator, table, target_log_prob)
    used: dict[str, Any] = {"estimator": chosen}
    if chosen == "mean" or isinstance(table, ItemSums):
        sums = table if isinstance(table, ItemSums) else ItemSums.of(table)
        found = list(blocks(sums, unscored=unscored))
        contests: Sequence[Contest] = groups(found, aggregate)
        notes = mean_notes(sums, found, unscored) + unused_note(
            {
                "scale": tuple(scale) != (0.0, 1.0),
                "calibration": calibration != "auto",
                "covariates": bool(covariates),
                "propensity": propensity is not None,
                "n_folds": n_folds is not None,
                "inference": inference != "analytic",
                "log_prob": log_prob is not None,
                "target_log_prob": bool(target_log_prob),
            }
        )
    else:
        judge = JudgeOptions(
            estimator=chosen,
            scale=scale,
            mode=calibration,
            covariates=tuple(covariates),
            propensity=propensity,
            n_folds=n_folds,
            inference=inference,
            log_prob=log_prob,
            targets=target_columns(target_log_prob),
        )
        contests = policy_contests(table, judge, options, generator)
        used |= judge.to_dict()
        notes = judged_notes(table, chosen) + unused_note(
            {"tests": bool(options.tests), "unscored": unscored == "wrong"}, "Labels are used"
        )
    metrics = list(dict.fromkeys(contest.metric for contest in contests))
    outcomes = [
        conclude(contest, options, pairs, generator, lower_is_better=contest.metric in lower) for contest in contests
    ]
    warned = [f"{outcome.task}: {outcome.warning}" for outcome in outcomes if outcome.warning]
    drew = inference == "bootstrap" and chosen != "mean"  # then every number is drawn, else the further tests alone
    return Evaluation(
        estimates=tuple(replace(e, seed=seed) if drew else e for outcome in outcomes for e in outcome.estimates),
        comparisons=tuple(
            replace(c, seed=seed) if drew or c.tests else c for outcome in outcomes for c in outcome.comparisons
        ),
        tied_with_best={
            group_key(outcome.task, outcome.metric, metrics): outcome.tied for outcome in outcomes if outcome.tied
        },
        level=options.level,
        correction=correction,
        lower_is_better=lower,
        gates=tuple(gate for outcome in outcomes for gate in outcome.gates),
        calibrations=tuple(curve for outcome in outcomes for curve in outcome.calibrations),
        notes=(*notes, *warned),
        unread=table.unread,
        provenance=_provenance("evaluate", table, options.to_dict() | used | {"seed": seed}, columns),
        backend=table.backend,
    )


def _checked_pairs(pairs: Any, models: Sequence[str]) -> Pairs:
    """Return True, False or the pairs asked for, each once."""
    if isinstance(pairs, bool):
        return pairs
    if isinstance(pairs, str) or not isinstance(pairs, Iterable):
        raise ArgumentTypeError(
            "pairs", "True, False or a list of pairs of models", pairs, "Write [('a', 'b')].", call="evaluate"
        )
    wanted: dict[frozenset[str], tuple[str, str]] = {}
    for pair in pairs:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2 or pair[0] == pair[1]:
            raise ArgumentError("pairs", "pairs of two models", pair, "Write [('a', 'b')].", call="evaluate")
        for model in pair:
            if model not in models:
                known = f"There are: {', '.join(models[:20])}."
                raise ArgumentError("pairs", "names of models in the records", model, known, call="evaluate")
        wanted.setdefault(frozenset(pair), (pair[0], pair[1]))
    return list(wanted.values())


def _chosen(
    estimator: Literal["auto", "mean"] | Estimator, table: Records | ItemSums, targets: Any
) -> Literal["mean"] | Estimator:
    """Return the estimator that "auto" stands for."""
    if estimator != "auto":
        return estimator
    if isinstance(table, ItemSums):
        return "mean"
    if table.label is not None and bool((~np.isnan(table.label)).any()):
        return "augmented"
    if targets:
        raise RecordsError(
            "there are log-probabilities, but no answer has a label: weighted answers are calibrated by labels.",
            "Name the column of labels, or leave out the log-probabilities for plain means.",
        )
    return "mean"


def _provenance(call: str, table: Records | ItemSums, options: dict[str, Any], columns: dict[str, Any]) -> Provenance:
    from neff import __version__

    asked = {name: _plain(value) for name, value in columns.items() if value is not None}
    return Provenance(
        neff_version=__version__,
        call=call,
        options=options | {"columns": asked},
        sources=tuple(source.to_dict() for source in table.sources),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value if isinstance(value, (str, int, float, bool)) else str(value)
