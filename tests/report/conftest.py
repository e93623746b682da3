"""Evaluations to report on: simulated, real (LiveBench), and hostile."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from neff.evaluate import evaluate
from neff.evaluate.result import Evaluation, group_key
from neff.results import Comparison, Estimate, Provenance, Reason, Unread, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</script><script>alert(3)</script>",
    "red\x1b[31mtext\x1b]0;title\x07",
    "evil\u202egnp.exe",
    '=HYPERLINK("http://example.invalid","x")',
    "@team #12 `code` | pipe *bold* $x$ https://example.invalid/a?b=1&c",
    "line\nbreak\ttab\r\x00",
    "long-" + "x" * 3000 + "-end",
    "long-" + "x" * 2999 + "y-end",
    "中文模型 émoji 👩\u200d🔬",
    "-->]]>&amp;&lt;",
    "half a pair \ud83d",
    "",
)


def holm(p: Sequence[float]) -> list[float]:
    order, out, worst = np.argsort(p), [math.nan] * len(p), 0.0
    for k, j in enumerate(order):
        worst = max(worst, min(1.0, (len(p) - k) * p[j]))
        out[j] = worst
    return out


def from_scores(
    scores: NDArray[np.float64],
    models: Sequence[str],
    *,
    task: str = "all",
    metric: str = "accuracy",
    compare: bool = True,
    lower: bool = False,
    level: float = 0.95,
) -> Evaluation:
    """Return the evaluation of a (items, models) array by plain normal statistics: good enough to be shown."""
    n, k = scores.shape
    z = 1.959964
    mean, se = scores.mean(axis=0), scores.std(axis=0, ddof=1) / math.sqrt(n)
    order = [int(j) for j in np.argsort(mean if lower else -mean, kind="stable")]
    estimates = tuple(
        Estimate(
            value=float(mean[j]),
            standard_error=float(se[j]),
            interval=(float(mean[j] - z * se[j]), float(mean[j] + z * se[j])),
            level=level,
            n=n,
            n_items=n,
            n_eff=float(n),
            n_eff_of="independent items with one draw each",
            method="mean over items, Student t interval on item means",
            assumptions=("items are a random sample and independent of each other",),
            task=task,
            model=models[j],
            metric=metric,
        )
        for j in order
    )
    comparisons: list[Comparison] = []
    if compare:
        pairs = [(a, b) for i, a in enumerate(order) for b in order[i + 1 :]]
        for a, b in pairs:
            difference = scores[:, a] - scores[:, b]
            d, s = float(difference.mean()), float(difference.std(ddof=1) / math.sqrt(n))
            flat = scores[:, a].std() == 0 or scores[:, b].std() == 0
            r = math.nan if flat else float(np.corrcoef(scores[:, a], scores[:, b])[0, 1])
            p = math.erfc(abs(d / s) / math.sqrt(2)) if s > 0 else 1.0
            comparisons.append(
                Comparison(
                    models[a],
                    models[b],
                    d,
                    s,
                    (d - z * s, d + z * s),
                    level=level,
                    n_items=n,
                    correlation=r,
                    p_value=p,
                    method="paired difference of item means, Student t",
                    task=task,
                    metric=metric,
                )
            )
        for j, p_adjusted in enumerate(holm([c.p_value for c in comparisons])):
            c = comparisons[j]
            ahead = (c.difference > 0) != lower
            told = Verdict.HOLDS if ahead else Verdict.FAILS
            verdict = told if p_adjusted <= 1 - level else Verdict.UNDECIDED
            comparisons[j] = replace(c, p_adjusted=p_adjusted, verdict=verdict)
    best = estimates[0].model
    apart = {c.b if c.a == best else c.a for c in comparisons if best in (c.a, c.b) and c.verdict in ("holds", "fails")}
    tied = tuple(e.model for e in estimates if e.model not in apart) if compare and k > 1 else ()
    return Evaluation(
        estimates,
        tuple(comparisons),
        {task: tied} if tied else {},
        level=level,
        lower_is_better=frozenset([metric] if lower else []),
        provenance=Provenance(
            "0.1.0",
            "neff evaluate scores.csv",
            {"level": level, "correction": "holm", "unscored": "exclude", "seed": None, "columns": {"item": "q"}},
            ({"path": "scores.csv", "format": "csv", "rows": n * k, "sha256": "ab" * 32},),
            "2026-01-13T12:00:00+00:00",
        ),
    )


def merge(parts: Sequence[Evaluation], **changes: Any) -> Evaluation:
    """Return several one-group evaluations as one."""
    metrics = list(dict.fromkeys(e.metric for part in parts for e in part.estimates))
    tied = {}
    for part in parts:
        first = part.estimates[0]
        if part.tied_with_best:
            tied[group_key(first.task, first.metric, metrics)] = next(iter(part.tied_with_best.values()))
    merged = replace(
        parts[0],
        estimates=tuple(e for part in parts for e in part.estimates),
        comparisons=tuple(c for part in parts for c in part.comparisons),
        tied_with_best=tied,
        lower_is_better=frozenset().union(*(part.lower_is_better for part in parts)),
    )
    return replace(merged, **changes)


def simulated(
    n_models: int = 5, n_items: int = 211, *, names: Sequence[str] | None = None, seed: int = 7, **options: Any
) -> Evaluation:
    """Return the evaluation of 0/1 answers of models that share the items' difficulty."""
    rng = np.random.default_rng(seed)
    skill = np.sort(rng.normal(0.3, 0.8, n_models))[::-1]
    difficulty = rng.normal(0, 1.2, (n_items, 1))
    scores = (rng.logistic(0, 1, (n_items, n_models)) < skill - difficulty).astype(float)
    return from_scores(scores, names or [f"model-{j:02d}" for j in range(n_models)], **options)


