"""Rankings from pairwise verdicts: golden numbers of the peers, naive likelihoods, coverage, broken graphs."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from neff.benchmark.pairwise import Battles, battles_of, rank_battles
from neff.benchmark.pairwise.links import LINKS, chances, pieces
from neff.errors import ArgumentError
from neff.reasons import Reason

TEN = ["abx", "acx", "bct", "bax", "cay", "adx", "cdt", "dbx", "day", "bdx"]
WORDS = {"x": "left", "y": "right", "t": "tie"}


def of(*told: str) -> Battles:
    return battles_of([t[0] for t in told], [t[1] for t in told], [WORDS[t[2]] for t in told])


@pytest.fixture(scope="module")
def llmfao(request):
    path = request.getfixturevalue("neff_data") / "llmfao.csv"
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = ([r[name] for r in rows] for name in ("left", "right", "winner"))
    return battles_of(*columns, cluster=[r["worker"] for r in rows])


def test_evalica_s_values_on_ten_battles():
    ranking = rank_battles(of(*TEN), position=False)
    found = {p.name: math.exp(p.strength) for p in ranking.players}
    assert found == pytest.approx({"a": 3.456035, "b": 1.092269, "d": 0.560556, "c": 0.472578}, abs=5e-7)
    assert ranking["a"].strength == pytest.approx(1.240122, abs=5e-7)  # choix


def test_evalica_s_values_on_real_battles(llmfao):
    ranking = rank_battles(llmfao, position=False)
    assert (ranking.n_battles, len(ranking.players), ranking.n_components) == (8931, 59, 1)
    found = {p.name: math.exp(p.strength) for p in ranking.players[:3]}
    expected = {"GPT 4": 2.693589, "Platypus-2 Instruct (70B)": 1.910389, "command": 1.885483}
    assert found == pytest.approx(expected, abs=5e-7)


def test_people_prefer_the_left_place(llmfao):
    decided = llmfao.outcome != 0.5
    assert (1 - decided.mean(), decided.sum()) == (pytest.approx(0.389, abs=5e-4), 5460)
    assert llmfao.outcome[decided].mean() == pytest.approx(0.533, abs=5e-4)
    only = Battles(llmfao.left[decided], llmfao.right[decided], llmfao.outcome[decided], llmfao.names)
    effect = rank_battles(only, inference="model").position_effect
    assert effect.value / effect.standard_error > 4
    by_worker = rank_battles(llmfao).position_effect
    assert by_worker.interval[0] > 0
    assert by_worker.standard_error > rank_battles(llmfao, inference="model").position_effect.standard_error


def test_soft_verdicts_golden():
    p = np.array([[0, 0.9, 0.95, 0.97], [0.55, 0, 0.8, 0.92], [0.5, 0.62, 0, 0.85], [0.4, 0.45, 0.6, 0]])
    left, right = np.nonzero(~np.eye(4, dtype=bool))
    told = battles_of(left.tolist(), right.tolist(), p[left, right])
    assert told.soft
    with_place = rank_battles(told)
    assert [x.strength for x in with_place.players] == pytest.approx(
        [0.993295, 0.21116, -0.269694, -0.934761], abs=1e-6
    )
    assert with_place.position_effect.value == pytest.approx(1.149605, abs=1e-6)
    without = rank_battles(told, position=False)
    assert [x.strength for x in without.players] == pytest.approx([0.761843, 0.159595, -0.205551, -0.715887], abs=1e-6)
    with pytest.raises(ArgumentError, match="'bradley-terry' for probabilities"):
        rank_battles(told, model="davidson")


def simulated(rng, link="bradley-terry", n_players=7, n=1500, place=0.4, tau=None, names=None):
    strength = np.linspace(1, -1, n_players)
    left = rng.integers(n_players, size=n)
    right = (left + 1 + rng.integers(n_players - 1, size=n)) % n_players
    win, tie, _ = chances(link, strength[left] - strength[right] + place, 0.0 if tau is None else tau)
    u = rng.random(n)
    outcome = np.where(u < win, 1.0, np.where(u < win + tie, 0.5, 0.0))
    return Battles(left, right, outcome, tuple(names or map(str, range(n_players)))), strength


def naive(battles, link, ridge=0.0):
    n = battles.n_players

    def negative(x):
        d = x[battles.left] - x[battles.right] + x[n]
        win, tie, loss = chances(link, d, x[n + 1] if link != "bradley-terry" else 0.0)
        y = battles.outcome
        if link == "bradley-terry":
            value = y * np.log(expit(d)) + (1 - y) * np.log(expit(-d))
        else:
            value = np.log(np.where(y == 1, win, np.where(y == 0, loss, np.maximum(tie, 1e-300))))
        return -value.sum() + 0.5 * x[:n].sum() ** 2 + ridge / 2 * (x[:n] @ x[:n])

    start = np.r_[np.zeros(n), 0.0, 0.5]
    return minimize(negative, start, method="BFGS", options={"gtol": 1e-6}).x


@pytest.mark.parametrize("link", LINKS)
def test_newton_equals_a_plain_maximisation(link):
    battles, _ = simulated(np.random.default_rng(1), link, n_players=5, n=400, tau=None if link == LINKS[0] else 0.4)
    ranking, x = rank_battles(battles, model=link), naive(battles, link)
    for player in ranking.players:
        assert player.strength == pytest.approx(x[int(player.name)], abs=1e-4)
    assert ranking.position_effect.value == pytest.approx(x[5], abs=1e-4)
    if link != "bradley-terry":
        assert ranking.tie_parameter.value == pytest.approx(x[6], abs=1e-4)


@pytest.mark.parametrize("link", LINKS)
@settings(max_examples=30, deadline=None)
@given(st.floats(-3, 3), st.floats(0.1, 2), st.floats(0, 4), st.floats(0, 4), st.floats(0, 4))
def test_derivatives_by_differences(link, d, tau, win, tie, loss):
    def at(x, t):
        return pieces(link, np.array([x]), t, np.array([win]), np.array([tie]), np.array([loss]))

    e, here = 1e-5, at(d, tau)
    scale = 1 + win + tie + loss
    assert here.g_d[0] == pytest.approx((at(d + e, tau).value[0] - at(d - e, tau).value[0]) / (2 * e), abs=1e-6 * scale)
    assert here.h_dd[0] == pytest.approx((at(d + e, tau).g_d[0] - at(d - e, tau).g_d[0]) / (2 * e), abs=1e-6 * scale)
    if link != "bradley-terry":
        up, down = at(d, tau + e), at(d, tau - e)
        assert here.g_t[0] == pytest.approx((up.value[0] - down.value[0]) / (2 * e), abs=1e-6 * scale)
        assert here.h_tt[0] == pytest.approx((up.g_t[0] - down.g_t[0]) / (2 * e), abs=1e-6 * scale)
        assert here.h_dt[0] == pytest.approx((up.g_d[0] - down.g_d[0]) / (2 * e), abs=1e-6 * scale)


@pytest.mark.parametrize("link", LINKS)
def test_chances_add_up(link):
    d = np.linspace(-40, 40, 11)
    win, tie, loss = chances(link, d, 0.7)
    assert win + tie + loss == pytest.approx(np.ones(11), abs=1e-12)
    assert win == pytest.approx(loss[::-1], abs=1e-12)


def test_order_of_battles_and_names_does_not_matter():
    battles, _ = simulated(np.random.default_rng(2), n=300)
    rng = np.random.default_rng(3)
    order = rng.permutation(300)
    shuffled = Battles(battles.left[order], battles.right[order], battles.outcome[order], battles.names)
    a, b = rank_battles(battles), rank_battles(shuffled)
    for player in a.players:
        assert b[player.name].strength == pytest.approx(player.strength, abs=1e-9)
        assert b[player.name].standard_error == pytest.approx(player.standard_error, abs=1e-9)
    swapped = Battles(battles.right, battles.left, 1 - battles.outcome, battles.names)
    c = rank_battles(swapped)
    assert c.position_effect.value == pytest.approx(-a.position_effect.value, abs=1e-9)
    assert [p.name for p in c.players] == [p.name for p in a.players]


def test_a_weight_of_two_is_a_battle_twice():
    battles, _ = simulated(np.random.default_rng(4), n=120)
    weight = np.where(np.arange(120) % 3 == 0, 2.0, 1.0)
    rows = np.repeat(np.arange(120), weight.astype(int))
    twice = Battles(battles.left[rows], battles.right[rows], battles.outcome[rows], battles.names)
    weighted = Battles(battles.left, battles.right, battles.outcome, battles.names, weight=weight)
    a, b = (rank_battles(x, inference="model") for x in (twice, weighted))
    for player in a.players:
        assert b[player.name].strength == pytest.approx(player.strength, abs=1e-9)
        assert b[player.name].standard_error == pytest.approx(player.standard_error, abs=1e-9)


def test_one_battle_per_cluster_is_no_cluster():
    battles, _ = simulated(np.random.default_rng(5), n=200)
    own = Battles(battles.left, battles.right, battles.outcome, battles.names, cluster=np.arange(200))
    a, b = rank_battles(battles), rank_battles(own)
    for player in a.players:
        assert b[player.name].standard_error == pytest.approx(player.standard_error, abs=1e-9)


def test_covariates_are_taken_out():
    rng = np.random.default_rng(6)
    battles, strength = simulated(rng, n=4000, place=0.0)
    longer = rng.normal(size=4000)
    d = strength[battles.left] - strength[battles.right] + 0.8 * longer
    swayed = Battles(battles.left, battles.right, (rng.random(4000) < expit(d)).astype(float), battles.names)
    ranking = rank_battles(swayed, covariates={"length": longer})
    effect = ranking.covariate_effects[0]
    assert effect.metric == "length"
    assert effect.interval[0] < 0.8 < effect.interval[1]
    assert abs(ranking["0"].strength - 1) < 4 * ranking["0"].standard_error
    with pytest.raises(ArgumentError, match="covariates must be of 4000 numbers"):
        rank_battles(swayed, covariates={"length": longer[:5]})


@pytest.mark.parametrize("inference", ["sandwich", "model"])
@pytest.mark.parametrize("link", LINKS)
def test_coverage(link, inference):
    rng = np.random.default_rng(7)
    tau = {"bradley-terry": None, "davidson": 0.2, "rao-kupper": 0.4}[link]
    hits, place, ratio = [], [], []
    for _ in range(120):
        battles, strength = simulated(rng, link, n=700, tau=tau)
        ranking = rank_battles(battles, model=link, inference=inference)
        hits += [p.interval[0] <= strength[int(p.name)] <= p.interval[1] for p in ranking.players]
        place.append(ranking.position_effect.value)
        ratio.append(ranking.position_effect.standard_error)
    assert 0.93 <= np.mean(hits) <= 0.97
    assert 0.85 <= np.mean(ratio) / np.std(place) <= 1.15


@pytest.mark.slow
def test_clusters_are_needed_where_judges_differ():
    """Each judge has a taste of its own: intervals that ignore it miss too often, those by judge do not."""
    rng = np.random.default_rng(8)
    covered = {"judges": [], "battles": []}
    strength = np.array([0.6, 0.2, -0.2, -0.6])
    for _ in range(300):
        judges, each = 60, 15
        taste = rng.normal(size=(judges, 4))
        taste -= taste.mean(axis=1, keepdims=True)
        judge = np.repeat(np.arange(judges), each)
        left = rng.integers(4, size=judges * each)
        right = (left + 1 + rng.integers(3, size=judges * each)) % 4
        own = strength[None, :] + taste[judge]
        rows = np.arange(len(left))
        outcome = (rng.random(len(left)) < expit(own[rows, left] - own[rows, right])).astype(float)
        # Averaged over tastes the odds shrink: the truth is what very many judges would give.
        for name, cluster in (("judges", judge), ("battles", None)):
            ranking = rank_battles(Battles(left, right, outcome, tuple("0123"), cluster=cluster), position=False)
            covered[name].append((ranking["0"].strength, ranking["0"].standard_error))
    truth = np.mean([value for value, _ in covered["judges"]])
    share = {k: np.mean([abs(v - truth) <= 1.96 * se for v, se in found]) for k, found in covered.items()}
    assert 0.92 <= share["judges"] <= 0.98
    assert share["battles"] < 0.85


def test_bootstrap_agrees_with_the_sandwich():
    battles, _ = simulated(np.random.default_rng(9), n=900)
    a = rank_battles(battles)
    b = rank_battles(battles, inference="bootstrap", n_resamples=300, rng=0)
    for player in a.players:
        assert b[player.name].strength == pytest.approx(player.strength, abs=1e-9)
        assert b[player.name].standard_error == pytest.approx(player.standard_error, rel=0.2)  # 300 resamples
    again = rank_battles(battles, inference="bootstrap", n_resamples=300, rng=0)
    assert [p.standard_error for p in again.players] == [p.standard_error for p in b.players]
    assert b.seed == 0


def test_rank_intervals_hold_the_true_ranks():
    rng = np.random.default_rng(10)
    for _ in range(40):
        battles, _ = simulated(rng, n=1500)
        for player in rank_battles(battles).players:
            true = int(player.name) + 1
            low, high = player.rank_interval
            assert low <= true <= high  # family-wise error .05 per ranking; this seed has none
    sure = rank_battles(simulated(rng, n=60_000)[0])
    assert [p.rank_interval for p in sure.players] == [(i, i) for i in range(1, 8)]
    assert sure.tied_with_best() == ("0",)


def test_differences_between_two():
    battles, _ = simulated(np.random.default_rng(11), n=800)
    ranking = rank_battles(battles)
    found = ranking.difference("0", "6")
    assert found.difference == pytest.approx(ranking["0"].strength - ranking["6"].strength)
    assert found.p_value < 1e-6
    assert ranking.difference("6", "0").difference == -found.difference
    with pytest.raises(KeyError):
        ranking.difference("0", "nobody")


def test_an_undefeated_player_gets_no_number():
    ranking = rank_battles(of("abx", "acx", "bcx", "cbx"), position=False)
    assert math.isnan(ranking["a"].strength)
    assert ranking["a"].rank is None
    assert "always won" in ranking.reason
    assert ": a." in ranking.reason
    assert ranking["b"].strength == pytest.approx(0, abs=1e-12)
    prior = rank_battles(of("abx", "acx", "bcx", "cbx"), position=False, prior=1.0)
    assert prior["a"].strength > prior["b"].strength
    assert prior.reason == ""


def test_two_groups_that_never_met_are_not_compared():
    ranking = rank_battles(of("abx", "bax", "cdx", "dcx", "cdx"), position=False)
    assert ranking.n_components == 2
    assert math.isnan(ranking.difference("a", "c").difference)
    assert ranking.difference("c", "d").difference > 0
    assert ranking.reason.startswith("not comparable")


def test_one_battle_and_all_ties():
    single = rank_battles(of("abx"))
    assert all(math.isnan(p.strength) for p in single.players)
    assert single.position_effect.reason is Reason.NOT_IDENTIFIED
    assert ": a, b." in single.reason
    tied = rank_battles(of("abt", "bct", "cat"), position=False)
    assert [p.strength for p in tied.players] == pytest.approx([0, 0, 0], abs=1e-12)
    for link in ("davidson", "rao-kupper"):
        none = rank_battles(of("abt", "bct", "cat"), position=False, model=link)
        assert all(math.isnan(p.strength) for p in none.players)
        assert none.reason.startswith("no finite estimate")


def test_a_place_that_always_wins_has_no_finite_preference():
    ranking = rank_battles(of("abx", "bax", "acx", "cax", "bcx", "cbx"))
    assert ranking.reason.startswith("no finite estimate")
    assert ranking.position_effect.reason is Reason.NOT_IDENTIFIED
    assert rank_battles(of("abx", "bax", "acx", "cax", "bcx", "cbx"), position=False).reason == ""


def test_ties_alone_are_no_certainty():
    for inference in ("sandwich", "bootstrap"):
        found = rank_battles(of("abt", "bct", "cat"), position=False, inference=inference, n_resamples=20, rng=0)
        assert [p.strength for p in found.players] == pytest.approx([0, 0, 0], abs=1e-12)
        assert all(math.isnan(x) for p in found.players for x in (p.standard_error, *p.interval))
        assert found.reason == "no interval: the verdicts do not vary, as all are ties."
        assert math.isnan(found.difference("a", "b").interval[0])
        assert found.tied_with_best() == ("a", "b", "c")
    place = rank_battles(of("abt", "bct", "cat")).position_effect
    assert (place.reason, math.isnan(place.interval[0])) == (Reason.NO_STANDARD_ERROR, True)


def test_one_cluster_has_no_error():
    told = [("ab", 1), ("ba", 0), ("ab", 0), ("bc", 1), ("cb", 1), ("ca", 0), ("ac", 0)]
    battles = battles_of(*zip(*(pair for pair, _ in told), strict=True), [x for _, x in told], cluster=["judge"] * 7)
    for inference in ("sandwich", "bootstrap"):
        found = rank_battles(battles, position=False, inference=inference, n_resamples=20, rng=0)
        assert not any(math.isnan(p.strength) for p in found.players)
        assert all(math.isnan(p.standard_error) for p in found.players)
        assert found.reason == "no interval: all battles share one cluster."
    assert rank_battles(battles, position=False, inference="model").reason == ""


def test_sides_that_never_change_cannot_be_told_from_strengths():
    """Seven of ten wins from the left: the left player's strength, or the place. Nothing in the battles says which."""
    always = of(*["abx"] * 7, *["aby"] * 3, *["acx"] * 6, *["acy"] * 4)
    found = rank_battles(always)
    assert all(math.isnan(p.strength) and p.rank is None for p in found.players)
    assert found.position_effect.reason is Reason.NOT_IDENTIFIED
    assert found.reason.startswith("strengths, the preference for a place and covariates cannot all be told apart")
    assert rank_battles(always, position=False).reason == ""
    assert rank_battles(always, prior=1.0).reason == ""  # the prior says which
    loop = rank_battles(of(*["abx"] * 7, *["aby"] * 3, *["bcx"] * 6, *["bcy"] * 4, *["cax"] * 2, *["cay"] * 2))
    assert not any(math.isnan(p.strength) for p in loop.players)


