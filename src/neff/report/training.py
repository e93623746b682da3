"""TrainingRun -> Document: what checks found, where the effective sample size collapsed, and the course of the run."""

from __future__ import annotations

import math
from functools import partial
from statistics import fmean, median
from typing import TYPE_CHECKING

from neff.report.document import Bullets, Document, Fact, Notice, Section, TableBlock, document, gate_notices
from neff.report.line_chart import LineChart, ReferenceLine, Series, line_figure, short_number
from neff.report.text import Name, clean, label, plural
from neff.train.ess import COLLAPSED_BELOW
from neff.train.history import StepReport, TrainingRun
from neff.train.warning_rule import RECORD, early_warning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from neff.report.document import Figure, Gate, Level, Text

__all__ = ["training_document"]

LAST = 10
"""Steps that "at the end" means."""
SOME = 0.1
"""Share of collapsed steps that the title speaks of, where the end of the run is sound."""
MOST_METRICS = 8
LONGEST_MESSAGE = 400
_LEVELS: dict[str, Level] = {"refuse": "error", "warn": "warning", "note": "note"}
_WORDS = {"refuse": "Refused", "warn": "Warning", "note": "Note"}


@document.register(TrainingRun)
def training_document(result: TrainingRun, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a training run: findings first, then the curves."""
    every = list(_figures(result))
    sections = [
        Section((figure.title,), (figure,), "result" if figure.title in _ON_TOP else "detail") for figure in every
    ]
    steps = TableBlock(
        result.table(), "All steps", _brief(result), f"{len(result.steps):,} optimizer steps.", open=False
    )
    sections.append(Section(("All steps",), (steps,), "origin"))
    sections.append(Section(("How to read this",), (Bullets(tuple((note,) for note in _notes(result))),), "context"))
    return Document(
        title=_title(result),
        kind="training run",
        kicker=_kicker(result),
        lead=tuple((sentence,) for sentence in _lead(result)),
        facts=_facts(result),
        notices=(*gate_notices(gates), *_notices(result)),
        sections=tuple(sections),
    )


# The finding.


def _title(run: TrainingRun) -> Text:
    refused = list(dict.fromkeys(finding.name for finding, *_ in run.found() if finding.severity == "refuse"))
    if refused:
        named = [part for name in refused[:3] for part in (", ", Name(name))][1:]
        more = f" and {len(refused) - 3} more" if len(refused) > 3 else ""
        return ("The ratios of this run cannot be trusted: refused by ", *named, more)
    floor = [step.ess_sequence.collapsed for step in run.steps]
    if any(floor[-LAST:]) or sum(floor) > SOME * len(floor):
        return (f"The sequence ESS is at its floor in {sum(floor):,} of {plural(len(floor), 'step')}",)
    of = {"responses": _end(run, _sequence), "tokens": _end(run, _token)}
    worth = [f"{_percent(share)} of its {what}" for what, share in of.items() if not math.isnan(share)]
    if worth:
        return (f"At the end a batch is worth {' and '.join(worth)}",)
    if any(math.isfinite(_token(step)) for step in run.steps):
        return (f"The last {LAST} of {plural(len(run.steps), 'step')} have no effective sample size",)
    return (f"{plural(len(run.steps), 'step')} without an effective sample size",)


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.3g}%"


def _token(step: StepReport) -> float:
    return step.ess_token.value


def _sequence(step: StepReport) -> float:
    return step.ess_sequence.value


def _reward(step: StepReport) -> float:
    return step.reward


def _end(run: TrainingRun, take: Callable[[StepReport], float], *, middle: bool = True) -> float:
    """Return the median (or mean) over the last steps that have the number."""
    seen = [value for value in map(take, run.steps[-LAST:]) if math.isfinite(value)]
    if not seen:
        return math.nan
    return median(seen) if middle else fmean(seen)


def _kicker(run: TrainingRun) -> Text:
    first, last = run.steps[0].step, run.steps[-1].step
    sizes = [step.n_sequences for step in run.steps]
    name: Text = (Name(run.name), " · ") if run.name else ()
    ranks = max(step.n_ranks for step in run.steps)
    over = f" · {ranks} ranks" if ranks > 1 else ""
    return (*name, f"steps {first:,} to {last:,} · {median(sizes):,.0f} responses per step{over}")


def _lead(run: TrainingRun) -> Iterator[str]:
    token, sequence = _end(run, _token), _end(run, _sequence)
    shares = [
        f"median {kind} ESS is {share:.3f}"
        for kind, share in (("token", token), ("sequence", sequence))
        if not math.isnan(share)
    ]
    if shares:
        steps = plural(min(LAST, len(run.steps)), "step")
        yield f"Over the last {steps} the {' and the '.join(shares)}, as shares of n."
    stretches = run.collapses()
    if stretches:
        first, last = max(stretches, key=lambda pair: pair[1] - pair[0])
        where = f"at step {first:,}" if first == last else f"from step {first:,} to {last:,}"
        several = f"in {len(stretches):,} stretches, the longest {where}" if len(stretches) > 1 else where
        yield f"Fewer than three responses carry the batch {several}: there the value means nothing."
    rewards = [(step.reward, step.step) for step in run.steps if math.isfinite(step.reward)]
    if rewards:
        best, at = max(rewards, key=lambda pair: (pair[0], -pair[1]))
        end = _end(run, _reward, middle=False)
        yield f"Reward: {end:.3f} at the end (mean of the last steps), highest {best:.3f} at step {at:,}."


def _facts(run: TrainingRun) -> tuple[Fact, ...]:
    sizes = [step.n_sequences for step in run.steps]
    floor = f"of responses, floor {1 / median(sizes):.2g}" if median(sizes) else "of responses"
    facts = [
        Fact("Steps", f"{len(run.steps):,}"),
        Fact("Token ESS", _percent(_end(run, _token)), ("of tokens, at the end",)),
        Fact("Sequence ESS", _percent(_end(run, _sequence)), (floor,)),
    ]
    lags = [step.lag_max for step in run.steps if math.isfinite(step.lag_max)]
    if lags:
        facts.append(Fact("Largest lag", f"{max(lags):,.0f}", ("optimizer steps",)))
    return tuple(facts)


def _notices(run: TrainingRun) -> Iterator[Notice]:
    for finding, first, last, times in run.found():
        where = f"step {first:,}" if first == last else f"steps {first:,} to {last:,}, {times:,} of them"
        word = f"{_WORDS[finding.severity]}: {label(finding.name, 40)}"
        message = clean(finding.message)
        message = message if len(message) <= LONGEST_MESSAGE else message[:LONGEST_MESSAGE] + "…"
        yield Notice(_LEVELS[finding.severity], (f"({where}) {message}",), word)
    for note in run.notes:
        yield Notice("note", (note,), "Not read" if "cut off" in note or "left out" in note else "Note")


_READING = (
    (
        "ESS: (sum w)^2 / (n sum w^2) of the ratios pi/mu, never truncated, over one optimizer step; of tokens, or of "
        "whole responses (products over their tokens). It cannot be below 1/n."
    ),
    (
        f"Collapsed (shaded): fewer than {COLLAPSED_BELOW:g} responses carry the batch. Then the value says how many "
        "responses there were, not how far the policies are apart."
    ),
    (
        "Bands are 95% intervals between prompts (between responses where no prompts were given), by the jackknife; "
        "where weights are too heavy for an interval that covers, there is none."
    ),
    (
        "A low ESS is a warning, not a proof: runs train well at a sequence ESS of 0.1, and a token ESS near 1 has "
        "gone with a collapse. Look at reward and entropy beside it."
    ),
)


def _notes(run: TrainingRun) -> Iterator[str]:
    yield from _READING
    steps, shares = run.series(_token)
    rewards = run.series(_reward)[1]
    if any(map(math.isfinite, rewards)):
        at = early_warning((int(step) for step in steps), shares, rewards)
        held = "never holds" if at is None else f"holds from step {at:,} on"
        rule = "median token ESS of 10 steps below 0.7 after the highest reward"
        yield f"Early-warning rule, looking back ({rule}): {held}. {RECORD}"


# The curves.

_ON_TOP = ("Effective sample size", "Reward")


def _figures(run: TrainingRun) -> Iterator[Figure]:
    yield _ess(run)
    yield from _one(run, "Reward", "reward", "mean reward of a response", band="reward_standard_error")
    yield from _one(run, "Entropy", "entropy", "nats per token", about="Mean entropy of the policy at a token.")
    yield from _one(
        run, "Log mean ratio", "log_mean_ratio_token", "nats", band="log_mean_ratio_token_standard_error",
        references=(ReferenceLine(0.0, "likelihood ratios"),),
        about="Logarithm of the mean token ratio. Away from 0 the log-probabilities are not those of the sampler.",
    )  # fmt: skip
    yield from _several(
        run, "Learning rate", {"lr_factor": "factor of ESS scaling"}, "share of the learning rate",
        "What ESS scaling left of the learning rate.", y_range=(0.0, 1.0),
    )  # fmt: skip
    yield from _several(
        run, "Staleness", {"lag_mean": "mean", "lag_max": "largest"}, "optimizer steps",
        "How much older the weights of the sampler were.",
    )  # fmt: skip
    yield from _several(
        run, "Ratios above the cap", {"cap_hit_token": "tokens", "cap_hit_sequence": "responses"}, "share",
        "Shares of the ratios that the loss truncates.",
    )  # fmt: skip
    yield from _several(
        run, "Tail of the sequence weights", {"pareto_k": "Pareto k"}, "Pareto k",
        "Above 0.7 a mean weighted by the sequence ratios is unreliable at any batch size.",
        references=(ReferenceLine(0.7, "unreliable above 0.7"),),
    )  # fmt: skip
    yield from _several(
        run, "Informative prompts", {"informative_group_share": "share of prompts"}, "share of prompts",
        "Prompts with at least two rewards that differ; the others have no advantage.", y_range=(0.0, 1.0),
    )  # fmt: skip
    names = list(dict.fromkeys(name for step in run.steps for name in step.metrics))
    for name in names[:MOST_METRICS]:
        steps, values = run.series(partial(_metric, name=name))
        shown = label(name, 60)
        chart = LineChart((Series(shown, steps, values),), "optimizer step", shown)
        yield line_figure(chart, f"Own number: {shown}", "As the training loop gave it.")


def _metric(step: StepReport, name: str) -> float:
    return float(step.metrics.get(name, math.nan))


def _ess(run: TrainingRun) -> Figure:
    steps, token = run.series(_token)
    sequence = run.series(_sequence)[1]
    bands = [
        [tuple(float(getattr(step, name).interval[end]) for step in run.steps) for end in (0, 1)]
        for name in ("ess_token", "ess_sequence")
    ]
    series = tuple(
        Series(name, steps, values, *(ends if any(map(math.isfinite, ends[0])) else ()))
        for name, values, ends in zip(("token", "sequence"), (token, sequence), bands, strict=True)
    )
    n = median(step.n_sequences for step in run.steps)
    lines = (
        (ReferenceLine(1 / n, "floor 1/n"), ReferenceLine(COLLAPSED_BELOW / n, "collapsed below 3/n")) if n > 3 else ()
    )
    shades = tuple((float(first), float(last)) for first, last in run.collapses())
    level = next((step.ess_token.level for step in run.steps), 0.95)
    chart = LineChart(
        series, "optimizer step", "share of n", y_scale="log", references=lines, shades=shades,
        shade_label="collapsed", band_label=f"{100 * level:g}% interval",
    )  # fmt: skip
    about = "What a batch is worth, as a share of its tokens and of its responses (logarithmic axis)."
    floor = f" The lines are for {n:,.0f} responses, the median." if lines else ""
    return line_figure(chart, "Effective sample size", about + floor)


def _one(
    run: TrainingRun,
    title: str,
    name: str,
    axis: str,
    *,
    band: str = "",
    about: str = "",
    references: tuple[ReferenceLine, ...] = (),
) -> Iterator[Figure]:
    """Yield the figure of one number with its interval, if any step has it."""
    steps, values = run.series(name)
    if not any(map(math.isfinite, values)):
        return
    low, high = _interval(run, name, band) if band else ((), ())
    series = Series(axis, steps, values, low, high)
    chart = LineChart(
        (series,), "optimizer step", axis, references=references, band_label="95% interval" if low else ""
    )
    said = about or f"{axis.capitalize()}."
    yield line_figure(chart, title, said + (" The band is its 95% interval." if low else ""))


def _interval(run: TrainingRun, name: str, band: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    from neff.stats._special import t_quantile

    low, high = [], []
    for step in run.steps:
        clusters = step.n_groups or step.n_sequences
        half = t_quantile(0.975, clusters - 1) * getattr(step, band) if clusters > 1 else math.nan
        low.append(getattr(step, name) - half)
        high.append(getattr(step, name) + half)
    return (tuple(low), tuple(high)) if any(map(math.isfinite, low)) else ((), ())


def _several(
    run: TrainingRun,
    title: str,
    names: dict[str, str],
    axis: str,
    about: str,
    *,
    references: tuple[ReferenceLine, ...] = (),
    y_range: tuple[float, float] | None = None,
) -> Iterator[Figure]:
    """Yield the figure of several numbers on one axis, if any step has one."""
    found = [Series(said, *run.series(name)) for name, said in names.items()]
    series = tuple(one for one in found if any(map(math.isfinite, one.y)))
    if not series:
        return
    chart = LineChart(series, "optimizer step", axis, references=references, y_range=y_range)
    last = "; ".join(f"{one.label} {short_number(_last(one.y))}" for one in series)
    yield line_figure(chart, title, f"{about} At the end: {last}.")


def _last(values: Sequence[float]) -> float:
    return next((value for value in reversed(values) if math.isfinite(value)), math.nan)


def _brief(run: TrainingRun) -> tuple[str, ...]:
    """Return the columns that say something in this run."""
    table = run.table()
    used = (
        column.name
        for k, column in enumerate(table.columns)
        if any(row[k] not in ("", 0) and not (isinstance(row[k], float) and math.isnan(row[k])) for row in table.rows)
    )
    return tuple(used) or ("step",)