def livebench(path: Path, n_models: int, *, task: str | None = None) -> Evaluation:
    """Return real scores: the first models by name that answered every question (of one task)."""
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.read_parquet(path / "livebench.parquet")
    if task:
        frame = frame[frame.task == task]
    wide = frame.pivot_table(index="question_id", columns="model", values="score", aggfunc="mean")
    wide = wide[wide.notna().sum().sort_values(ascending=False, kind="stable").index[:n_models]].dropna()
    return from_scores(wide.to_numpy(dtype=float), [str(c) for c in wide.columns], task=task or "all", metric="score")


def hostile() -> Evaluation:
    """Return an evaluation whose every text tries to break out."""
    base = simulated(len(HOSTILE), 53, names=HOSTILE, task=HOSTILE[0], metric=HOSTILE[1])
    return replace(
        base,
        notes=tuple(f"note {text}" for text in HOSTILE),
        unread=tuple(Unread(text, text) for text in HOSTILE),
        provenance=Provenance("0.1.0", HOSTILE[2], {HOSTILE[0]: HOSTILE[3]}, ({"path": HOSTILE[4]},), HOSTILE[0]),
        estimates=tuple(
            replace(e, warnings=(HOSTILE[j % len(HOSTILE)],), method=HOSTILE[0], assumptions=(HOSTILE[1],))
            for j, e in enumerate(base.estimates)
        ),
        comparisons=tuple(replace(c, tests={HOSTILE[0]: 0.5}, method=HOSTILE[2]) for c in base.comparisons),
    )


def undefined() -> Evaluation:
    """Return an evaluation with every kind of undefined number."""
    base = simulated(5, 61)
    nan = math.nan
    e0, e1, e2, e3, e4 = base.estimates
    lost = replace(
        e4, value=nan, standard_error=nan, df=nan, interval=(nan, nan), n=0, n_items=0, n_eff=nan, n_unscored=61,
        reason=Reason.NO_SCORED,
    )  # fmt: skip
    one = replace(
        e3, standard_error=nan, df=nan, interval=(nan, nan), n_eff=nan, n_clusters=1, reason=Reason.ONE_CLUSTER
    )
    comparisons = tuple(
        replace(
            c, difference=nan, standard_error=nan, df=nan, interval=(nan, nan), p_value=nan, p_adjusted=nan,
            correlation=nan, n_items=0, verdict=Verdict.NOT_CHECKED, reason=Reason.NO_COMMON_ITEMS,
        )
        if lost.model in (c.a, c.b)
        else c
        for c in base.comparisons
    )  # fmt: skip
    return replace(
        base,
        estimates=(
            replace(e0, warnings=("only 4 clusters: the interval rests on as many numbers",)),
            e1,
            e2,
            one,
            lost,
        ),
        comparisons=comparisons,
        unread=(Unread("logs/broken.eval", "the zip file ends early"),),
        notes=("61 of 305 draws have no score: counted, not used.",),
    )


