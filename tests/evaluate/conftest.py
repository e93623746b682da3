"""Data and small helpers shared by the tests of calibrated judges."""

from __future__ import annotations

import csv
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import pytest

from neff.evaluate.calibrating.folds import FoldMap
from neff.evaluate.judge.data import Judged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAN = float("nan")


def dealt_as_published(names: list[str], labelled: list[bool], n_folds: int) -> FoldMap:
    """Deal labelled prompts as cje-eval 0.9.3 does: in the order of blake2b("{name}-42"), one fold after the other."""

    def key(name: str) -> bytes:
        return blake2b(f"{name}-42".encode(), digest_size=16).digest()

    fold = np.array([int.from_bytes(key(name), "big") % n_folds for name in names], np.int64)
    ordered = sorted((i for i, known in enumerate(labelled) if known), key=lambda i: key(names[i]))
    fold[ordered] = np.arange(len(ordered)) % n_folds
    return FoldMap(fold, n_folds)


@pytest.fixture(scope="session")
def published_folds() -> Callable[[list[str], list[bool], int], FoldMap]:
    """The fold deal of cje-eval 0.9.3."""
    return dealt_as_published


@pytest.fixture(scope="session")
def quickstart() -> tuple[Judged, Judged, FoldMap]:
    """The published quickstart of cje-eval 0.9.3: 20 shared prompts, 10 labels on one policy, and its folds."""
    production = [0.62, 0.68, 0.72, 0.76, 0.79, 0.83, 0.85, 0.88, 0.91, 0.95]
    production += [0.64, 0.69, 0.73, 0.77, 0.80, 0.84, 0.87, 0.89, 0.92, 0.94]
    label = [0.55, 0.60, 0.70, 0.74, 0.75, 0.80, 0.90, 0.92, 0.88, 0.97] + [NAN] * 10
    candidate = [0.70, 0.74, 0.75, 0.78, 0.81, 0.83, 0.86, 0.90, 0.93, 0.94]
    candidate += [0.72, 0.76, 0.79, 0.80, 0.84, 0.85, 0.88, 0.89, 0.91, 0.95]
    prompt = np.arange(20)
    folds = dealt_as_published([f"q{i:02d}" for i in range(20)], [i < 10 for i in range(20)], 5)
    assert folds.of_prompt[:10].tolist() == [1, 3, 4, 1, 4, 2, 3, 0, 2, 0]
    return (
        Judged("production", prompt, np.array(production), np.array(label)),
        Judged("candidate", prompt, np.array(candidate), np.full(20, NAN)),
        folds,
    )


@pytest.fixture(scope="session")
def arena_rows(neff_data: Path) -> dict[str, list[dict[str, str]]]:
    """The arena table by policy, in the order of the file."""
    rows: dict[str, list[dict[str, str]]] = {}
    with (neff_data / "arena1000_labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["policy"], []).append(row)
    return rows


@pytest.fixture(scope="session")
def arena(arena_rows: dict[str, list[dict[str, str]]]) -> dict[str, Judged]:
    """The arena policies with labels on base only; prompts have the codes of the base policy's rows."""
    code = {row["prompt_id"]: i for i, row in enumerate(arena_rows["base"])}
    return {
        policy: Judged(
            policy,
            np.array([code[row["prompt_id"]] for row in rows]),
            np.array([float(row["judge_score"]) for row in rows]),
            np.array([float(row["oracle_label"] or NAN) if policy == "base" else NAN for row in rows]),
        )
        for policy, rows in arena_rows.items()
    }
