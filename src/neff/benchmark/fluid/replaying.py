"""`replay_fluid`: adaptive item selection on answers that are already known, beside random items and all items."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neff.benchmark.fluid.quality import rank_distance
from neff.benchmark.fluid.replay_result import FluidReplay, ReplayRow
from neff.benchmark.fluid.selecting import best
from neff.benchmark.irt.logistic import Items, item_information
from neff.benchmark.irt.scoring import check_scale, match_items
from neff.benchmark.irt.theta import Scale, estimate_theta, own_theta
from neff.benchmark.noise.measures import monotonicity, total_variation
from neff.errors import ArgumentError
from neff.stats import spearman
from neff.stats._options import check_choice, seeded
from neff.stats._validate import check_count, check_number, check_vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from neff.benchmark.irt.item_bank import ItemBank

    Floats = NDArray[np.float64]

__all__ = ["Path", "adaptive_paths", "replay_fluid"]


NORMAL = Scale()


class Path(NamedTuple):
    """What was asked of each model, and what was known after each answer; all of shape (n_models, n_steps)."""

    order: NDArray[np.intp]
    theta: Floats
    standard_error: Floats


def adaptive_paths(
    matrix: Floats,
    items: Items,
    n_steps: int,
    *,
    start: float,
    method: str = "map",
    scale: Scale = NORMAL,
    usable: NDArray[np.bool_] | None = None,
    randomesque: int = 1,
    rng: np.random.Generator | None = None,
) -> Path:
    """Ask each model its most informative item, `n_steps` times, all models at once; NaN answers cannot be asked."""
    n, j = matrix.shape
    free = ~np.isnan(matrix) & (np.ones(j, bool) if usable is None else usable)
    order = np.full((n, n_steps), -1, np.intp)
    right, used = np.zeros((n, n_steps)), np.zeros((n, n_steps), bool)
    own = Items(np.ones((n, n_steps)), np.zeros((n, n_steps)), np.zeros((n, n_steps)), items.scaling)
    thetas, errors = np.full((n, n_steps), np.nan), np.full((n, n_steps), np.nan)
    theta, rows = np.full(n, start), np.arange(n)
    for step in range(n_steps):
        information = np.nan_to_num(item_information(theta, items))
        chosen = (
            best(information, free) if randomesque == 1 or rng is None else _one_of(information, free, randomesque, rng)
        )
        ask = chosen >= 0
        if not ask.any():
            thetas[:, step:], errors[:, step:] = thetas[:, step - 1 : step], errors[:, step - 1 : step]
            break
        at, what = rows[ask], chosen[ask]
        free[at, what] = False
        order[at, step], right[at, step], used[at, step] = what, matrix[at, what], True
        own.a[at, step], own.b[at, step], own.c[at, step] = items.a[what], items.b[what], items.c[what]
        so_far = slice(0, step + 1)
        asked = Items(own.a[:, so_far], own.b[:, so_far], own.c[:, so_far], own.scaling)
        found, error = own_theta(asked, right[:, so_far], used[:, so_far], method, scale)
        some = used[:, so_far].any(axis=1)
        theta = np.where(some, found, theta)
        thetas[:, step], errors[:, step] = np.where(some, found, np.nan), np.where(some, error, np.nan)
    return Path(order, thetas, errors)


def _one_of(information: Floats, free: NDArray[np.bool_], among: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return one of the `among` most informative items of each model."""
    masked = np.where(free, information, -np.inf)
    top = np.argsort(-masked, axis=1, kind="stable")[:, :among]
    left = np.minimum(free.sum(axis=1), among)
    pick = np.floor(rng.random(len(free)) * np.maximum(left, 1)).astype(np.intp)
    return np.where(left > 0, np.take_along_axis(top, pick[:, None], axis=1)[:, 0], -1)


