"""Self-certainty: golden numbers of the reference, exact facts, streaming, bounds, and what engines give."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neff.errors import ArgumentError, RecordsError
from neff.sampling.selection import (
    VocabularySums,
    certainty_bound,
    confidence,
    inspect_certainty,
    self_certainty,
    transformers_certainty,
)

G1 = np.array([[2, 0, -1, 0.5], [0, 0, 0, 0], [5, -5, 0, 1]])


def naive(z):
    p = np.exp(z - z.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    return p, -np.log(z.shape[-1] * p).mean(axis=-1)


def test_golden():
    assert self_certainty(G1)[0] == pytest.approx(1.3231833465356768, abs=1e-14)
    assert self_certainty(G1, [1, 0, 1])[0] == pytest.approx(1.9847750198035152, abs=1e-14)
    tokens = VocabularySums.of(G1).certainty()
    assert tokens == pytest.approx([0.5810552212699316, 0, 3.388494818337099], abs=1e-14)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("log-prob", -0.5844777076555675),
        ("perplexity", -math.exp(0.5844777076555675)),
        ("negative-entropy", -0.7980470738867157),
        ("gini", 0.5806083528741904),
        ("distributional-perplexity", -2.515031077481935),
        ("kl-to-uniform", 0.5882472872331748),
    ],
)
def test_compared_metrics_golden(metric, expected):
    assert confidence(G1, tokens=[0, 1, 0], metric=metric)[0] == pytest.approx(expected, abs=1e-13)


def test_larger_golden():
    z = np.array([[((3 * i + 2 * j) % 7) / 2 - 1 for j in range(8)] for i in range(5)])
    assert self_certainty(z)[0] == pytest.approx(0.4542817954137391, abs=1e-14)
    for a, expected in ((5, 0.1325099817468318), (20, 13.0722467801082), (100, 92.9922447210178)):
        z = np.zeros((1, 1000))
        z[0, 0] = a
        assert self_certainty(z)[0] == pytest.approx(expected, rel=1e-13)
        assert expected == pytest.approx(math.log(math.exp(a) + 999) - a / 1000 - math.log(1000), abs=1e-9)


def test_a_banned_token_makes_the_score_infinite_or_is_left_out():
    z = np.array([[0, 0, -np.inf, 1]])
    assert self_certainty(z)[0] == np.inf
    assert self_certainty(z, vocabulary="finite")[0] == pytest.approx(self_certainty(z[:, [0, 1, 3]])[0], abs=1e-14)
    assert confidence(z, metric="negative-entropy")[0] == pytest.approx(
        confidence(z[:, [0, 1, 3]], metric="negative-entropy")[0], abs=1e-14
    )


def test_no_token_and_nan():
    assert np.isnan(self_certainty(G1, [0, 0, 0])[0])
    z = G1.copy()
    z[1, 2] = np.nan
    assert np.isnan(self_certainty(z)[0])
    assert np.isfinite(self_certainty(z, [1, 0, 1])[0])


finite = arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 7)), elements=st.floats(-30, 30))


@given(finite, st.floats(-50, 50))
def test_against_the_definition_and_under_shifts(z, shift):
    p, expected = naive(z)
    sums = VocabularySums.of(z)
    assert sums.certainty() == pytest.approx(expected, abs=1e-9)
    assert VocabularySums.of(z + shift).certainty() == pytest.approx(expected, abs=1e-9)
    assert sums.entropy() == pytest.approx(-(p * np.log(np.maximum(p, 1e-300))).sum(axis=1), abs=1e-9)
    assert sums.concentration() == pytest.approx((p**2).sum(axis=1), abs=1e-9)


@settings(deadline=None)
@given(finite, st.integers(1, 6))
def test_blocks_of_the_vocabulary_add_up(z, cut):
    cut = min(cut, z.shape[1])
    parts = VocabularySums.of(z[:, :cut])
    if cut < z.shape[1]:
        parts = parts + VocabularySums.of(z[:, cut:])
    whole = VocabularySums.of(z)
    for name in ("certainty", "entropy", "concentration"):
        assert getattr(parts, name)() == pytest.approx(getattr(whole, name)(), abs=1e-9)


def test_a_part_of_the_vocabulary_that_is_all_banned_adds_up():
    z = np.array([[1.0, 2.0, -np.inf, -np.inf], [0.5, -1.0, 0.0, 3.0]])
    left, right = VocabularySums.of(z[:, :2]), VocabularySums.of(z[:, 2:])
    whole = VocabularySums.of(z)
    for parts in (left + right, right + left):
        assert parts.certainty() == pytest.approx(whole.certainty(), abs=1e-14)
        assert parts.entropy() == pytest.approx(whole.entropy(), abs=1e-14)
        assert parts.concentration() == pytest.approx(whole.concentration(), abs=1e-14)
    assert whole.certainty()[0] == np.inf
    nothing = VocabularySums.of(np.full((1, 3), -np.inf))
    both = nothing + nothing
    for sums in (nothing, both):
        assert np.isnan([sums.certainty()[0], sums.entropy()[0], sums.concentration()[0]]).all()
    assert np.isnan(self_certainty(np.full((1, 3), -np.inf), vocabulary="finite")[0])


def test_the_gradient_is_p_minus_uniform():
    rng = np.random.default_rng(0)
    z, step = rng.normal(size=(1, 11)), 1e-6
    p, _ = naive(z)
    for j in range(11):
        up, down = z.copy(), z.copy()
        up[0, j] += step
        down[0, j] -= step
        slope = (self_certainty(up)[0] - self_certainty(down)[0]) / (2 * step)
        assert slope == pytest.approx(p[0, j] - 1 / 11, abs=1e-8)


def test_raising_a_token_raises_certainty_where_it_is_likelier_than_the_mean_square():
    p = np.array([0.5, 0.3, 0.2])
    square = float(p @ p)
    for y in range(3):
        direction = np.eye(3)[y] - p
        moved = self_certainty((np.log(p) + 1e-6 * direction)[None])[0] - self_certainty(np.log(p)[None])[0]
        assert moved / 1e-6 == pytest.approx(p[y] - square, abs=1e-5)


def test_float32_keeps_its_digits_over_a_large_vocabulary():
    z = np.random.default_rng(1).normal(size=(3, 50_000)).astype(np.float32)
    assert self_certainty(z)[0] == pytest.approx(naive(z.astype(np.float64))[1].mean(), rel=1e-5)


def test_padding_and_several_answers():
    z = np.random.default_rng(2).normal(size=(2, 5, 7))
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    found = self_certainty(z, mask)
    assert found[0] == pytest.approx(self_certainty(z[0])[0], abs=1e-14)
    assert found[1] == pytest.approx(self_certainty(z[1, :2])[0], abs=1e-14)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"logits": np.zeros(3)}, "logits must be of shape"),
        ({"logits": G1, "mask": [1, 1, 1, 1, 1, 1]}, "mask must be of shape"),
        ({"logits": G1, "metric": "sureness"}, "metric must be"),
        ({"logits": G1, "metric": "log-prob"}, "tokens must be given for log-prob"),
        ({"logits": G1, "vocabulary": "most"}, "vocabulary must be"),
        ({"logits": G1, "metric": "log-prob", "tokens": [0, -100, 1]}, "tokens must be 0 to 3, .*, got -100"),
        ({"logits": G1, "metric": "log-prob", "tokens": [0, 4, 1]}, "tokens must be 0 to 3, .*, got 4"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ArgumentError, match=message):
        confidence(options.pop("logits"), **options)


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=9), st.integers(1, 8))
def test_top_k_bounds_from_below(weights, k):
    p = np.sort(np.array(weights) / sum(weights))[::-1]
    k = min(k, len(p))
    exact = float(-np.log(len(p) * p).mean())
    bound = certainty_bound(np.log(p[None, :k]), vocabulary=len(p))
    assert bound.lower <= exact + 1e-9
    if k >= len(p) - 1:
        assert bound.lower == pytest.approx(exact, abs=1e-6)


def test_a_masked_token_may_be_any():
    expected = confidence(G1[[0, 2]], tokens=[0, 1], metric="log-prob")
    found = confidence(G1, tokens=[0, -100, 1], mask=[1, 0, 1], metric="log-prob")
    assert found == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("rare", [1e-9, 1e-12, 1e-15])
def test_a_bound_from_rounded_numbers_is_still_below(rare):
    """The likeliest token's reported 0.0 leaves nothing over; the bound must not take that for a probability of 0."""
    p = np.full(1000, rare / 998)
    p[:2] = 1 - 1e-9 - rare, 1e-9
    exact = float(-np.log(1000 * p).mean())
    reported = np.log(p[None, :2]).astype(np.float32).round(5)
    bound = certainty_bound(reported, vocabulary=1000)
    assert bound.lower <= exact
    assert bound.lower > 10  # and says something


