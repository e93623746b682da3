"""`replay_split`: fit on some models, replay on the others, where there is only one matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.fluid.replaying import replay_fluid
from neff.benchmark.irt.calibrating import fit_irt
from neff.benchmark.irt.responses import as_responses
from neff.errors import ArgumentError
from neff.stats._options import seeded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.benchmark.fluid.replay_result import FluidReplay

__all__ = ["replay_split"]


def replay_split(
    responses: Any,
    *,
    share: float = 0.5,
    model: str = "2pl",
    models: Sequence[Any] | None = None,
    items: Sequence[Any] | None = None,
    threshold: float | None = None,
    task: str | None = None,
    rng: Any = None,
    **options: Any,
) -> FluidReplay:
    """Fit a bank on a random part of the models, and replay adaptive selection on the others.

    Use it to ask whether a benchmark could be run with fewer items, from one matrix of results. Where relatives of a
    model are in the other part, it looks better than it would on a new model.

    Parameters
    ----------
    responses, models, items, threshold, task
        As in `fit_irt`.
    share
        Share of the models to fit on.
    model
        "2pl" or "1pl".
    rng
        Of the split and of the random subsets (SPEC 7).
    **options
        Of `replay_fluid`.

    Returns
    -------
    FluidReplay
        On the models that were not fitted on.

    Raises
    ------
    ArgumentError
        If fewer than two models would be on one side, or no item can be fitted.

    References
    ----------
    Hofmann et al., Fluid Language Model Benchmarking. arXiv:2509.11106

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> ability, difficulty = rng.normal(size=80), rng.normal(size=101)
    >>> right = rng.random((80, 101)) < 1 / (1 + np.exp(difficulty - ability[:, None]))
    >>> replay_split(right, budgets=[10], rng=0).row("fluid", 10).n_items
    10
    """
    call = "replay_split"
    table = as_responses(responses, models=models, items=items, threshold=threshold, task=task, call=call)
    n = len(table.models)
    if not 0 < share < 1:
        raise ArgumentError("share", "between 0 and 1", share, "0.5 fits on half of the models.", call=call)
    size = round(share * n)
    if size < 2 or n - size < 2:
        fix = "Give a bank, or more models."
        raise ArgumentError("responses", "of at least two models on each side", f"{n} models", fix, call=call)
    generator, _ = seeded(rng, call=call)
    fitted = np.zeros(n, bool)
    fitted[generator.permutation(n)[:size]] = True
    bank = fit_irt(table.keep(fitted), model=model)
    if not bank.usable.any():
        raise ArgumentError("responses", "some that can be fitted", str(bank.reason), "Give more models.", call=call)
    return replay_fluid(bank, table.keep(~fitted), rng=generator, notes=bank.warnings, **options)
