"""Numbers of the reference implementation (cje-eval 0.3.0; TR-CPO: 0.2.10) on the arena data, as it prints them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import KFold

from neff.evaluate.calibrating.folds import FoldMap, hash_folds
from neff.evaluate.judge.inference import infer
from neff.evaluate.off_policy.dr import dr
from neff.evaluate.off_policy.ips import raw_ips
from neff.evaluate.off_policy.mrdr import mrdr
from neff.evaluate.off_policy.proxy import dr_cpo
from neff.evaluate.off_policy.simcal_ips import simcal_ips
from neff.evaluate.off_policy.stacked import stacked_dr
from neff.evaluate.off_policy.tmle import tmle
from neff.evaluate.off_policy.tr_cpo import tr_cpo

POLICIES = ("clone", "parallel_universe_prompt", "unhelpful")
EXACT = 2e-9  # numbers were printed with 9 decimals
ENDS = 6e-7  # interval ends with 6


def outer_folds(arena):
    return FoldMap(hash_folds(arena.names, seed=1042), 5)


def dealt_folds(arena):
    """The reference deals MRDR's folds anew when the calibrator stored none."""
    fold = np.empty(len(arena.names), np.int64)
    for k, (_, test) in enumerate(KFold(5, shuffle=True, random_state=42).split(fold)):
        fold[test] = k
    return FoldMap(fold, 5)


def run(arena, method, policy):
    given = {"calibration": arena.calibration, "folds": arena.folds}
    pair = {**given, "fresh": arena.fresh[policy]}
    logged = arena.logged[policy]
    if method == "raw-ips":
        return raw_ips(logged, calibration=arena.calibration)
    if method == "simcal-ips":
        return simcal_ips(logged, outer=outer_folds(arena), **given)
    if method == "mrdr":
        return mrdr(logged, outcome_folds=dealt_folds(arena), **pair)
    return {"dr-cpo": dr_cpo, "tmle": tmle, "stacked-dr": stacked_dr}[method](logged, **pair)


PUBLISHED = {
    "raw-ips": (
        (0.756355460, 0.008492352, 0.739711, 0.773000),
        (0.752175593, 0.013825461, 0.725078, 0.779273),
        (0.749069884, 0.039520801, 0.671611, 0.826529),
    ),
    "simcal-ips": (
        (0.764228359, 0.010641767, 0.734682, 0.793775),
        (0.760917639, 0.022040254, 0.699724, 0.822111),
        (0.770888847, 0.037310262, 0.667299, 0.874479),
    ),
    "dr-cpo": (
        (0.762353971, 0.017747786, 0.713078, 0.811630),
        (0.762700496, 0.020464595, 0.705882, 0.819519),
        (0.409229905, 0.044239089, 0.286403, 0.532057),
    ),
    "mrdr": (
        (0.763450348, 0.017718247, 0.714257, 0.812644),
        (0.764030590, 0.019694698, 0.709349, 0.818712),
        (0.414501038, 0.042975979, 0.295181, 0.533821),
    ),
    "tmle": (
        (0.763450348, 0.017706823, 0.714288, 0.812612),
        (0.764030590, 0.020332961, 0.707577, 0.820484),
        (0.414501038, 0.042871402, 0.295471, 0.533531),
    ),
    "stacked-dr": (
        (0.763277942, 0.017709664, 0.714108, 0.812448),
        (0.764030590, 0.020332961, 0.707577, 0.820484),
        (0.414501038, 0.042871402, 0.295471, 0.533531),
    ),
}


@pytest.mark.parametrize("method", PUBLISHED)
def test_estimate_standard_error_and_interval(arena, method):
    for policy, (value, error, low, high) in zip(POLICIES, PUBLISHED[method], strict=True):
        found = infer(run(arena, method, policy))
        assert found.value == pytest.approx(value, abs=EXACT)
        assert found.standard_error == pytest.approx(error, abs=EXACT)
        assert found.interval == pytest.approx((low, high), abs=ENDS)


def test_parts_of_the_standard_error_of_dr_cpo(arena):
    sampling = (0.002628806, 0.005773849, 0.011804584)
    oracle = (3.080733e-4, 3.854623e-4, 1.817749e-3)
    for policy, se_if, var_oracle in zip(POLICIES, sampling, oracle, strict=True):
        estimate = run(arena, "dr-cpo", policy)
        total = infer(estimate).standard_error ** 2
        assert estimate.oracle_variance == pytest.approx(var_oracle, rel=1e-6)
        assert np.sqrt(total - estimate.oracle_variance) == pytest.approx(se_if, abs=EXACT)