@pytest.mark.parametrize(
    ("log_probs", "vocabulary", "message"),
    [
        ([[0.5]], 10, "natural logs of probabilities"),
        ([[-1.0, -2.0]], 1, "k at most the vocabulary"),
        ([-1.0], 5, "shape"),
    ],
)
def test_bounds_refuse(log_probs, vocabulary, message):
    with pytest.raises(ArgumentError, match=message):
        certainty_bound(log_probs, vocabulary=vocabulary)


def test_transformers_generate():
    torch = pytest.importorskip("torch")
    steps = [torch.tensor(z, dtype=torch.float32) for z in np.random.default_rng(3).normal(size=(4, 2, 9))]
    sequences = torch.tensor([[5, 5, 1, 2, 3, 4], [5, 5, 1, 0, 0, 0]])
    output = SimpleNamespace(logits=steps, sequences=sequences)
    found = transformers_certainty(output, prompt_length=2, pad_token_id=0)
    stacked = np.stack([s.numpy() for s in steps], axis=1)
    assert found[0] == pytest.approx(self_certainty(stacked[0])[0], abs=1e-6)
    # The second ended at its second token, whose distribution still counts.
    assert found[1] == pytest.approx(self_certainty(stacked[1, :2])[0], abs=1e-6)
    # An end that is not the padding counts itself, and nothing after it.
    ended = SimpleNamespace(logits=steps, sequences=torch.tensor([[5, 5, 1, 2, 3, 4], [5, 5, 1, 7, 0, 0]]))
    for eos in (7, [6, 7]):
        found = transformers_certainty(ended, prompt_length=2, pad_token_id=0, eos_token_id=eos)
        assert found[1] == pytest.approx(self_certainty(stacked[1, :2])[0], abs=1e-6)
    # Stopped without an end (a stop text): the padding does not count.
    stopped = SimpleNamespace(logits=steps, sequences=torch.tensor([[5, 5, 1, 2, 3, 4], [5, 5, 1, 2, 0, 0]]))
    found = transformers_certainty(stopped, prompt_length=2, pad_token_id=0, eos_token_id=7)
    assert found[1] == pytest.approx(self_certainty(stacked[1, :2])[0], abs=1e-6)
    with pytest.raises(ArgumentError, match="output_logits=True"):
        transformers_certainty(SimpleNamespace(logits=None), prompt_length=2)