@pytest.mark.parametrize(("name", "values"), [("nothing", 0.0), ("place", 1.0)])
def test_a_covariate_that_says_nothing_of_its_own(name, values):
    battles, _ = simulated(np.random.default_rng(12), n=300)
    found = rank_battles(battles, covariates={name: np.full(300, values)})
    plain = rank_battles(battles)
    assert found.covariate_effects[0].reason is Reason.NOT_IDENTIFIED
    for player in plain.players:
        assert found[player.name].strength == pytest.approx(player.strength, abs=1e-6)
        assert found[player.name].standard_error == pytest.approx(player.standard_error, abs=1e-6)
    known = found.position_effect.reason is None
    assert known == (name == "nothing")


@pytest.mark.parametrize("link", ["davidson", "rao-kupper"])
def test_without_ties_the_tie_models_are_bradley_terry(link):
    battles, _ = simulated(np.random.default_rng(13), n=300)
    plain, found = rank_battles(battles), rank_battles(battles, model=link)
    for player in plain.players:
        assert found[player.name].strength == pytest.approx(player.strength, abs=1e-9)
        assert found[player.name].standard_error == pytest.approx(player.standard_error, abs=1e-9)
    assert found.tie_parameter.reason is Reason.NOT_IDENTIFIED
    assert plain.tie_parameter is None


