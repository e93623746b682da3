"""Folds of prompts: a prompt and all answers to it stay together, so that no calibrator sees what it predicts."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.evaluate.judge.data import check_prompts
from neff.stats._validate import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["FoldMap", "balanced_folds", "hash_folds"]


def hash_folds(prompts: Sequence[str], *, n_folds: int = 5, seed: int = 42) -> NDArray[np.int64]:
    """Return the fold of each prompt by a hash of its name, as the reference implementation of CJE does.

    Use it to reproduce published numbers. A prompt's fold depends on nothing but its name, so folds can come out
    uneven, and empty where few prompts are labelled; `balanced_folds` is the default for that reason.

    Parameters
    ----------
    prompts
        Prompt names, shape (n,).
    n_folds, seed
        Number of folds, at least 1, and what is hashed beside the name.

    Returns
    -------
    ndarray
        Folds in 0..n_folds - 1, shape (n,).

    Raises
    ------
    ArgumentError
        If `n_folds` is not a whole number of at least 1.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150 (code, release 0.3.0).

    Examples
    --------
    >>> hash_folds([f"p{i}" for i in range(8)]).tolist()
    [3, 4, 4, 1, 1, 3, 0, 3]
    """
    n_folds = check_count(n_folds, argument="n_folds", call="hash_folds", minimum=1)
    return np.array(
        [
            int.from_bytes(blake2b(f"{prompt}-{seed}-{n_folds}".encode(), digest_size=8).digest(), "big") % n_folds
            for prompt in prompts
        ],
        np.int64,
    )


@dataclass(frozen=True, slots=True, eq=False)
class FoldMap:
    """The fold of every prompt code 0..n_prompts - 1, shape (n_prompts,)."""

    of_prompt: NDArray[np.int64]
    n_folds: int

    def of(self, prompt: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the fold of each row's prompt, shape (n,).

        Raises
        ------
        ArgumentError
            If a code is not one of 0..n_prompts - 1.
        """
        codes = check_prompts(prompt, argument="prompt", call="FoldMap.of")
        if codes.size and int(codes.max()) >= len(self.of_prompt):
            raise ArgumentError(
                "prompt",
                f"below {len(self.of_prompt)}, the number of prompts that were dealt",
                int(codes.max()),
                "Deal the folds over the prompts of all policies.",
                call="FoldMap.of",
            )
        return self.of_prompt[codes]


def balanced_folds(n_prompts: int, labelled: NDArray[np.int64], *, n_folds: int = 5, seed: int = 42) -> FoldMap:
    """Deal prompts to folds so that labelled prompts, and all others, are spread evenly.

    Use it once over the prompts of all policies: a prompt then has one fold everywhere, and differences between
    policies are left out fold by fold. The deal changes when prompts are added or labels arrive.

    Parameters
    ----------
    n_prompts
        Prompts have codes 0..n_prompts - 1.
    labelled
        Codes of the prompts that have a label, any order, repeats allowed.
    n_folds
        At least 2; reduced to the number of labelled prompts where these are fewer.
    seed
        Of the shuffle before dealing.

    Returns
    -------
    FoldMap
        Labelled prompts differ by at most one between folds, and so do the others.

    Raises
    ------
    ArgumentError
        If fewer than two prompts are labelled, `n_folds` is below 2, or a code is not one of 0..n_prompts - 1.

    Examples
    --------
    >>> folds = balanced_folds(10, np.array([1, 3, 5, 7]), n_folds=2)
    >>> np.bincount(folds.of(np.array([1, 3, 5, 7]))).tolist()
    [2, 2]
    """
    call = "balanced_folds"
    n_folds = check_count(n_folds, argument="n_folds", call=call, minimum=2)
    known = np.zeros(check_count(n_prompts, argument="n_prompts", call=call), bool)
    codes = check_prompts(labelled, argument="labelled", call=call)
    if codes.size and int(codes.max()) >= n_prompts:
        raise ArgumentError("labelled", f"codes below n_prompts = {n_prompts}", int(codes.max()), call=call)
    known[codes] = True
    n_labelled = int(known.sum())
    if n_labelled < 2:
        raise ArgumentError(
            "labelled",
            "at least 2 prompts",
            n_labelled,
            "Label more prompts; one cannot be held out.",
            call=call,
        )
    n_folds = min(n_folds, n_labelled)
    of_prompt = np.empty(n_prompts, np.int64)
    rng = np.random.default_rng(seed)
    for group in (np.flatnonzero(known), np.flatnonzero(~known)):
        of_prompt[rng.permutation(group)] = np.arange(len(group)) % n_folds
    return FoldMap(of_prompt, n_folds)
