"""A judge's preference for a place, win ratios, designs for few comparisons: golden numbers and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from neff.benchmark.pairwise import (
    balanced_threshold,
    battles_of,
    choose_pairs,
    colley,
    judged_pairs,
    rank_battles,
    schedule_pairs,
    win_ratio,
)
from neff.errors import ArgumentError

P = np.array([[0, 0.9, 0.95, 0.97], [0.55, 0, 0.8, 0.92], [0.5, 0.62, 0, 0.85], [0.4, 0.45, 0.6, 0]])


def whole(p=P):
    left, right = np.nonzero(~np.eye(len(p), dtype=bool))
    return battles_of(left.tolist(), right.tolist(), p[left, right])


def test_golden():
    strict = P.copy()
    strict[2, 0] -= 1e-9  # the reference takes 0.5 as a loss of the first place, neff as half a win
    told = whole(strict)
    found = judged_pairs(told)
    assert found.first_share.value == 0.75
    assert found.swap_consistency == 0.5
    assert found.raw == pytest.approx([0.8333333333, 0.6666666667, 0.3333333333, 0.1666666667], abs=1e-10)
    assert 0.62 < found.threshold < 0.8  # the reference: .621, the first step with half below
    assert found.debiased == pytest.approx([1, 0.6666666667, 0.3333333333, 0], abs=1e-10)
    assert win_ratio(told, threshold=0.621) == pytest.approx(found.debiased, abs=1e-12)
    assert found.soft == pytest.approx([0.7283333333, 0.55, 0.4366666667, 0.285], abs=1e-9)


def test_a_partial_design_golden():
    told = battles_of([0, 1, 2, 3], [1, 2, 3, 0], P[[0, 1, 2, 3], [1, 2, 3, 0]])
    assert win_ratio(told).tolist() == [1, 0.5, 0.5, 0]


def test_colley_counts_both_places():
    """All twelve comparisons: wins 5, 4, 2, 1 of 6; the reference's .6 .55 .45 .4 leaves half of them out."""
    strict = P.copy()
    strict[2, 0] -= 1e-9
    left, right = np.nonzero(~np.eye(4, dtype=bool))
    hard = battles_of(left.tolist(), right.tolist(), (strict[left, right] > 0.5).astype(float))
    wins = np.array([5, 4, 2, 1])
    expected = np.linalg.solve(np.eye(4) * (2 + 6 + 2) - 2, 1 + wins - 3)
    assert colley(hard) == pytest.approx(expected, abs=1e-12)
    assert colley(hard).mean() == pytest.approx(0.5)


def test_without_a_preference_nothing_changes():
    p = np.full((5, 5), 0.5)
    s = np.linspace(1, -1, 5)
    p = 1 / (1 + np.exp(-(s[:, None] - s[None, :])))
    found = judged_pairs(whole(p))
    assert found.first_share.value == 0.5
    assert found.threshold == pytest.approx(0.5, abs=1e-12)
    assert found.raw == pytest.approx(found.debiased, abs=1e-12)
    assert found.swap_consistency == 1


def test_a_preference_alone_gives_equals():
    found = judged_pairs(whole(np.full((4, 4), 0.8)))
    assert found.raw.tolist() == [0.5] * 4
    assert found.debiased.tolist() == [0.5] * 4
    assert found.swap_consistency == 0


def test_a_tie_is_no_win_of_either():
    """A tie in one order and a winner in the other are two verdicts; a tie in both is one."""
    for p, same in (([0.5, 0.2], 0.0), ([0.5, 0.8], 0.0), ([0.5, 0.5], 1.0), ([0.9, 0.2], 1.0), ([0.9, 0.8], 0.0)):
        assert judged_pairs(battles_of(list("ab"), list("ba"), p)).swap_consistency == same
    assert "nan" not in str(judged_pairs(battles_of(["a"], ["b"], [0.9])))


def test_weights_count_or_are_refused():
    told = battles_of(list("aab"), list("bcc"), [0.9, 0.4, 0.7], weight=[3, 1, 0])
    assert win_ratio(told).tolist() == [0.75, 0.0, 1.0]
    with pytest.raises(ArgumentError, match="without weights"):
        judged_pairs(told)


def test_never_compared_is_not_zero():
    told = battles_of(["a", "b"], ["b", "c"], [0.9, np.nan])
    assert told.names == ("a", "b", "c")
    assert np.isnan(win_ratio(told)[2])
    with pytest.raises(ArgumentError, match="at least one with a probability"):
        judged_pairs(battles_of(["a"], ["b"], [np.nan]))
    assert np.isnan(balanced_threshold([]))