def replay_fluid(
    bank: ItemBank,
    responses: Any,
    *,
    budgets: Sequence[int] = (10, 50, 100, 500),
    checkpoints: bool = False,
    sister: ArrayLike | None = None,
    measure_reference: ArrayLike | None = None,
    sister_reference: ArrayLike | None = None,
    delta: float | str | None = "gap",
    start: float | None = None,
    method: str = "map",
    prior: tuple[float, float] = (0.0, 1.0),
    bounds: tuple[float, float] = (-4.0, 4.0),
    randomesque: int = 1,
    n_repeats: int = 5,
    threshold: float | None = None,
    task: str | None = None,
    models: Sequence[Any] | None = None,
    notes: Sequence[str] = (),
    rng: Any = None,
) -> FluidReplay:
    """Replay adaptive selection on recorded answers, with random items and all items beside it.

    Use it to see how many items of a benchmark are enough before you rely on it. The models must not be those that the
    bank was fitted on, nor their relatives: on them every method looks better than it is.

    Parameters
    ----------
    bank
        From `fit_irt`.
    responses
        Answers of models to the items of the bank, as in `ability`.
    budgets
        Numbers of items to report at; those above the number of items are left out.
    checkpoints
        Whether the models are checkpoints of one training run in order: then the total variation and the monotonicity
        of their curve are reported.
    sister
        Accuracy of the same models on a benchmark that tests the same, shape (n_models,), for the rank distance.
    measure_reference, sister_reference
        Abilities, and accuracies on the sister benchmark, of other models to rank each model among. Only for abilities.
    delta
        Stopping rule to report: a standard error, "gap" (see `AdaptiveTest`), or None.
    start
        Ability at which the first item is chosen; by default the mean of the calibration models.
    method
        "map" or "mle".
    prior, bounds
        As in `ability`.
    randomesque
        Draw each item among this many of the best.
    n_repeats
        Random subsets that random items are averaged over. One subset serves all models.
    threshold, task, models
        As in `ability`.
    notes
        Sentences to keep with the result.
    rng
        Of the random subsets (SPEC 7).

    Returns
    -------
    FluidReplay
        One row per method and budget.

    Raises
    ------
    ArgumentError
        If an item is not in the bank, an option makes no sense, or a model has no answers.

    Notes
    -----
    An item that a model has no answer to is passed over. Each step costs models x items.

    References
    ----------
    Hofmann et al., Fluid Language Model Benchmarking. arXiv:2509.11106

    Examples
    --------
    >>> import numpy as np
    >>> from neff.benchmark.irt import ItemBank
    >>> rng = np.random.default_rng(1)
    >>> bank = ItemBank.of(np.exp(rng.normal(0.3, 0.5, 400)), rng.normal(0, 1.3, 400))
    >>> theta = np.linspace(-2, 2, 30)
    >>> right = (rng.random((30, 400)) < bank.probability(theta)).astype(float)
    >>> found = replay_fluid(bank, right, budgets=[10], checkpoints=True, delta=None, rng=0)
    >>> found.row("fluid", 10).total_variation < found.row("random", 10).total_variation
    True
    """
    call = "replay_fluid"
    check_choice(method, ("map", "mle"), argument="method", call=call)
    scale = check_scale(prior, bounds, call)
    table = match_items(bank, responses, items=None, models=models, threshold=threshold, task=task, call=call)
    matrix, usable = table.matrix, bank.usable
    known = ~np.isnan(matrix)
    if not (known & usable).any(axis=1).all():
        lost = table.models[int(np.argmin((known & usable).any(axis=1)))]
        raise ArgumentError("responses", "answers of every model to items with parameters", lost, call=call)
    n, j = matrix.shape
    sizes = sorted({check_count(size, argument="budgets", call=call, minimum=1) for size in budgets})
    kept = [size for size in sizes if size <= int(usable.sum())]
    if not kept:
        raise ArgumentError("budgets", f"at most the {int(usable.sum())} items with parameters", budgets, call=call)
    n_repeats = check_count(n_repeats, argument="n_repeats", call=call, minimum=1)
    randomesque = check_count(randomesque, argument="randomesque", call=call, minimum=1)
    limit = bank.ability_gap if delta == "gap" else delta
    if isinstance(limit, str) or (limit is not None and not check_number(limit, argument="delta", call=call) > 0):
        if delta != "gap":
            raise ArgumentError("delta", "above 0, 'gap' or None", delta, call=call)
        limit, notes = None, (*notes, "the bank has no calibration models, and so no gap at which to stop")
    first = bank.ability_mean if start is None else check_number(start, argument="start", call=call)
    generator, seed = seeded(rng, call=call)
    with np.errstate(invalid="ignore"):
        accuracy = np.nanmean(matrix, axis=1)
    held = accuracy if sister is None else check_vector(sister, argument="sister", call=call)
    if len(held) != n:
        raise ArgumentError("sister", f"of length {n}", f"length {len(held)}", "One per model.", call=call)
    truth, _, _ = estimate_theta(np.where(usable, matrix, np.nan), bank.parameters, method, scale)
    path = adaptive_paths(
        matrix, bank.parameters, kept[-1], start=first if math.isfinite(first) else scale.mean, method=method,
        scale=scale, usable=usable, randomesque=randomesque, rng=generator,
    )  # fmt: skip
    judge = _Judge(accuracy, truth, held, measure_reference, sister_reference, checkpoints)
    at = np.array(kept) - 1
    values: dict[str, Floats] = {"fluid": path.theta[:, at]}
    rows = [judge.row("fluid", size, path.theta[:, size - 1], is_ability=True) for size in kept]
    for name, found in _random(matrix, bank, kept, n_repeats, generator, method, scale, usable).items():
        values[name] = found[0]
        for k, size in enumerate(kept):
            drawn = [judge.row(name, size, one[:, k], is_ability=name != "random") for one in found]
            rows.append(_mean_row(drawn))
    rows += [
        judge.row("all", j, accuracy, is_ability=False),
        judge.row("all-irt", j, truth, is_ability=True),
    ]
    counts = np.bincount(path.order[path.order >= 0], minlength=j)
    return FluidReplay(
        rows=tuple(rows), models=table.models, budgets=tuple(kept), values=values,
        standard_errors=path.standard_error[:, at], order=path.order, exposure=counts / n, items=bank.items,
        stopped_at=None if limit is None else _stopping(path, limit), delta=limit, n_repeats=n_repeats,
        checkpoints=checkpoints, sister=sister is not None, seed=seed,
        warnings=(*notes, *_warnings(path, known, usable, scale, kept, sizes)),
    )  # fmt: skip