def test_the_published_jackknife_counts_the_calibrator_twice(arena):
    """Its variance is 3.8 times that of the direct mean, from the same calibrators."""
    fresh, curve = arena.fresh["clone"], arena.calibration
    means = np.array([curve.predict_fold(k, fresh.score).mean() for k in range(5)])
    direct = 0.8 * np.square(means - means.mean()).sum()
    assert direct == pytest.approx(8.19981e-5, rel=1e-5)
    assert run(arena, "dr-cpo", "clone").oracle_variance / direct == pytest.approx(3.757, rel=1e-3)


def test_stabilised_weights(arena):
    seen = [run(arena, "simcal-ips", policy).components for policy in POLICIES]
    n = len(arena.names)
    assert [c["rising_share"] for c in seen] == pytest.approx([0.979683, 0.718328, 0.513943], abs=6e-7)
    assert [c["blend"] for c in seen] == [0.0, 0.0, 0.0]
    assert [c["n_eff_fraction"] for c in seen] == pytest.approx([0.214608, 0.003417, 0.007761], abs=6e-7)
    assert [c["n_eff_stabilised"] / n for c in seen] == pytest.approx([0.977736, 0.955493, 0.852282], abs=6e-7)
    assert [c["largest_weight"] for c in seen] == pytest.approx([1.731453, 2.823649, 3.689259], abs=6e-7)
    inside_dr = [run(arena, "dr-cpo", policy).components["n_eff_weights"] / n for policy in POLICIES]
    assert inside_dr == pytest.approx([0.982799, 0.977207, 0.870265], abs=6e-7)


def test_shares_of_the_stack_and_targeting(arena):
    expected = {"clone": (0.42137, 0.15725, 0.42137), "unhelpful": (0.5, 0.0, 0.5)}
    for policy, shares in expected.items():
        stack = run(arena, "stacked-dr", policy)
        found = [stack.components[f"share {name}"] for name in ("mrdr", "dr-cpo", "tmle")]
        assert found == pytest.approx(shares, abs=6e-6)
        assert any("no evidence" in warning for warning in stack.warnings)
        target = run(arena, "tmle", policy)
        assert target.components["epsilon"] == pytest.approx(0.0, abs=1e-9)
        assert target.components["correction"] == pytest.approx(0.0, abs=1e-12)


def test_stabilised_importance_sampling_puts_the_worst_policy_near_the_best(arena):
    """The truth of `unhelpful` is 0.149: an effective sample size of 85% says nothing about overlap."""
    worst = run(arena, "simcal-ips", "unhelpful")
    assert worst.value > run(arena, "simcal-ips", "clone").value
    assert worst.components["n_eff_stabilised"] > 850


def test_dr_with_oracle_residuals(arena):
    """The reference figures were computed with weights capped at 100 and five hashed folds, without the jackknife."""
    expected = ((0.724981, 0.025294), (0.639290, 0.173768), (0.422674, 0.053075))
    for policy, (value, error) in zip(POLICIES, expected, strict=True):
        found = dr(
            arena.logged[policy],
            calibration=arena.calibration,
            folds=arena.folds,
            fresh=arena.fresh[policy],
            cap=100.0,
        )
        plain = replace(found, jackknife=None, labelled=None, n_parameters=0)
        assert found.value == pytest.approx(value, abs=6e-7)
        assert infer(plain).standard_error == pytest.approx(error, abs=6e-7)


def test_tr_cpo_with_a_propensity_learned_from_the_score(arena):
    """Release 0.2.10 learns the propensity by isotonic regression out of fold; ours is given it.

    Its oracle variance was the mean, not the sum, of the jackknife's squares; the sampling part is compared.
    """
    logged = arena.logged["clone"]
    known, fold = logged.labelled.astype(float), arena.folds.of_prompt
    propensity = np.empty(logged.n)
    for k in range(5):
        curve = IsotonicRegression(out_of_bounds="clip", y_min=0, y_max=1)
        propensity[fold == k] = curve.fit(logged.score[fold != k], known[fold != k]).predict(logged.score[fold == k])
    expected = {
        False: ((0.7263993, 0.02254383), (0.70465861, 0.10091924), (0.39488469, 0.05718821)),
        True: ((0.76247563, 0.01050352), (0.76290728, 0.01331986), (0.40697394, 0.02509123)),
    }
    for efficient, rows in expected.items():
        for policy, (value, error) in zip(POLICIES, rows, strict=True):
            found = tr_cpo(
                replace(arena.logged[policy], propensity=propensity),
                calibration=arena.calibration,
                folds=arena.folds,
                fresh=arena.fresh[policy],
                efficient=efficient,
            )
            as_published = infer(found).standard_error ** 2 - found.oracle_variance * (1 - 1 / 5)
            assert found.value == pytest.approx(value, abs=6e-9)
            assert np.sqrt(as_published) == pytest.approx(error, abs=6e-9)