def test_a_real_model_generates(tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=31, n_positions=32, n_embd=16, n_layer=1, n_head=2, eos_token_id=30)
    model = transformers.GPT2LMHeadModel(config).eval()
    prompt = torch.tensor([[1, 2, 3]])
    output = model.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=5, do_sample=False, pad_token_id=30,
        output_logits=True, return_dict_in_generate=True,
    )  # fmt: skip
    found = transformers_certainty(output, prompt_length=3)
    with torch.no_grad():
        logits = model(output.sequences).logits[0].numpy()
    length = output.sequences.shape[1]
    assert found[0] == pytest.approx(self_certainty(logits[2 : length - 1])[0], abs=1e-5)


def test_inspect_log(tmp_path):
    def sample(name, epoch, rows):
        content = [{"token": "x", "top_logprobs": [{"logprob": lp} for lp in row]} for row in rows]
        return {"id": name, "epoch": epoch, "output": {"choices": [{"logprobs": {"content": content}}]}}

    path = tmp_path / "log.json"
    bare = {"id": "c", "epoch": 1, "output": {"choices": [{}]}}
    path.write_text(json.dumps({"samples": [sample("a", 1, [[-0.1, -3.0], [-3.5, -0.2, -4.0]]), bare]}))
    found = inspect_certainty(path, vocabulary=100)
    assert set(found) == {("a", 1)}
    assert found["a", 1] == certainty_bound([[-0.1, -3.0], [-0.2, -3.5]], vocabulary=100)
    path.write_text("[1, 2]")
    with pytest.raises(RecordsError, match="no samples"):
        inspect_certainty(path, vocabulary=100)
    with pytest.raises(RecordsError, match="is not JSON"):
        inspect_certainty(tmp_path / "missing.json", vocabulary=100)
