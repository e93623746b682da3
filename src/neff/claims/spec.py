"""How a claim is stated: `@claim` on a function of the seed, and what that function returns."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from neff.claims.terms import GIB, Terms, check_terms
from neff.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from neff.claims.terms import Kind

__all__ = ["EXTRAS", "Claim", "Level", "Paired", "claim", "missing"]

EXTRAS: dict[str, tuple[str, ...]] = {
    "cli": ("cyclopts", "rich"),
    "inspect": ("zstandard",),
    "big": ("duckdb",),
    "plot": ("matplotlib",),
    "trees": ("sklearn",),
    "view": ("starlette", "uvicorn", "jinja2"),
    "train": ("torch",),
    "trl": ("torch", "trl"),
    "verl": ("torch", "verl"),
    "ray": ("ray",),
}
"""The packages that each extra of neff brings; any other word of `needs` is a package itself."""


@dataclass(frozen=True, slots=True)
class Paired:
    """What one seed gave with the treatment and with the control, run on the same seed.

    Parameters
    ----------
    treatment, control
        The two measurements, in the same unit.

    Examples
    --------
    >>> Paired(treatment=0.81, control=0.78)
    Paired(treatment=0.81, control=0.78)
    """

    treatment: float
    control: float


@dataclass(frozen=True, slots=True)
class Level:
    """What one seed gave, for a claim about a value itself (`kind="level"`).

    Parameters
    ----------
    value
        The measurement.
    """

    value: float


Returned: TypeAlias = Paired | Level


@dataclass(frozen=True, slots=True)
class Claim:
    """A function of the seed with its terms; calling it runs one seed here, in this process.

    Attributes
    ----------
    function
        Returns a `Paired`, or a `Level` where `terms.kind` is "level".
    terms
        What was declared.
    name
        Its name; that of the function by default.
    params
        The keyword arguments of each case; one empty mapping where there are none.
    """

    function: Callable[..., Returned]
    terms: Terms
    name: str
    params: tuple[Mapping[str, Any], ...] = field(default=({},))

    def __call__(self, seed: int, /, **params: Any) -> Returned:
        """Run one seed in this process, without limits."""
        return self.function(seed, **params)

    def case_names(self) -> tuple[str, ...]:
        """Return the name of each case: `name`, or `name[beta=0.1]` where there are parameters."""
        return tuple(self.name + _suffix(params) for params in self.params)


def _suffix(params: Mapping[str, Any]) -> str:
    if not params:
        return ""
    said = ", ".join(f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in params.items())
    return f"[{said}]"


def claim(
    *,
    says: str,
    paper: str | None = None,
    published: float | str | None = None,
    margin: float | None = None,
    kind: Kind = "difference",
    lower_is_better: bool = False,
    budget: int = 50,
    min_seeds: int = 5,
    level: float = 0.95,
    bounds: tuple[float, float] | None = None,
    params: Sequence[Mapping[str, Any]] = (),
    needs: Sequence[str] = (),
    tolerate: int = 0,
    deterministic: bool = False,
    time_limit: float = 120.0,
    memory_limit: int = 4 * GIB,
    watch: Sequence[str] = (),
    quick: bool = False,
    name: str | None = None,
) -> Callable[[Callable[..., Returned]], Claim]:
    """Make a claim of a function that runs one seed, so that `neff check` finds it.

    For a statement of the form "X beats Y" that one can measure again with another seed: a training run, a sampler,
    an estimator on simulated data. Not for a difference between two fixed sets of answers: that is
    `neff.compare`, where the item is the unit.

    Parameters
    ----------
    says
        The claim in one sentence, as a reader would say it.
    paper
        Its arXiv id, where it is a paper's.
    published
        The figure that was published, in the unit of the estimate, or a few words.
    margin
        The effect must be larger than this, declared before looking, in the unit of the estimate. By default no
        improvement at all: 0 for a difference or a level, 1 for a ratio. Below that (-0.01, 0.95) it says "not worse".
    kind
        "difference": treatment minus control. "ratio": treatment over control, both positive (speed, memory, error).
        "level": the value of one arm.
    lower_is_better
        Turn a difference and a ratio round (control minus treatment, control over treatment), so that larger is
        better; a level then holds where it is below the margin.
    budget
        The most seeds that are run; they are numbered from 0.
    min_seeds
        No verdict before this many, or the whole budget where that is smaller.
    level
        Coverage of the interval, at all numbers of seeds together.
    bounds
        Lowest and highest possible measurement, such as (0, 1) for accuracies. The interval then assumes nothing else,
        and an effect that is small beside the bounds takes far more seeds. Without them effects are taken to be about
        normal: strongly skewed ones belong on a log scale (`kind="ratio"`) or under bounds.
    params
        Keyword arguments of the function, one mapping of JSON values per case; each case is checked by itself.
    needs
        Extras of neff ("train") or packages without which it is skipped.
    tolerate
        The most seeds that may fail (crash, run out of time or memory, return NaN). They are reported and left out,
        which is fair only if a failure has nothing to do with which arm is better. By default one failure is enough
        for "not checked".
    deterministic
        The seed makes no difference: two seeds are run, must agree to the last bit, and are compared with the margin.
    time_limit
        Seconds that one seed may take.
    memory_limit
        Bytes that one seed may take, beyond what importing its file took.
    watch
        Files or folders beside the file, whose change makes journaled seeds stale (data, configurations). The file
        itself and the modules that it imports are watched anyway.
    quick
        Whether it belongs to the set that `neff check --quick` runs.
    name
        Its name; that of the function by default.

    Returns
    -------
    Callable
        Turns the function into a `Claim`, which is called like the function.

    Raises
    ------
    ArgumentError
        If a term makes no sense, or the function does not take a seed and the parameters.

    Examples
    --------
    >>> import random
    >>> @claim(says="Ten draws hit closer than one.", kind="ratio", lower_is_better=True, margin=1.5)
    ... def closer(seed):
    ...     rng = random.Random(seed)
    ...     draws = [rng.gauss(0, 1) for _ in range(10)]
    ...     return Paired(treatment=min(map(abs, draws)), control=abs(draws[0]))
    >>> closer.name, closer.terms.margin
    ('closer', 1.5)
    >>> closer(3).treatment <= closer(3).control
    True
    """
    terms = Terms(
        says=says,
        paper=paper,
        published=published,
        kind=kind,
        margin=margin if margin is not None else 1.0 if kind == "ratio" else 0.0,
        lower_is_better=lower_is_better,
        level=level,
        bounds=bounds,
        budget=budget,
        min_seeds=min_seeds,
        tolerate=tolerate,
        deterministic=deterministic,
        needs=(needs,) if isinstance(needs, str) else tuple(needs),
        time_limit=time_limit,
        memory_limit=memory_limit,
        watch=(watch,) if isinstance(watch, str) else tuple(watch),
        quick=quick,
    )
    check_terms(terms)
    cases = tuple(dict(case) for case in params) or ({},)

    def decorate(function: Callable[..., Returned]) -> Claim:
        made = Claim(function, terms, function.__name__ if name is None else name, cases)
        _check_cases(made)
        return made

    return decorate


def missing(needs: Sequence[str]) -> tuple[str, ...]:
    """Return what of `needs` is not installed, as one would install it: "neff[train]", or the name of a package.

    Examples
    --------
    >>> missing(["numpy", "no_such_package"])
    ('no_such_package',)
    """
    from importlib.util import find_spec

    found = []
    for need in needs:
        packages = EXTRAS.get(need, (need,))
        if any(find_spec(package.partition(".")[0]) is None for package in packages):
            found.append(f"neff[{need}]" if need in EXTRAS else need)
    return tuple(found)


def _check_cases(made: Claim) -> None:
    try:
        texts = [json.dumps(case, sort_keys=True, allow_nan=False) for case in made.params]
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(
            "params",
            "mappings of JSON values",
            made.params,
            "Give names, and build the objects in the function.",
            call="claim",
        ) from error
    names = made.case_names()
    if len(set(names)) < len(names) or len(set(texts)) < len(texts):
        raise ArgumentError("params", "different in each case", made.params, call="claim")
    for case in made.params:
        try:
            inspect.signature(made.function).bind(0, **case)
        except TypeError as error:
            raise ArgumentError(
                "params",
                f"the keyword arguments of {made.name}(seed, ...)",
                dict(case),
                f"It says: {error}.",
                call="claim",
            ) from error