def refused() -> Evaluation:
    """Return an evaluation whose highest score is refused."""
    base = simulated(5, 211)
    first, *others = base.estimates
    names = [e.model for e in others]
    comparisons = tuple(
        replace(c, verdict=Verdict.NOT_GRADED) if first.model in (c.a, c.b) else c for c in base.comparisons
    )
    return replace(
        base,
        estimates=(replace(first, refused="the oracle slice does not reach the scores of this policy"), *others),
        comparisons=comparisons,
        tied_with_best={"all": (names[0],)},
        notes=(f"{first.model} has the best value, but it is refused; {names[0]} is named best.",),
    )


def judged() -> Evaluation:
    """Return calibrated scores: labels on two models, and a third, hostile by name, that is refused."""
    rng = np.random.default_rng(5)
    names = ("base", HOSTILE[1], HOSTILE[0])
    score = np.clip(rng.normal([[0.3], [0.4], [0.97]], [[0.15], [0.15], [0.005]], (3, 151)), 0, 1).round(2)
    label = np.where(rng.random((3, 151)) < 0.5, np.clip(score + rng.normal(0, 0.1, score.shape), 0, 1), np.nan)
    label[2] = np.nan
    return evaluate(
        {
            "item": [f"q{i}" for _ in names for i in range(151)],
            "model": [name for name in names for _ in range(151)],
            "score": score.ravel(),
            "label": label.ravel(),
        },
        label="label",
    )


@pytest.fixture(scope="session")
def make() -> Callable[..., Evaluation]:
    """`make(n_models, n_items, ...)`: a simulated evaluation."""
    return simulated


@pytest.fixture(scope="session")
def make_hostile() -> Callable[[], Evaluation]:
    """An evaluation whose every text tries to break out."""
    return hostile


@pytest.fixture(scope="session")
def hostile_names() -> tuple[str, ...]:
    """The names that try to break out."""
    return HOSTILE


@pytest.fixture(scope="session")
def make_undefined() -> Callable[[], Evaluation]:
    """An evaluation with undefined numbers, warnings and an unread file."""
    return undefined


@pytest.fixture(scope="session")
def make_many() -> Callable[..., Evaluation]:
    """`make_many(tasks, metrics, n_models)`: an evaluation of several groups."""

    def many(
        tasks: Sequence[str] = ("math", "code"), metrics: Sequence[str] = ("accuracy",), n_models: int = 5
    ) -> Evaluation:
        parts = [
            simulated(n_models, 53 + 6 * i, seed=3 + i, task=task, metric=metric, lower=metric == "loss")
            for i, (task, metric) in enumerate((t, m) for m in metrics for t in tasks)
        ]
        return merge(parts)

    return many


@pytest.fixture(scope="session")
def make_livebench(neff_data: Path) -> Callable[..., Evaluation]:
    """`make_livebench(n_models)`: real scores."""
    return lambda n_models, **options: livebench(neff_data, n_models, **options)


@pytest.fixture(scope="session")
def samples(make_many: Callable[..., Evaluation]) -> dict[str, Evaluation]:
    """One evaluation of every kind that a report must get right."""
    return {
        "five models": simulated(5, 211),
        "one model": simulated(1, 53),
        "two models": simulated(2, 211),
        "no comparisons": simulated(5, 53, compare=False),
        "undefined": undefined(),
        "refused": refused(),
        "hostile": hostile(),
        "judged": judged(),
        "tasks and metrics": make_many(("math", "code", "law"), ("accuracy", "loss")),
        "nothing": Evaluation(()),
    }
