"""The monitor: what a step's report says, however the step was cut, and what it does with what is wrong."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import warnings
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from neff.errors import ArgumentError, ArgumentTypeError
from neff.reasons import Reason
from neff.stats.tail import hill, pareto_k
from neff.stats.weights import ess
from neff.train import CheckRefusedError, CheckWarning, EarlyWarning, Finding, Monitor, StepReport

torch = pytest.importorskip("torch")

B, T, G = 35, 13, 7
NAN = math.nan


def batch(seed=0, sd=0.1, shift=0.0, b=B, t=T):
    """Return a ragged stale batch: (lp, blp, mask, rewards, group, entropy)."""
    rng = np.random.default_rng(seed)
    blp = -rng.exponential(1.0, (b, t))
    lp = blp + rng.normal(shift, sd, (b, t))
    mask = np.arange(t) < rng.integers(1, t + 1, (b, 1))
    rewards = rng.integers(0, 2, b).astype(float)
    group = np.arange(b) // 5
    return lp, blp, mask, rewards, group, rng.exponential(1.0, (b, t))


def observe(monitor, parts, rows=slice(None), **options):
    lp, blp, mask, rewards, group, entropy = (part[rows] for part in parts)
    tensors = [torch.tensor(part) for part in (lp, blp, mask)]
    monitor.observe(*tensors, rewards=rewards, group=group, entropy=torch.tensor(entropy), **options)


def same(a, b, tolerance=1e-9):
    """Compare two reports but for how they were cut."""
    left, right = a.to_dict(), b.to_dict()
    for cut in ("n_micro_batches", "n_ranks"):
        left.pop(cut)
        right.pop(cut)
    compare(left, right, tolerance)


def compare(left, right, tolerance):
    assert type(left) is type(right)
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        for name in left:
            compare(left[name], right[name], tolerance)
    elif isinstance(left, list):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            compare(one, other, tolerance)
    elif isinstance(left, float):
        assert left == pytest.approx(right, rel=tolerance, abs=tolerance)
    else:
        assert left == right


def test_every_number_is_what_it_says():
    lp, blp, mask, rewards, _, entropy = parts = batch()
    monitor = Monitor()
    observe(monitor, parts, cap=1.05, policy_step=3)
    report = monitor.close_step(10, learning_rate=1e-3, lr_factor=0.5, metrics={"loss": 0.25})
    log_rho = (lp - blp)[mask]
    log_w = np.where(mask, lp - blp, 0).sum(1)
    assert report.ess_token.value == pytest.approx(ess(log_rho) / log_rho.size, rel=1e-12)
    assert report.ess_sequence.value == pytest.approx(ess(log_w) / B, rel=1e-12)
    assert (report.ess_token.n, report.ess_token.n_clusters) == (mask.sum(), 7)
    assert (report.ess_sequence.n, report.ess_sequence.n_clusters) == (B, 7)
    assert report.ess_sequence.floor == pytest.approx(1 / B)
    assert report.log_mean_ratio_token == pytest.approx(math.log(np.exp(log_rho).mean()), rel=1e-9)
    assert report.log_mean_ratio_sequence == pytest.approx(math.log(np.exp(log_w).mean()), rel=1e-9)
    assert report.log_ratio_variance == pytest.approx(log_w.var(ddof=1), rel=1e-12)
    assert report.hill == pytest.approx(hill(log_w).value, rel=1e-12)
    assert report.pareto_k == pytest.approx(pareto_k(log_w).value, rel=1e-9)
    assert report.cap == pytest.approx(1.05)
    assert report.cap_hit_token == pytest.approx((np.exp(log_rho) > 1.05).mean())
    assert report.cap_hit_sequence == pytest.approx((np.exp(log_w) > 1.05).mean())
    assert report.reward == pytest.approx(rewards.mean())
    assert report.reward_sd == pytest.approx(rewards.std(ddof=1))
    means = rewards.reshape(7, 5).mean(1)  # groups of one size: the plain error of their means
    assert report.reward_standard_error == pytest.approx(means.std(ddof=1) / math.sqrt(7))
    spread = rewards.reshape(7, 5).std(1) > 0
    assert report.informative_group_share == pytest.approx(spread.mean())
    assert 0 < report.informative_group_share < 1 or spread.all()
    assert report.n_groups == 7
    assert report.entropy == pytest.approx(entropy[mask].mean())
    assert (report.lag_mean, report.lag_max) == (7.0, 7.0)
    lengths = mask.sum(1)
    assert (report.length_mean, report.length_max) == (pytest.approx(lengths.mean()), lengths.max())
    assert report.length_r2 == pytest.approx(np.corrcoef(lengths, log_w)[0, 1] ** 2)
    assert (report.n_tokens, report.n_sequences) == (mask.sum(), B)
    assert (report.learning_rate, report.lr_factor, report.metrics) == (1e-3, 0.5, {"loss": 0.25})
    assert (report.step, report.n_micro_batches, report.n_ranks) == (10, 1, 1)
    assert monitor.last is report


def test_the_standard_error_of_the_mean_ratio_is_calibrated():
    values, errors = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        blp = -rng.exponential(1.0, (60, 7))
        lp = blp + rng.normal(-0.02, 0.2, (60, 7)) + rng.normal(-0.02, 0.2, (60, 1))
        monitor = Monitor()
        monitor.observe(torch.tensor(lp), torch.tensor(blp), torch.ones(60, 7))
        report = monitor.close_step()
        values.append(report.log_mean_ratio_token)
        errors.append(report.log_mean_ratio_token_standard_error)
    assert 0.9 < np.mean(errors) / np.std(values) < 1.1
    assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(300)


@pytest.mark.parametrize("cuts", [(35,), (1, 34), (5, 17, 13), (1,) * 35])
def test_micro_batches_do_not_matter(cuts):
    parts = batch()
    whole, cut = Monitor(), Monitor()
    observe(whole, parts, cap=1.1, policy_step=np.arange(B))
    start = 0
    for size in cuts:
        rows = slice(start, start + size)
        observe(cut, parts, rows, cap=1.1, policy_step=np.arange(B)[rows])
        start += size
    same(whole.close_step(40), cut.close_step(40))


def test_order_padding_and_a_shift_of_the_padding_do_not_matter():
    lp, blp, mask, rewards, group, entropy = batch()
    one, other = Monitor(), Monitor()
    observe(one, (lp, blp, mask, rewards, group, entropy))
    order = np.random.default_rng(1).permutation(B)
    dirty = [np.where(mask, x, NAN) for x in (lp, blp, entropy)]
    wide = [np.pad(x, ((0, 0), (0, 4)), constant_values=math.inf) for x in (dirty[0], dirty[1], dirty[2])]
    wide_mask = np.pad(mask, ((0, 0), (0, 4)))
    observe(other, tuple(x[order] for x in (wide[0], wide[1], wide_mask, rewards, group, wide[2])))
    same(one.close_step(), other.close_step())


def test_half_precision_and_integer_masks_are_taken():
    lp, blp, mask, *_ = batch()
    monitor = Monitor()
    monitor.observe(torch.tensor(lp).bfloat16(), torch.tensor(blp).bfloat16(), torch.tensor(mask).long())
    half = (torch.tensor(lp).bfloat16().double() - torch.tensor(blp).bfloat16().double()).numpy()[mask]
    assert monitor.close_step().ess_token.value == pytest.approx(ess(half) / half.size, rel=1e-6)


def test_it_leaves_no_trace_in_the_graph_and_in_the_inputs():
    lp, blp, mask, *_ = batch()
    leaf = torch.tensor(lp, requires_grad=True)
    behaviour, keep = torch.tensor(blp), torch.tensor(mask)
    monitor = Monitor()
    monitor.observe(leaf, behaviour, keep)
    rows = monitor._batches[0][0]
    assert not rows.requires_grad
    monitor.close_step()
    assert leaf.grad is None
    assert np.array_equal(leaf.detach().numpy(), lp)
    assert np.array_equal(behaviour.numpy(), blp)


def test_observing_waits_for_nothing(monkeypatch):
    """Nothing that a device would have to be waited for is called before the step is closed."""
    parts = batch()
    monitor = Monitor()
    for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__"):
        monkeypatch.setattr(torch.Tensor, name, lambda *_, name=name: pytest.fail(f"observe calls {name}"))
    lp, blp, mask, rewards, group, entropy = parts
    tensors = [torch.from_numpy(np.ascontiguousarray(part)) for part in (lp, blp, mask, rewards, group, entropy)]
    cap = torch.tensor(1.1)
    monitor.observe(*tensors[:3], rewards=tensors[3], group=tensors[4], entropy=tensors[5], cap=cap, policy_step=3)
    monkeypatch.undo()
    assert monitor.close_step().n_sequences == B


# What is wrong with a batch.


def closed(*args, step=0, monitor=None, **options):
    monitor = monitor or Monitor()
    monitor.observe(*(torch.as_tensor(arg) for arg in args), **options)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        report = monitor.close_step(step)
    return report, [str(w.message).partition(":")[0] for w in said if w.category is CheckWarning]


def test_nan_and_infinite_log_probabilities_are_dropped_and_counted():
    lp, blp, mask, *_ = batch()
    lp, blp = lp.copy(), blp.copy()
    mask = np.ones_like(mask)
    lp[0, 0], lp[0, 1], blp[3, 2], blp[4, 0] = NAN, -math.inf, -math.inf, NAN
    report, said = closed(lp, blp, mask)
    bad = np.zeros_like(mask)
    bad[[0, 0, 3, 4], [0, 1, 2, 0]] = True
    with np.errstate(invalid="ignore"):
        log_rho = (lp - blp)[~bad]
    assert report.ess_token.value == pytest.approx(ess(log_rho) / log_rho.size, rel=1e-12)
    kept = ~bad.any(1)
    log_w = (lp - blp)[kept].sum(1)
    assert report.ess_sequence.value == pytest.approx(ess(log_w) / kept.sum(), rel=1e-12)
    assert (report.n_dropped_tokens, report.n_dropped_sequences, report.n_sequences) == (4, 3, B - 3)
    assert said == ["non-finite"]
    assert f"4 of {B * T} valid tokens" in report.findings[0].message


def test_everything_nan_is_no_number():
    report, said = closed(np.full((3, 5), NAN), np.zeros((3, 5)), np.ones((3, 5)))
    assert report.ess_token.reason is Reason.EMPTY
    assert math.isnan(report.ess_sequence.value)
    assert report.n_dropped_tokens == 15
    assert said == ["empty-step", "non-finite"]


def test_empty_masks():
    lp, blp, mask, rewards, *_ = batch()
    mask = mask.copy()
    mask[[2, 9]] = False
    report, _ = closed(lp, blp, mask, rewards=rewards)
    assert (report.n_empty_sequences, report.n_sequences) == (2, B - 2)
    kept = np.delete(np.where(mask, lp - blp, 0).sum(1), [2, 9])
    assert report.ess_sequence.value == pytest.approx(ess(kept) / (B - 2), rel=1e-12)
    nothing, said = closed(lp, blp, np.zeros_like(mask))
    assert nothing.ess_token.reason is Reason.EMPTY
    assert said == ["empty-step"]
    none, said = closed(np.zeros((0, 5)), np.zeros((0, 5)), np.zeros((0, 5)))
    assert (none.n_sequences, said) == (0, ["empty-step"])
    zero_wide, _ = closed(np.zeros((3, 0)), np.zeros((3, 0)), np.zeros((3, 0)))
    assert zero_wide.n_empty_sequences == 3


def test_a_step_without_a_micro_batch():
    monitor = Monitor()
    with pytest.warns(CheckWarning, match="empty-step"):
        report = monitor.close_step(4)
    assert (report.step, report.n_micro_batches, report.n_tokens) == (4, 0, 0)
    json.dumps(report.to_dict(), allow_nan=False)


def test_groups_of_one_and_equal_rewards_teach_nothing():
    lp, blp, mask, *_ = batch()
    alone, said = closed(lp, blp, mask, rewards=np.arange(B, dtype=float), group=np.arange(B))
    assert (alone.n_groups, alone.informative_group_share) == (B, 0.0)
    assert said == ["no-informative-group"]
    equal, said = closed(lp, blp, mask, rewards=np.ones(B), group=np.arange(B) // 5)
    assert equal.informative_group_share == 0.0
    assert equal.reward_sd == 0.0
    assert said == ["no-informative-group"]
    single, _ = closed(lp[:1], blp[:1], mask[:1], rewards=[1.0], group=["p"])
    assert single.reward == 1.0
    assert math.isnan(single.reward_sd)
    assert math.isnan(single.reward_standard_error)
    assert single.ess_sequence.reason is Reason.TOO_FEW


def test_overflowing_ratios_keep_their_share():
    lp = np.zeros((4, 3))
    blp = -np.array([[10.0], [15.0], [20.0], [30.0]]).repeat(3, 1)  # products of e^30, e^45, e^60, e^90
    report, _ = closed(lp, blp, np.ones((4, 3)))
    assert report.ess_sequence.value == pytest.approx(0.25, abs=1e-12)
    assert report.ess_sequence.collapsed
    report, _ = closed(np.float32(lp), np.float32(blp * 1e4), np.ones((4, 3)))
    assert report.ess_token.value == pytest.approx(0.25, rel=1e-6)
    assert math.isfinite(report.log_mean_ratio_sequence)


def test_token_ess_is_blind_to_length_and_the_monitor_says_so():
    # methods sheet rl-vcpo, section 5: uniform offset per token
    lengths = (347, 6386, 10814, 32630, 32677)
    mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    lp, blp = np.full(mask.shape, -5.4341e-4), np.zeros(mask.shape)
    report, said = closed(lp, blp, mask)
    assert report.ess_token.value == pytest.approx(1.0, abs=1e-9)
    assert report.ess_sequence.value == pytest.approx(0.216409, abs=1e-6)
    assert report.length_r2 == pytest.approx(1.0, abs=1e-9)
    assert "length-driven" in said
    assert "token-ess" in [finding.name for finding in report.findings]


@pytest.mark.parametrize("cap", [math.log(2.0), 20.0])
def test_clamped_log_ratios_are_refused(cap):
    rng = np.random.default_rng(0)
    ratio = np.minimum(rng.normal(0, cap, (B, T)), cap)
    _, said = closed(ratio - 50, np.full((B, T), -50.0), np.ones((B, T)))
    assert "clamped" in said
    own = np.minimum(rng.normal(0, 1, (B, T)), math.log(1.7))
    assert "clamped" not in closed(own - 50, np.full((B, T), -50.0), np.ones((B, T)))[1]
    assert "clamped" in closed(own - 50, np.full((B, T), -50.0), np.ones((B, T)), cap=1.7)[1]
    alike = np.repeat(rng.normal(0, 0.1, (7, T)), 5, 0)  # a policy that gives each response five times
    assert "clamped" not in closed(alike - 50, np.full((B, T), -50.0), np.ones((B, T)))[1]
    free = rng.normal(0, cap, (B, T))
    assert "clamped" not in closed(free - 50, np.full((B, T), -50.0), np.ones((B, T)))[1]


def test_ratios_of_exactly_one():
    lp, _, mask, *_ = batch()
    fresh, said = closed(lp, lp, mask, policy_step=0)
    assert fresh.ess_sequence.value == 1.0
    assert fresh.ess_sequence.reason is Reason.EQUAL_WEIGHTS
    assert math.isnan(fresh.ess_sequence.standard_error)
    assert said == []
    _, said = closed(lp, lp, mask, step=8, policy_step=0)
    assert said == ["behaviour-log-probs"]
    monitor = Monitor()
    heard = [closed(lp, lp, mask, step=step, monitor=monitor)[1] for step in range(14)]
    assert [step for step, names in enumerate(heard) if names] == [9]  # once, after ten in a row


def test_a_refusal_raises_where_that_was_asked_for_after_the_sinks_have_the_report():
    seen = []
    monitor = Monitor(seen.append, on_refuse="raise", findings=[Finding("top-p", "refuse", "No.")])
    lp, blp, mask, *_ = batch()
    monitor.observe(torch.tensor(lp), torch.tensor(blp), torch.tensor(mask))
    with pytest.raises(CheckRefusedError, match="top-p: No"):
        monitor.close_step()
    assert [finding.name for finding in seen[0].findings] == ["top-p"]
    monitor.observe(torch.tensor(lp), torch.tensor(blp), torch.tensor(mask))
    assert monitor.close_step().step == 1
    monitor.note(Finding("mine", "note", "x"))
    monitor.observe(torch.tensor(lp), torch.tensor(blp), torch.tensor(mask))
    assert monitor.close_step().findings[0].name == "mine"


def test_the_early_warning_says_its_record():
    monitor = Monitor(early_warning=EarlyWarning(window=3))
    named = []
    for step in range(14):
        sd = 0.1 if step < 5 else 1.2
        lp, blp, mask, *_ = batch(seed=step, sd=sd)
        report, _ = closed(lp, blp, mask, rewards=np.full(B, 1.0 if step < 6 else 0.5), step=step, monitor=monitor)
        named.append([finding for finding in report.findings if finding.name == "early-warning"])
    first = next(step for step, found in enumerate(named) if found)
    assert 6 + 3 - 1 <= first <= 11
    assert not any(named[:first])
    message = named[first][0].message
    assert "7 of 10" in message
    assert "chosen after looking" in message


def test_groups_may_be_named():
    lp, blp, mask, rewards, group, _ = batch()
    numbers, _ = closed(lp, blp, mask, rewards=rewards, group=group)
    names, _ = closed(lp, blp, mask, rewards=rewards, group=[f"prompt {g}" for g in group])
    mixed, _ = closed(lp, blp, mask, rewards=rewards, group=np.array([f"p{g}" for g in group], dtype=object))
    same(numbers, names)
    same(numbers, mixed)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"blp": torch.zeros(2, 4)}, "blp"), ({"mask": torch.ones(3, 3)}, "mask"), ({"lp": torch.zeros(3)}, "lp"),
        ({"rewards": [1.0, 2.0]}, "rewards"), ({"group": [[1, 2, 3]]}, "group"), ({"policy_step": [1]}, "policy_step"),
        ({"entropy": torch.zeros(3)}, "entropy"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_match_are_refused(change, word):
    given = {"lp": torch.zeros(3, 4), "blp": torch.zeros(3, 4), "mask": torch.ones(3, 4)} | change
    if word == "lp":
        given |= {"blp": torch.zeros(3), "mask": torch.ones(3)}
    with pytest.raises(ArgumentError, match=rf"Monitor\.observe: {word} must be"):
        Monitor().observe(**given)


def test_bad_options_are_refused():
    with pytest.raises(ArgumentError, match="on_refuse"):
        Monitor(on_refuse="panic")
    with pytest.raises(ArgumentError, match="level"):
        Monitor(level=95)
    with pytest.raises(ArgumentError, match="a number"):
        Monitor().close_step(learning_rate="fast")
    with pytest.raises(ArgumentError, match="window"):
        EarlyWarning(window=0)
    with pytest.raises(ArgumentError, match="threshold"):
        EarlyWarning(threshold=70)


def test_the_numbers_for_a_tracker_are_finite_and_flat():
    parts = batch()
    monitor = Monitor()
    observe(monitor, parts, cap=1.1)
    flat = monitor.close_step(metrics={"own": 3}).numbers()
    assert all(math.isfinite(value) for value in flat.values())
    assert {"neff/ess_token", "neff/ess_sequence", "neff/ess_sequence_floor", "neff/collapsed", "neff/own"} <= set(flat)
    assert "neff/lr_factor" not in flat
    assert {one.name for one in fields(StepReport) if one.type == "float"} >= {"reward", "entropy", "lag_max"}


# Several ranks.


def gloo(tmp_path, steps, world=2):
    (tmp_path / "parts.json").write_text(json.dumps(steps))
    script = Path(__file__).with_name("ranks.py")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), str(world), str(tmp_path)],
            env=environment, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(world)
    ]  # fmt: skip
    said = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * world, "\n".join(said)
    return [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(world)]


def test_two_ranks_say_what_one_would_also_when_one_is_empty(tmp_path):
    parts = batch()

    def micro(rows):
        lp, blp, mask, rewards, group, _ = (part[rows].tolist() for part in parts)
        named = [f"prompt {g}" for g in group]
        return {"lp": lp, "blp": blp, "mask": mask, "rewards": rewards, "group": named}

    steps = [
        [[micro(slice(0, 8)), micro(slice(8, 20))], [micro(slice(20, 35))]],  # a prompt is on both ranks
        [[], [micro(slice(0, 35))]],
        [[], []],
    ]
    found = gloo(tmp_path, steps)
    assert found[0] == found[1] or all(
        {**a, "n_micro_batches": 0} == {**b, "n_micro_batches": 0} for a, b in zip(*found, strict=True)
    )
    for number in range(2):
        alone = Monitor()
        lp, blp, mask, rewards, group, _ = parts
        report, _ = closed(
            lp,
            blp,
            mask,
            rewards=rewards,
            group=[f"prompt {g}" for g in group],
            policy_step=0,
            step=number,
            monitor=alone,
        )
        same(StepReport.from_dict(found[0][number]), report)
    assert found[0][0]["n_ranks"] == 2
    assert found[1][2]["n_tokens"] == 0
    lines = (tmp_path / "sink0.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 1, 2]
    assert (tmp_path / "sink1.jsonl").read_text() == ""


def test_rewards_of_none_are_not_known_and_texts_are_refused():
    lp, mask = torch.full((3, 4), -1.0), torch.ones(3, 4)
    report, _ = closed(lp, lp - 0.1, mask, rewards=[1.0, None, 0.0], policy_step=[2, None, 3])
    assert report.reward == 0.5
    assert report.lag_max <= 10
    for rewards in ([True, None, False], [np.float32(1), None, torch.tensor(0.0)], [1.0, math.inf, 0.0]):
        report, _ = closed(lp, lp - 0.1, mask, rewards=rewards)
        assert report.reward == 0.5
    for name in ("rewards", "policy_step"):
        with pytest.raises(ArgumentError, match=rf"Monitor\.observe: {name} must be numbers"):
            Monitor().observe(lp, lp, mask, **{name: ["good", "bad", "good"]})
    with pytest.raises(ArgumentError, match="group must be known for every response"):
        Monitor().observe(lp, lp, mask, group=["a", None, "a"])
    with pytest.raises(ArgumentError, match="group must be known for every response, got nan"):
        Monitor().observe(lp, lp, mask, group=np.array([1.0, math.nan, 1.0]))


def test_equal_rewards_have_no_standard_error_of_zero():
    lp, mask = torch.full((3, 3), -1.0), torch.ones(3, 3)
    for reward in (1.0, 0.1):  # the mean of three times 0.1 is not 0.1
        report, _ = closed(lp, lp - 0.1, mask, rewards=[reward] * 3, group=[0, 0, 1])
        assert report.reward == pytest.approx(reward)
        assert math.isnan(report.reward_standard_error)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"blp": None}, ArgumentTypeError, "blp must be a tensor, got 'NoneType'"),
        ({"mask": np.ones((3, 4))}, ArgumentTypeError, "mask must be a tensor, got 'ndarray'"),
        ({"cap": 0.0}, ArgumentError, "cap must be above 0"),
        ({"cap": "2"}, ArgumentTypeError, "cap must be one number"),
        ({"cap": torch.ones(3)}, ArgumentError, "cap must be one number"),
    ],
)
def test_arguments_are_named(changes, error, text):
    lp = torch.full((3, 4), -1.0)
    with pytest.raises(error, match=text):
        Monitor().observe(**({"lp": lp, "blp": lp, "mask": torch.ones(3, 4)} | changes))


def test_a_mean_ratio_that_is_no_float_is_a_finding_and_no_error():
    lp, mask = torch.full((8, 30), -1.0), torch.ones(8, 30)
    report, _ = closed(lp, lp - 800, mask)
    (shift,) = [finding for finding in report.findings if finding.name == "log-mean-ratio"]
    assert "The mean token ratio is e^800, and must be 1" in shift.message


def test_numbers_of_the_loop_are_named_where_they_are_none():
    with pytest.raises(ArgumentError, match=r"lr_factor must be a number, got 'half'"):
        Monitor().close_step(lr_factor="half")
    for value in ("x", torch.ones(2)):
        with pytest.raises(ArgumentError, match=r"metrics\['loss'\] must be a number"):
            Monitor().close_step(metrics={"loss": value})
    with pytest.warns(CheckWarning):
        assert math.isnan(Monitor().close_step(metrics={"loss": None}).metrics["loss"])
