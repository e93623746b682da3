"""Branched training: what a branch is given, what it costs, what is refused; with a plain trainer and with PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neff.errors import ArgumentError, ArgumentTypeError
from neff.train.batch_size import branch, learning_rate_factor, plan_branches


class Recorder:
    """A trainer that writes down what it is asked."""

    optimizer = "AdamW"

    def __init__(self, *, explode: int | None = None, broken: bool = False) -> None:
        self.calls: list[tuple] = []
        self.state = 0
        self.factor = 1.0
        self.explode, self.broken = explode, broken

    def snapshot(self):
        return self.state

    def restore(self, checkpoint):
        self.calls.append(("restore", checkpoint))
        self.state, self.factor = checkpoint, 1.0

    def scale_learning_rate(self, factor):
        self.calls.append(("rate", factor))
        self.factor = factor

    def step(self, start, stop, *, seed):
        if self.broken and start:
            raise RuntimeError("out of memory")
        self.calls.append(("step", start, stop, seed))
        self.state += stop - start
        if self.explode is not None and stop - start >= self.explode:
            return math.nan
        return float(self.state)

    def probe(self):
        return 100.0 + self.state


def test_every_branch_sees_the_same_examples_from_the_same_state():
    trainer = Recorder()
    found = branch(trainer, batch_size=2, window=170, multipliers=(1, 2, 4), seeds=(3, 5))
    assert found.plan.window == 168  # a multiple of 8
    assert found.plan.steps == (84, 42, 21)
    assert found.factors == (1.0, math.sqrt(2), 2.0)
    steps = [call for call in trainer.calls if call[0] == "step"]
    for seed in (3, 5):
        for batch in (2, 4, 8):
            mine = [(a, b) for _, a, b, s in steps if s == seed and b - a == batch]
            assert mine == [(a, a + batch) for a in range(0, 168, batch)]
    assert found.losses == ((268.0, 268.0, 268.0), (268.0, 268.0, 268.0))  # 100 + 168, restored before each branch
    assert trainer.state == 0
    assert trainer.calls[-1] == ("restore", 0)


def test_the_ema_of_the_paper():
    trainer = Recorder()
    found = branch(trainer, batch_size=1, window=40, multipliers=(1, 2), seeds=(0,), loss="ema")
    for loss, batch in zip(found.losses[0], (1, 2), strict=True):
        average = float(batch)
        for value in range(2 * batch, 41, batch):
            average = 0.5 * average + 0.5 * value
        assert loss == average


def test_the_cost_is_announced_before_the_first_step():
    trainer = Recorder()
    said = []
    branch(
        trainer,
        batch_size=2,
        window=160,
        multipliers=(1, 2, 4),
        announce=lambda plan: said.append((plan, list(trainer.calls))),
    )
    ((plan, before),) = said
    assert before == []
    assert str(plan) == "3 branches x 3 seeds x 160 examples = 1,440 examples in 420 steps, batch 2 to 8 (20 steps)"
    assert plan.total_examples == 160 * 3 * 3


def test_a_branch_that_diverges_is_infinite_and_stops():
    trainer = Recorder(explode=8)
    found = branch(trainer, batch_size=2, window=160, multipliers=(1, 2, 4), seeds=(0, 1))
    assert [math.isinf(loss) for loss in found.losses[0]] == [False, False, True]
    assert sum(call[0] == "step" and call[2] - call[1] == 8 for call in trainer.calls) == 2
    assert found.critical(rng=0).value == 4.0


def test_the_trainer_is_restored_after_an_error():
    trainer = Recorder(broken=True)
    with pytest.raises(RuntimeError, match="out of memory"):
        branch(trainer, batch_size=2, window=160, multipliers=(1, 2, 4))
    assert trainer.state == 0


def test_too_few_steps_are_refused_with_the_fix():
    with pytest.raises(
        ArgumentError, match=r"at least 40,960 examples, 20 steps at multiplier 64.*largest multiplier is 15"
    ):
        plan_branches(batch_size=32, window=10_000)
    with pytest.raises(ArgumentError, match="rising from 1"):
        plan_branches(batch_size=32, window=100_000, multipliers=(2, 4))
    with pytest.raises(ArgumentError, match="all different"):
        branch(Recorder(), batch_size=1, window=100, multipliers=(1, 2), seeds=(1, 1))
    assert plan_branches(batch_size=32, window=48_000, n_seeds=2).window == 47_104


def test_the_rule_of_the_learning_rate():
    torch = pytest.importorskip("torch")
    weights = [torch.zeros(2, requires_grad=True)]
    assert learning_rate_factor(4, torch.optim.Adam(weights)) == 2.0
    assert learning_rate_factor(4, torch.optim.AdamW) == 2.0
    assert learning_rate_factor(4, torch.optim.SGD(weights, lr=0.1)) == 4.0
    assert learning_rate_factor(4, "anything", rule=lambda k: k**0.25) == pytest.approx(math.sqrt(2), rel=1e-12)
    assert learning_rate_factor(4, "anything", rule="none") == 1.0
    with pytest.raises(ArgumentError, match=r"optimizer must be SGD, Adam.*got 'LBFGS'"):
        learning_rate_factor(4, torch.optim.LBFGS(weights))


def test_rows_are_what_the_command_reads(tmp_path):
    from neff.train.batch_size import read_batch_runs

    found = branch(Recorder(), batch_size=2, window=160, multipliers=(1, 2, 4), seeds=(0, 1))
    path = tmp_path / "rows.csv"
    rows = found.rows("16k")
    path.write_text("\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]))
    again = read_batch_runs(path, rng=0)
    assert again.to_dict() == found.critical(rng=0, checkpoint="16k").to_dict()
    assert found.learning_rate(1e-3, rng=0) == pytest.approx(2e-3, rel=1e-12)


def _torch_branch(**options):
    torch = pytest.importorskip("torch")
    from neff.train.branching import TorchBranch

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Dropout(0.5), torch.nn.Linear(5, 1))
    x = torch.randn(640, 3)
    y = x.sum(1, keepdim=True)

    def loss(model, batch):
        return ((model(batch[0]) - batch[1]) ** 2).mean()

    def batch(start, stop, seed):
        order = torch.randperm(640, generator=torch.Generator().manual_seed(seed))[start:stop]
        return x[order], y[order]

    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    trainer = TorchBranch(model, optimizer, loss=loss, batch=batch, held_out=lambda m: loss(m, (x, y)), **options)
    for k in range(7):
        trainer.step(8 * k, 8 * k + 8, seed=9)
    return torch, trainer


def test_torch_goes_back_bit_for_bit():
    torch, trainer = _torch_branch()
    weights = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    moments = [state["exp_avg"].clone() for state in trainer.optimizer.state.values()]
    numbers = torch.get_rng_state()
    first = branch(trainer, batch_size=8, window=640, multipliers=(1, 2, 4), seeds=(0, 1))
    assert torch.equal(torch.get_rng_state(), numbers)
    assert all(torch.equal(value, weights[name]) for name, value in trainer.model.state_dict().items())
    assert all(torch.equal(s["exp_avg"], m) for s, m in zip(trainer.optimizer.state.values(), moments, strict=True))
    assert trainer.optimizer.param_groups[0]["lr"] == 0.01
    assert trainer.n_seen == 56
    assert trainer.model.training
    assert branch(trainer, batch_size=8, window=640, multipliers=(1, 2, 4), seeds=(0, 1)) == first
    assert len(set(np.ravel(first.losses))) == 6


def test_the_schedule_keeps_its_shape_in_examples():
    _, trainer = _torch_branch(schedule=lambda n: 1 / (1 + n / 100))
    checkpoint = trainer.snapshot()
    rates = {}
    for batch in (8, 16):
        trainer.restore(checkpoint)
        trainer.scale_learning_rate(math.sqrt(batch / 8))
        for start in range(0, 64, batch):
            trainer.step(start, start + batch, seed=0)
        rates[batch] = trainer.optimizer.param_groups[0]["lr"]
    assert rates[8] == pytest.approx(0.01 / (1 + (56 + 56) / 100), rel=1e-12)
    assert rates[16] == pytest.approx(0.01 * math.sqrt(2) / (1 + (56 + 48) / 100), rel=1e-12)


def test_torch_says_what_it_lacks():
    torch, trainer = _torch_branch()
    from neff.train.branching import TorchBranch

    bare = TorchBranch(trainer.model, trainer.optimizer, loss=None, batch=None)
    with pytest.raises(ArgumentTypeError, match="held_out must be given"):
        bare.probe()
    with pytest.raises(ArgumentTypeError, match="a torch optimizer"):
        TorchBranch(torch.nn.Linear(1, 1), "adam", loss=None, batch=None)


@pytest.mark.parametrize("held", [False, True])
def test_gradients_of_the_branches_are_not_left_behind(held):
    """A loop that clears them after its step would add the next ones to them."""
    torch, trainer = _torch_branch()
    parameters = list(trainer.model.parameters())
    for p in parameters:
        p.grad = torch.full_like(p, 3.0) if held else None
    branch(trainer, batch_size=8, window=320, multipliers=(1, 2), seeds=(0,))
    assert all(bool((p.grad == 3).all()) if held else p.grad is None for p in parameters)