def test_a_prior_is_an_observation_in_every_interval():
    """Strengths from the prior, eight battles each: without the prior's part these intervals held .78 and .73."""
    rng, n = np.random.default_rng(14), 6
    hits = {"sandwich": [], "bootstrap": [], "model": []}
    for _ in range(100):
        strength = rng.normal(size=n)
        left = rng.integers(n, size=24)
        right = (left + 1 + rng.integers(n - 1, size=24)) % n
        won = (rng.random(24) < expit(strength[left] - strength[right])).astype(float)
        battles = Battles(left, right, won, tuple(map(str, range(n))))
        for inference, found in hits.items():
            ranking = rank_battles(battles, position=False, prior=1.0, inference=inference, n_resamples=40, rng=rng)
            centred = strength - strength.mean()
            found += [p.interval[0] <= centred[int(p.name)] <= p.interval[1] for p in ranking.players]
    assert all(0.87 <= np.mean(found) <= 0.97 for found in hits.values())


def test_players_of_a_smaller_component_have_no_rank():
    found = rank_battles(of("abx", "bax", "cax", "acx", "dex", "edx"), position=False)
    assert {p.name for p in found.players if p.rank is None} == {"d", "e"}
    assert all(not math.isnan(p.strength) for p in found.players)


@pytest.mark.slow
def test_intervals_by_few_clusters_cover():
    """Five judges of different tastes: normal quantiles held .88."""
    rng = np.random.default_rng(3)
    judges, each = 5, 60
    strength, found = np.array([0.6, 0.2, -0.2, -0.6]), []
    for _ in range(250):
        taste = 0.6 * rng.normal(size=(judges, 4))
        judge = np.repeat(np.arange(judges), each)
        left = rng.integers(4, size=judges * each)
        right = (left + 1 + rng.integers(3, size=judges * each)) % 4
        own, rows = strength + taste[judge], np.arange(judges * each)
        outcome = (rng.random(judges * each) < expit(own[rows, left] - own[rows, right])).astype(float)
        ranking = rank_battles(Battles(left, right, outcome, tuple("0123"), cluster=judge), position=False)
        found.append([(ranking[name].strength, *ranking[name].interval) for name in "0123"])
    values = np.array(found)
    truth = values[..., 0].mean(axis=0)  # over tastes the odds shrink
    assert 0.925 <= np.mean((values[..., 1] <= truth) & (truth <= values[..., 2])) <= 0.975