class _Judge(NamedTuple):
    accuracy: Floats
    truth: Floats
    held: Floats
    measure_reference: Any
    sister_reference: Any
    checkpoints: bool

    def row(self, method: str, size: int, value: Floats, *, is_ability: bool) -> ReplayRow:
        known = ~np.isnan(value)
        x = value[known]
        among = (self.measure_reference, self.sister_reference) if is_ability else (None, None)
        curve = self.checkpoints and bool(known.all())
        return ReplayRow(
            method,
            size,
            spearman(x, self.accuracy[known]),
            float(np.sqrt(np.mean((x - self.truth[known]) ** 2))) if is_ability and known.any() else math.nan,
            rank_distance(x, self.held[known], measure_reference=among[0], sister_reference=among[1]),
            total_variation(x) if curve else math.nan,
            monotonicity(x, kind="spearman") if curve else math.nan,
        )


def _random(
    matrix: Floats,
    bank: ItemBank,
    sizes: list[int],
    n_repeats: int,
    rng: np.random.Generator,
    method: str,
    scale: Scale,
    usable: NDArray[np.bool_],
) -> dict[str, list[Floats]]:
    """Return accuracy and ability on random items, the same for all models, and nested in the budgets."""
    found: dict[str, list[Floats]] = {"random": [], "random-irt": []}
    places = np.flatnonzero(usable)
    for _ in range(n_repeats):
        order = rng.permutation(places)
        share, theta = np.full((len(matrix), len(sizes)), np.nan), np.full((len(matrix), len(sizes)), np.nan)
        for k, size in enumerate(sizes):
            some = np.sort(order[:size])
            part = matrix[:, some]
            answered = ~np.isnan(part)
            count = answered.sum(axis=1)
            right = np.where(answered, part, 0.0).sum(axis=1)
            share[:, k] = np.where(count > 0, right / np.maximum(count, 1), np.nan)
            theta[:, k] = estimate_theta(part, bank.parameters.take(some), method, scale)[0]
        found["random"].append(share)
        found["random-irt"].append(theta)
    return found


def _mean_row(rows: list[ReplayRow]) -> ReplayRow:
    numbers = ("correlation", "rmse", "rank_distance", "total_variation", "monotonicity")
    mean = {}
    for name in numbers:
        values = [getattr(row, name) for row in rows]
        known = [value for value in values if not math.isnan(value)]
        mean[name] = sum(known) / len(known) if known else math.nan
    return ReplayRow(rows[0].method, rows[0].n_items, **mean)


def _stopping(path: Path, delta: float) -> Floats:
    with np.errstate(invalid="ignore"):
        reached = path.standard_error < delta
    first = np.argmax(reached, axis=1) + 1.0
    return np.where(reached.any(axis=1), first, np.nan)


def _warnings(
    path: Path, known: NDArray[np.bool_], usable: NDArray[np.bool_], scale: Scale, kept: list[int], sizes: list[int]
) -> tuple[str, ...]:
    said = []
    last = path.theta[:, -1]
    at_bound = int(np.count_nonzero((last <= scale.low) | (last >= scale.high)))
    if at_bound:
        said.append(
            f"{at_bound} of {len(last)} models are at a bound of the scale: it hides what they could still show"
        )
    short = int(np.count_nonzero((known & usable).sum(axis=1) < kept[-1]))
    if short:
        said.append(
            f"{short} of {len(last)} models have fewer than {kept[-1]} answers: they are measured by what they have"
        )
    if len(kept) < len(sizes):
        said.append(f"budgets above {int(usable.sum())} items are left out: there are no more")
    return tuple(said)
