"""Batch-size warm-up in a plain loop: doubling, rates, alignment, schedules in data, checkpoints."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError, ArgumentTypeError
from neff.train.batch_size import learning_rate_factor
from neff.train.optim import BatchSizeWarmup
from neff.train.optim.warnings import AlignmentWarning


def optimizer_of(kind=torch.optim.AdamW, lr=0.01):
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.zeros(2)
    return kind([weight], lr=lr)


def run(warmup, total):
    while warmup.seen < total:
        warmup.advance()
    return warmup.history


# critical-batch-size, G2: 32-64-128-256-512 at 8k/16k/64k/256k examples
CRITICAL = [(0, 33), (8_000, 65), (16_000, 129), (64_000, 257), (256_000, 513)]


def test_the_warm_up_of_the_sheet():
    """Doubles at the first aligned batch after each critical batch size exceeds twice the present one."""
    warmup = BatchSizeWarmup(optimizer_of(), CRITICAL, batch_size=32)
    history = run(warmup, 600_000)
    assert [size for _, size in history] == [32, 64, 128, 256, 512]
    for (seen, size), at in zip(history[1:], (8_000, 16_000, 64_000, 256_000), strict=True):
        assert 0 <= seen - at < size
        assert seen % size == 0


@pytest.mark.parametrize(("kind", "power"), [(torch.optim.AdamW, 0.5), (torch.optim.Adam, 0.5), (torch.optim.SGD, 1.0)])
def test_the_rate_follows_the_rule_of_the_optimizer(kind, power):
    optimizer = optimizer_of(kind)
    warmup = BatchSizeWarmup(optimizer, [(0, 8), (64, 30)], batch_size=4)
    rates = []
    while warmup.seen < 200:
        rates.append((warmup.ratio, optimizer.param_groups[0]["lr"]))
        warmup.advance()
    assert {ratio for ratio, _ in rates} == {
        1,
        4,
    }  # 8 is not more than 2 * 4; 30 is more than 2 * 8
    for ratio, rate in rates:
        assert rate == pytest.approx(0.01 * ratio**power, rel=1e-12)
    assert optimizer.param_groups[0]["initial_lr"] == pytest.approx(0.01 * warmup.ratio**power)


def test_an_unknown_optimizer_needs_a_rule():
    optimizer = optimizer_of(torch.optim.Rprop)
    with pytest.raises(ArgumentError, match='Say how its learning rate goes with the batch size: rule="sqrt"'):
        BatchSizeWarmup(optimizer, [(0, 8)], batch_size=4)
    warmup = BatchSizeWarmup(optimizer, [(0, 9)], batch_size=4, rule="sqrt")
    warmup.advance()
    warmup.advance()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * math.sqrt(2))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.integers(1, 400), st.integers(1, 300)), min_size=1, max_size=5),
    st.one_of(st.none(), st.integers(12, 200)),
)
def test_it_is_never_above_half_the_critical_size_at_a_change_and_always_aligned(first, steps, largest):
    starts, pairs = 0, [(0, 1)]
    for gap, size in steps:
        starts += gap
        pairs.append((starts, size))
    warmup = BatchSizeWarmup(optimizer_of(), pairs, batch_size=first, max_batch_size=largest)
    history = run(warmup, 2_000)
    for (_, before), (seen, size) in itertools.pairwise(history):
        critical = next(c for start, c in reversed(pairs) if start <= seen)
        assert critical > size
        assert size % (2 * before) == 0
        assert math.log2(size / before).is_integer()
        assert seen % size == 0
        assert largest is None or size <= largest
    last = next(c for start, c in reversed(pairs) if start <= warmup.seen)
    if largest is None and starts < 1000:
        assert last <= 2 * warmup.batch_size or warmup.seen % (2 * warmup.batch_size)


def test_alignment_waits_for_a_whole_number_of_new_batches():
    """OLMo-core's rule: batches so far divisible by the ratio."""
    warmup = BatchSizeWarmup(optimizer_of(), [(0, 9)], batch_size=4)
    assert not warmup.advance()  # one batch of 4 is half a batch of 8
    assert warmup.advance()
    assert warmup.history == [(0, 4), (8, 8)]


def test_a_schedule_keeps_its_shape_in_data():
    total = 1024

    def cosine(seen):
        return 0.5 * (1 + math.cos(math.pi * min(seen / total, 1)))

    def linear(step):
        return 1 - step / (total / 4)

    plain = optimizer_of(torch.optim.SGD)
    one = BatchSizeWarmup(plain, [(0, 8), (128, 17)], batch_size=4, lr_schedule=cosine)
    stepped = optimizer_of(torch.optim.SGD)
    schedule = torch.optim.lr_scheduler.LambdaLR(stepped, linear)
    two = BatchSizeWarmup(stepped, [(0, 8), (128, 17)], batch_size=4, scheduler=schedule)
    sizes = set()
    while one.seen < total:
        one.advance()
        stepped.step()
        two.advance()
        schedule.step()
        sizes.add(one.batch_size)
        assert one.seen == two.seen
        assert plain.param_groups[0]["lr"] == pytest.approx(0.01 * one.ratio * cosine(one.seen), rel=1e-12)
        assert stepped.param_groups[0]["lr"] == pytest.approx(0.01 * two.ratio * (1 - two.seen / total), rel=1e-9)
    assert sizes == {4, 16}