def test_few_clusters_take_the_t_distribution():
    rng = np.random.default_rng(15)
    battles, _ = simulated(rng, n=600)
    few = Battles(battles.left, battles.right, battles.outcome, battles.names, cluster=np.arange(600) % 7)
    found = rank_battles(few)
    assert (found.df, rank_battles(battles).df) == (6, math.inf)
    assert found.warnings == ("7 clusters: the intervals rest on few independent units",)
    player = found.players[0]
    assert (player.interval[1] - player.strength) / player.standard_error == pytest.approx(2.4469, abs=1e-4)  # t, 6
    e = found.position_effect
    assert (e.interval[1] - e.value) / e.standard_error == pytest.approx(2.4469, abs=1e-4)


@pytest.mark.parametrize(
    ("left", "right", "winner", "message"),
    [
        (["a"], ["a"], ["left"], "another player than left"),
        (["a"], [None], ["left"], "a name on both sides"),
        (["a"], ["b"], ["nobody"], "'left', 'right' or 'tie'"),
        (["a"], ["b"], [2], "a number in"),
        (["a", "b"], ["b"], ["left"], "as long as left and right"),
        (["a", "b"], ["b", "a"], [1, "left"], "all words or all numbers"),
    ],
)
def test_bad_battles(left, right, winner, message):
    with pytest.raises(ArgumentError, match=message):
        battles_of(left, right, winner)