def contexts(rng, n_contexts, beta, design, budget=48, n=16):
    """The sheet's simulation: raw and debiased rank correlations per context, threshold pooled over contexts."""
    strengths = rng.normal(size=(n_contexts, n))
    full = design == "full"
    size, named = (n * (n - 1), "random") if full else (budget, design)
    rows = [schedule_pairs(n, size, design=named, rng=rng) for _ in range(n_contexts)]
    probability = []
    for s, (i, j) in zip(strengths, rows, strict=True):
        logit = s[i] - s[j] + beta + rng.normal(size=len(i))
        probability.append(1 / (1 + np.exp(-logit)))
    threshold = balanced_threshold(np.concatenate(probability))
    found = {"raw": [], "debiased": []}
    for s, (i, j), p in zip(strengths, rows, probability, strict=True):
        told = battles_of(i.tolist(), j.tolist(), p)
        order = [int(name) for name in told.names]
        for name, tau in (("raw", 0.5), ("debiased", threshold)):
            score = win_ratio(told, threshold=tau)
            if score.min() < score.max():  # a constant ranking has no correlation; the sheet leaves it out
                found[name].append(spearmanr(score, s[order]).statistic)
    return {name: float(np.mean(values)) for name, values in found.items()}


@pytest.mark.parametrize(
    ("beta", "design", "raw", "debiased"),
    [
        (0.0, "no-repeat", 0.791, None), (0.0, "symmetric", 0.731, None), (0.0, "full", 0.945, None),
        (1.5, "random", 0.602, 0.762), (1.5, "no-repeat", 0.575, 0.779), (1.5, "symmetric", 0.684, 0.722),
        (3.0, "no-repeat", 0.222, 0.790), (3.0, "symmetric", 0.529, 0.704),
    ],
)  # fmt: skip
def test_designs_and_debiasing(beta, design, raw, debiased):
    found = contexts(np.random.default_rng(1), 120, beta, design)
    assert found["raw"] == pytest.approx(raw, abs=0.05)  # 120 contexts of the sheet's 200
    if debiased is not None:
        assert found["debiased"] == pytest.approx(debiased, abs=0.04)  # the same


@pytest.mark.parametrize("design", ["no-repeat", "random", "symmetric"])
def test_schedules(design):
    first, second = schedule_pairs(7, 12, design=design, rng=0)
    assert len(first) == len(second) == 12
    assert (first != second).all()
    ordered = set(zip(first.tolist(), second.tolist(), strict=True))
    assert len(ordered) == 12
    unordered = {frozenset(pair) for pair in ordered}
    if design == "no-repeat":
        assert len(unordered) == 12
    if design == "symmetric":
        assert len(unordered) == 6


@pytest.mark.parametrize(
    ("n", "budget", "design", "message"),
    [
        (4, 7, "no-repeat", "at most 6"),
        (4, 5, "symmetric", "and even"),
        (1, 0, "random", "n must be"),
        (4, 2, "all", "design"),
    ],
)
def test_schedules_refuse(n, budget, design, message):
    with pytest.raises(ArgumentError, match=message):
        schedule_pairs(n, budget, design=design)


def loop(rng, n, budget, choose):
    strength = np.sort(rng.normal(size=n))[::-1]
    names = [f"m{i}" for i in range(n)]
    ring = [(i, (i + 1) % n) for i in range(n)]  # so that every player occurs before the first choice
    told = [(names[i], names[j]) for i, j in ring]
    verdicts = [float(rng.random() < 1 / (1 + np.exp(-(strength[i] - strength[j])))) for i, j in ring]
    while len(told) < budget:
        ranking = rank_battles(
            battles_of(*zip(*told, strict=True), verdicts), position=False, prior=1.0, inference="model"
        )
        for a, b in choose(ranking, rng, names):
            i, j = int(a[1:]), int(b[1:])
            told.append((a, b))
            verdicts.append(float(rng.random() < 1 / (1 + np.exp(-(strength[i] - strength[j])))))
    ranking = rank_battles(battles_of(*zip(*told, strict=True), verdicts), position=False, prior=1.0, inference="model")
    return float(np.mean([(ranking[name].strength - s) ** 2 for name, s in zip(names, strength, strict=True)]))


@pytest.mark.slow
def test_chosen_pairs_beat_random_ones():
    rng = np.random.default_rng(2)

    def at_random(_, rng, names):
        return [tuple(rng.choice(names, 2, replace=False)) for _ in range(4)]

    chosen = [loop(rng, 12, 120, lambda r, *_: choose_pairs(r, 4)) for _ in range(60)]
    random = [loop(rng, 12, 120, at_random) for _ in range(60)]
    assert np.mean(chosen) < np.mean(random)


def test_players_without_a_strength_are_asked_first():
    ranking = rank_battles(battles_of(list("abacad"), list("babacb"), [1, 1, 0, 1, 1, 1]), position=False)
    missing = [p.name for p in ranking.players if np.isnan(p.strength)]
    assert missing == ["d"]
    assert choose_pairs(ranking, 1)[0][0] == "d"
    assert len(choose_pairs(ranking, 3)) >= 2
    assert choose_pairs(rank_battles(battles_of(list("ab"), list("ba"), [1, 1]), position=False), 1) == [("a", "b")]


def test_groups_that_never_met_are_asked_first():
    told = battles_of(list("abcdcd"), list("badcdc"), [1, 1, 1, 1, 1, 0])
    pairs = choose_pairs(rank_battles(told, position=False), 2)
    assert all(len({"a", "b"} & set(pair)) == 1 for pair in pairs)
    tied = rank_battles(battles_of(list("abc"), list("bca"), ["tie"] * 3), position=False)
    assert len(choose_pairs(tied, 1)) == 1