def test_a_rate_that_is_a_tensor_is_changed_in_place():
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([weight], lr=torch.tensor(0.01))
    held = optimizer.param_groups[0]["lr"]
    warmup = BatchSizeWarmup(optimizer, [(0, 9)], batch_size=4)
    run(warmup, 16)
    assert optimizer.param_groups[0]["lr"] is held
    assert float(held) == pytest.approx(0.01 * math.sqrt(2), rel=1e-6)


def test_the_first_batch_is_rounded_up_to_what_ranks_can_hold():
    with pytest.warns(AlignmentWarning):
        warmup = BatchSizeWarmup(optimizer_of(), [(0, 1000)], batch_size=30, multiple_of=8)
    assert warmup.batch_size == 32
    run(warmup, 3000)
    assert warmup.batch_size % 8 == 0


def test_a_function_that_does_not_know_changes_nothing():
    answers = iter([None, math.nan, 100.0, 100.0, 100.0])
    warmup = BatchSizeWarmup(optimizer_of(), lambda _: next(answers), batch_size=4)
    assert [warmup.advance() for _ in range(5)] == [False, False, False, True, True]
    assert warmup.history == [(0, 4), (16, 16), (32, 32)]  # four batches of 4 are one of 16


def test_counting_tokens_and_a_short_last_batch():
    warmup = BatchSizeWarmup(optimizer_of(), [(0, 1)], batch_size=4)
    warmup.advance(3)
    assert warmup.seen == 3
    with pytest.raises(ArgumentError, match="n must be a whole number"):
        warmup.advance(1.5)


def test_it_goes_on_from_a_checkpoint_as_if_nothing_had_happened(tmp_path):
    def build():
        optimizer = optimizer_of()
        return optimizer, BatchSizeWarmup(optimizer, [(0, 17), (100, 90)], batch_size=8)

    optimizer, warmup = build()
    run(warmup, 72)
    torch.save({"optimizer": optimizer.state_dict(), "warmup": warmup.state_dict()}, tmp_path / "state.pt")
    run(warmup, 1000)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    other_optimizer, other = build()
    other_optimizer.load_state_dict(state["optimizer"])
    other.load_state_dict(state["warmup"])
    run(other, 1000)
    assert other.history == warmup.history
    assert other_optimizer.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
    assert other.state_dict() == warmup.state_dict()
    with pytest.raises(ArgumentError, match="of a run that started at batch size 4"):
        BatchSizeWarmup(optimizer_of(), [(0, 1)], batch_size=4).load_state_dict(state["warmup"])


@pytest.mark.parametrize(
    ("critical", "options", "text"),
    [
        ([], {}, "in rising order"),
        ([(5, 1), (5, 2)], {}, "in rising order"),
        ([(0, math.nan)], {}, "in rising order"),
        ([(0, 1)], {"batch_size": 0}, "batch_size must be a whole number of at least 1"),
        ([(0, 1)], {"multiple_of": 0}, "multiple_of"),
        ([(0, 1)], {"rule": "cubic"}, "rule must be 'sqrt' or 'linear'"),
        ([(0, 1)], {"scheduler": object()}, "scheduler must be a LambdaLR"),
        ([(0, 1)], {"scheduler": object(), "lr_schedule": math.sqrt}, "None with a scheduler"),
    ],
)
def test_bad_input(critical, options, text):
    with pytest.raises(ArgumentError, match=text):
        BatchSizeWarmup(optimizer_of(), critical, **({"batch_size": 4} | options))
    with pytest.raises(ArgumentTypeError, match=r"pairs \(seen, critical batch size\)"):
        BatchSizeWarmup(optimizer_of(), [1, 2], batch_size=4)


@pytest.mark.parametrize("kind", [torch.optim.RMSprop, torch.optim.Adagrad, torch.optim.Adamax, torch.optim.SGD])
def test_the_rule_is_that_of_learning_rate_factor(kind):
    class Own(kind):
        pass

    for one in (kind, Own):
        optimizer = optimizer_of(one)
        warmup = BatchSizeWarmup(optimizer, [(0, 100)], batch_size=4)
        assert {"sqrt": 2.0, "linear": 4.0}[warmup.rule] == learning_rate_factor(4, optimizer)


def test_limits_that_contradict_or_never_end_are_refused():
    with pytest.raises(ArgumentError, match="max_batch_size must be at least the first batch size, 32"):
        BatchSizeWarmup(optimizer_of(), [(0, 100)], batch_size=32, max_batch_size=16)
    with pytest.raises(ArgumentError, match=r"critical must be pairs .* of finite numbers"):
        BatchSizeWarmup(optimizer_of(), [(0, 32), (10, math.inf)], batch_size=32)
    endless = BatchSizeWarmup(optimizer_of(), lambda seen: math.inf, batch_size=32)
    with pytest.raises(ArgumentError, match="critical must be finite"):
        endless.decide()  # nothing taken yet: every size is aligned