def test_words_of_many_logs_and_missing_verdicts():
    told = battles_of(list("aaaa"), list("bbbb"), ["model_a", "Tie (bothbad)", None, "b"])
    assert told.outcome.tolist() == [1, 0.5, 0]
    assert told.n_dropped == 1
    numbers = battles_of(list("aa"), list("bb"), [1, math.nan])
    assert (numbers.outcome.tolist(), numbers.n_dropped) == ([1.0], 1)
    first = battles_of(list("aaa"), list("bbb"), [None, "left", math.nan])
    assert (first.outcome.tolist(), first.n_dropped) == ([1.0], 2)
    with pytest.raises(ArgumentError, match=r"cluster must be of 2 values, got '1'"):
        battles_of(list("aa"), list("bb"), ["left", "left"], cluster=["judge"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "elo"}, "model must be"),
        ({"inference": "guess"}, "inference must be"),
        ({"prior": -1}, "prior must be 0 or more"),
        ({"prior": "strong"}, "prior must be one number"),
        ({"level": 95}, "Did you mean 0.95"),
        ({"inference": "bootstrap", "n_resamples": 2}, "n_resamples"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ArgumentError, match=message):
        rank_battles(of("abx", "bax"), **options)


def test_no_battle():
    with pytest.raises(ArgumentError, match="at least one with a verdict"):
        rank_battles(battles_of(["a"], ["b"], [None]))


def test_results_as_json(llmfao):
    import json

    found = rank_battles(llmfao)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["players"][0]["name"] == "GPT 4"
    assert data["reason"] is None
    assert str(found).splitlines()[1].split()[1:3] == ["GPT", "4"]
