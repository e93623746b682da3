"""AGVM: arithmetic and Gaussian gradients of the sheet, invariances, halves, two ranks, edge cases."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from neff.errors import ArgumentError
from neff.train.optim import AGVM, agvm_ratio, split_halves
from neff.train.optim.warnings import UnstableGradientWarning


def load_ranks():
    path = Path(__file__).with_name("ranks.py")
    spec = importlib.util.spec_from_file_location("ranks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


network = load_ranks().network


def vectors(kind=torch.optim.SGD, sizes=(7, 5, 3), lr=0.1, **options):
    """An optimizer over one vector per module, whose gradients a test sets by hand."""
    names = ["body", "neck", "head"][: len(sizes)]
    weights = {name: nn.Parameter(torch.zeros(n, dtype=torch.float64)) for name, n in zip(names, sizes, strict=True)}
    optimizer = kind([{"params": [w], "name": name} for name, w in weights.items()], lr=lr)
    return weights, AGVM(optimizer, anchor="body", **options)


def with_phi(n, phi, scale=1.0):
    """Two gradients of n numbers whose cosine is 1 - phi."""
    a, b = torch.zeros(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
    a[0], b[0] = 1.0, 1.0 - phi
    b[1] = math.sqrt(1 - (1 - phi) ** 2)
    return a * scale, b * scale


def update(weights, agvm, pairs):
    for which in range(2):
        for name, pair in pairs.items():
            weights[name].grad = None if pair is None else pair[which].clone()
        agvm.half()
    agvm.step()


def test_golden_arithmetic():
    """agvm, G4."""
    weights, agvm = vectors()
    update(
        weights,
        agvm,
        {name: with_phi(len(w), p) for (name, w), p in zip(weights.items(), (0.02, 0.005, 0.08), strict=True)},
    )
    np.testing.assert_allclose(list(agvm.phi.values()), [0.02, 0.005, 0.08], rtol=1e-9)
    mu = [agvm_ratio(0.02, p) for p in (0.02, 0.005, 0.08)]
    np.testing.assert_allclose(mu, [1, 1.9998500, 0.7071068], atol=1e-7)
    np.testing.assert_allclose(list(agvm.factors.values()), [1, 1.0299955, 0.9912132], atol=1e-7)


# agvm, G1: Gaussian gradients in 20,000 dimensions, norm 1: (noise scale, batch) -> phi
@pytest.mark.parametrize(
    ("noise", "batch", "expected"),
    [
        (10, 32, 0.38448),
        (10, 256, 0.07238),
        (10, 2048, 0.00966),
        (100, 32, 0.85844),
        (100, 256, 0.43860),
        (1000, 2048, 0.49302),
    ],
)
def test_phi_of_gaussian_gradients(noise, batch, expected):
    d, g = 20_000, torch.Generator().manual_seed(batch)
    weights, agvm = vectors(sizes=(d, 3), tau=1)
    found = []
    for _ in range(20):
        halves = [
            torch.full((d,), d**-0.5, dtype=torch.float64)
            + torch.randn(d, generator=g, dtype=torch.float64) * math.sqrt(noise / d / (batch / 2))
            for _ in range(2)
        ]
        update(weights, agvm, {"body": halves, "neck": with_phi(3, 0.5)})
        found.append(agvm.phi["body"])
    theory = 2 * noise / (batch + 2 * noise)
    assert np.mean(found) == pytest.approx(theory, rel=1e-2)
    assert np.mean(found) == pytest.approx(expected, rel=0.012)  # estimated, both from 20 draws


def test_a_constant_factor_on_a_module_changes_nothing():
    runs = []
    for scale in (1.0, 1e-3, 1e6):
        weights, agvm = vectors()
        update(weights, agvm, {"body": with_phi(7, 0.3), "neck": with_phi(5, 0.1, scale), "head": with_phi(3, 0.9)})
        runs.append(agvm.factors)
    for other in runs[1:]:
        assert other == pytest.approx(runs[0], rel=1e-12)


def test_equal_modules_keep_factor_one():
    weights, agvm = vectors(sizes=(5, 5, 5))
    update(weights, agvm, dict.fromkeys(weights, with_phi(5, 0.25)))
    assert agvm.factors == dict.fromkeys(weights, 1.0)


def test_updates_every_tau_steps_but_rates_at_every_step():
    rate = 0.1 + 0.2
    weights, agvm = vectors(lr=rate, tau=3, alpha=0.5, start=2)
    groups = agvm.optimizer.param_groups
    seen = []
    target = agvm_ratio(0.2, 0.05)
    for step in range(9):
        assert agvm.due == (step in {2, 5, 8})
        if agvm.due:
            update(weights, agvm, {"body": with_phi(7, 0.2), "neck": with_phi(5, 0.05), "head": None})
        else:
            before = weights["neck"].detach().clone()
            weights["neck"].grad = torch.ones(5, dtype=torch.float64)
            agvm.step()
            moved = before - weights["neck"].detach()
            np.testing.assert_allclose(moved, rate * agvm.factors["neck"], rtol=1e-12)
        assert [group["lr"].hex() for group in groups] == [rate.hex()] * 3
        seen.append(agvm.factors["neck"])
    averaged = [1, 1]
    for step in range(2, 9):
        averaged.append((averaged[-1] + target) / 2 if step in {2, 5, 8} else averaged[-1])
    np.testing.assert_allclose(seen, averaged, rtol=1e-9)
    assert agvm.factors["body"] == agvm.factors["head"] == 1
    assert agvm.steps == 9


def test_the_mean_of_the_halves_is_the_gradient_of_the_batch():
    torch.manual_seed(1)
    model, agvm = network("SGD")
    x = torch.randn(12, 5, dtype=torch.float64)

    def loss(rows):
        return model["head"](model["body"](rows).tanh()).square().mean()

    whole = torch.autograd.grad(loss(x), [*model["body"].parameters(), *model["head"].parameters()])
    for half in split_halves(x):
        for micro in half.split(3):  # two micro-batches make a half
            (loss(micro) / 2).backward()
        agvm.half()
    for p, expected in zip([*model["body"].parameters(), *model["head"].parameters()], whole, strict=True):
        np.testing.assert_allclose(p.grad, expected, rtol=1e-12, atol=1e-15)
    assert all(p.grad is None for p in model["unused"].parameters())
    g1, g2 = (
        torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss(h), list(model["head"].parameters()))])
        for h in split_halves(x)
    )
    expected = 1 - float(torch.nn.functional.cosine_similarity(g1, g2, dim=0))
    assert agvm.phi["head"] == pytest.approx(expected, rel=1e-6)


def test_adam_compares_preconditioned_directions():
    weights, agvm = vectors(torch.optim.AdamW, sizes=(7, 5))
    g = torch.Generator().manual_seed(5)
    for _ in range(3):  # fills the second moments
        for w in weights.values():
            w.grad = torch.randn(w.shape, generator=g, dtype=torch.float64)
        agvm.optimizer.step()
    moments = {name: agvm.optimizer.state[w]["exp_avg_sq"].clone() for name, w in weights.items()}
    halves = {
        name: [torch.randn(w.shape, generator=g, dtype=torch.float64) for _ in range(2)] for name, w in weights.items()
    }
    update(weights, agvm, halves)
    for name, pair in halves.items():
        a, b = (x / ((0.999 * moments[name] + 0.001 * x**2).sqrt() + 1e-8) for x in pair)
        expected = 1 - float(torch.nn.functional.cosine_similarity(a, b, dim=0))
        assert agvm.phi[name] == pytest.approx(expected, rel=1e-5)
    raw_weights, raw = vectors(torch.optim.AdamW, sizes=(7, 5), precondition="none")
    update(raw_weights, raw, halves)
    expected = 1 - float(torch.nn.functional.cosine_similarity(*halves["body"], dim=0))
    assert raw.phi["body"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("pair", "warns"),
    [
        (None, False),  # frozen, or an unused head
        ((torch.zeros(5), torch.ones(5)), False),
        ((torch.full((5,), math.nan), torch.ones(5)), True),
        ((torch.full((5,), math.inf), torch.ones(5)), True),
    ],
)
def test_a_module_without_a_usable_gradient_keeps_its_factor(pair, warns):
    weights, agvm = vectors(tau=1)
    good = {"body": with_phi(7, 0.3), "neck": with_phi(5, 0.1), "head": with_phi(3, 0.9)}
    update(weights, agvm, good)
    before = dict(agvm.factors)
    bad = good | {"neck": None if pair is None else tuple(x.double() for x in pair)}
    if warns:
        with pytest.warns(UnstableGradientWarning):
            update(weights, agvm, bad)
    else:
        update(weights, agvm, bad)
    assert math.isnan(agvm.phi["neck"])
    assert agvm.factors["neck"] == before["neck"]
    assert agvm.factors["head"] != before["head"]
    assert agvm.n_skipped == warns
    update(weights, agvm, good | {"body": None})  # without an anchor nobody moves
    assert agvm.factors["head"] == agvm.factors["head"]
    assert math.isnan(agvm.phi["body"])


def test_opposite_gradients_are_allowed():
    weights, agvm = vectors()
    update(weights, agvm, {"body": with_phi(7, 2.0), "neck": with_phi(5, 1.5), "head": with_phi(3, 0.01)})
    assert agvm.phi["body"] == pytest.approx(2)
    assert agvm.factors["head"] == pytest.approx(0.97 + 0.03 * math.sqrt(10))


def test_one_module_is_no_module():
    weights, agvm = vectors(sizes=(7,))
    assert not agvm.due
    weights["body"].grad = torch.ones(7, dtype=torch.float64)
    agvm.half()
    agvm.step()
    np.testing.assert_allclose(weights["body"].detach(), -0.1)


def test_several_groups_may_share_a_module():
    model = nn.ModuleDict({"body": nn.Linear(3, 2), "head": nn.Linear(2, 1)})
    groups = [{"params": [p], "weight_decay": 0.0} for p in model.parameters()]
    agvm = AGVM(torch.optim.AdamW(groups, lr=0.1), dict(model.items()), anchor="body", tau=1)
    for half in split_halves(torch.randn(6, 3, generator=torch.Generator().manual_seed(1))):
        model["head"](model["body"](half)).square().mean().backward()
        agvm.half()
    rates = []
    agvm.optimizer.register_step_pre_hook(lambda optimizer, *_: rates.extend(g["lr"] for g in optimizer.param_groups))
    agvm.step()
    assert rates[0] == rates[1] == 0.1
    assert rates[2] == rates[3] == 0.1 * agvm.factors["head"]


def test_state_goes_through_a_checkpoint(tmp_path):
    pairs = {"body": with_phi(7, 0.3), "neck": with_phi(5, 0.1), "head": with_phi(3, 0.9)}
    weights, agvm = vectors(tau=2)
    update(weights, agvm, pairs)
    torch.save(agvm.state_dict(), tmp_path / "agvm.pt")
    _, other = vectors(tau=2)
    other.load_state_dict(torch.load(tmp_path / "agvm.pt", weights_only=True))
    assert other.factors == agvm.factors
    assert other.steps == 1
    assert not other.due
    with pytest.raises(ArgumentError, match="of the modules"):
        vectors(sizes=(7, 5))[1].load_state_dict(agvm.state_dict())
    with pytest.raises(ArgumentError, match="of the anchor"):
        other.load_state_dict(agvm.state_dict() | {"anchor": "head"})


def test_misuse_is_an_error():
    weights, agvm = vectors()
    with pytest.raises(ArgumentError, match="given before an update"):
        agvm.step()
    update(weights, agvm, {"body": with_phi(7, 0.3), "neck": with_phi(5, 0.1), "head": None})
    with pytest.raises(ArgumentError, match="those of the ranks"):
        vectors()[1].reduce()
    weights, agvm = vectors()
    for _ in range(2):
        agvm.half()
    with pytest.raises(ArgumentError, match=r"Call step\(\) after two halves"):
        agvm.half()
    with pytest.raises(ArgumentError, match="False without a process group"):
        vectors(across_ranks=True)


def test_bad_options():
    one, two = nn.Linear(2, 2), nn.Linear(2, 2)
    both = torch.optim.SGD([*one.parameters(), *two.parameters()], lr=0.1)
    with pytest.raises(ArgumentError, match="groups lie within a module each"):
        AGVM(both, {"one": one, "two": two}, anchor="one")
    with pytest.raises(ArgumentError, match="whose parameter groups have names"):
        AGVM(both, anchor="one")
    with pytest.raises(ArgumentError, match="share one"):
        AGVM(both, {"one": one, "again": one, "two": two}, anchor="one")
    with pytest.raises(ArgumentError, match="anchor must be"):
        vectors()[1].__class__(torch.optim.SGD([{"params": one.parameters(), "name": "one"}], lr=0.1), anchor="two")
    for options, text in (({"tau": 0}, "tau"), ({"alpha": 1.0}, "alpha"), ({"clamp": (2, 3)}, "clamp")):
        with pytest.raises(ArgumentError, match=text):
            vectors(**options)


def test_halves_of_a_batch():
    first, second = split_halves((torch.arange(6), torch.arange(12).reshape(6, 2), "name"))
    assert first[0].tolist() == [0, 1, 2]
    assert second[1].tolist() == [[6, 7], [8, 9], [10, 11]]
    assert second[2] == "name"
    for bad in (torch.zeros(1, 2), torch.zeros(3), [torch.zeros(2), torch.zeros(4)], {}, torch.zeros(0)):
        with pytest.raises(ArgumentError, match="an even number of examples"):
            split_halves(bad)


def alone(kind, batches, world):
    """The twin of `ranks.agvm` on one process: the first half of the ranks has the first half of the rows."""
    model, agvm = network(kind)
    rows = []
    for x in batches:
        agvm.optimizer.zero_grad()
        for part in split_halves(x) if agvm.due else [x]:
            model["head"](model["body"](part).tanh()).square().mean().backward()
            agvm.half()
        agvm.step()
        flat = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
        rows.append([agvm.phi["body"], agvm.phi["head"], agvm.factors["head"], agvm.factors["unused"], *flat.tolist()])
    return np.array(rows)


@pytest.mark.parametrize(("kind", "world"), [("SGD", 2), pytest.param("AdamW", 4, marks=pytest.mark.slow)])
def test_ranks_take_the_step_of_one_process(tmp_path, run_ranks, kind, world):
    """Halves come from different halves of the ranks: the cosine is that of the first and second half of the rows."""
    batches = torch.randn(5, 8, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    torch.save({"kind": kind, "batches": batches}, tmp_path / "given.pt")
    found = [np.array(rows) for rows in run_ranks("agvm", world)]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)  # bit for bit
    np.testing.assert_allclose(found[0], alone(kind, batches, world), rtol=2e-6, atol=1e-7)
    assert found[0][-1, 2] != 1


def test_halves_that_agree_need_an_epsilon():
    with pytest.raises(ArgumentError, match="eps must be above 0"):
        agvm_ratio(0.0, 0.0, eps=0.0)
    with pytest.raises(ArgumentError, match="eps must be above 0"):
        AGVM(torch.optim.SGD([{"params": [nn.Parameter(torch.ones(1))], "name": "a", "lr": 0.1}]), anchor="a", eps=0)


def test_lists_of_examples_are_halved_with_the_tensors():
    first, second = split_halves({"x": torch.arange(4), "text": list("abcd"), "sizes": [7, 8]})
    assert (first["text"], second["text"]) == (["a", "b"], ["c", "d"])
    assert first["sizes"] == second["sizes"] == [7, 8]
    named = NamedTuple("Batch", [("x", torch.Tensor), ("name", str)])(torch.arange(2), "n")
    first, second = split_halves(named)
    assert (first.x.tolist(), second.x.tolist(), first.name) == ([0], [1], "n")
