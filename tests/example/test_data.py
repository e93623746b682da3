"""The bundled files against each other, against scikit-learn's digits, and against a new run of their script."""

from __future__ import annotations

import csv
import importlib.util
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "src" / "neff" / "example" / "data"
MODELS = ("logistic", "neighbours", "bayes", "network", "forest", "lowres")
FILES = ("fresh", "logged", "truth", "truth_values")


def rows_of(name, folder=DATA):
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def data():
    return {name: rows_of(name) for name in FILES}


def key(row):
    return row["item"], row["model"], row["draw"]


def chances(data):
    """Return p(right answer) by (item, model)."""
    return {(row["item"], row["model"]): float(row["p_correct"]) for row in data["truth"]}


def test_shape(data):
    assert {name: len(rows) for name, rows in data.items()} == {
        "fresh": 6000, "logged": 1000, "truth": 7000, "truth_values": 6,
    }  # fmt: skip
    items = {row["item"] for row in data["fresh"]}
    assert len(items) == 500
    assert {row["model"] for row in data["fresh"]} == set(MODELS)
    assert len({key(row) for row in data["truth"]}) == 7000
    assert {key(row) for row in data["truth"]} == {key(row) for row in data["fresh"] + data["logged"]}
    assert {row["model"] for row in data["logged"]} == {"logistic"}


def test_small_enough_and_described():
    assert sum(file.stat().st_size for file in DATA.iterdir()) < 600_000
    text = (DATA / "README.md").read_text(encoding="utf-8")
    for name in FILES:
        assert f"`{name}.csv`" in text
        for column in rows_of(name)[0]:
            assert f"`{column}`" in text or (column.startswith("log_prob_") and "`log_prob_<policy>`" in text)


def test_labels_are_whether_the_answer_is_the_digit(data):
    digits = pytest.importorskip("sklearn.datasets").load_digits().target
    label = {key(row): int(row["label"]) for row in data["truth"]}
    for row in data["fresh"] + data["logged"]:
        assert label[key(row)] == (int(row["answer"]) == digits[int(row["item"][1:])])
        assert row["label"] in ("", str(label[key(row)]))


def test_a_quarter_of_the_images_is_labelled_whole(data):
    seen = defaultdict(set)
    for row in data["fresh"] + data["logged"]:
        seen[row["item"]].add(row["label"] != "")
    assert all(len(kinds) == 1 for kinds in seen.values())
    assert sum(kinds == {True} for kinds in seen.values()) == 125


def test_the_judge_is_a_function_of_image_and_answer(data):
    scores = defaultdict(set)
    for row in data["fresh"] + data["logged"]:
        scores[row["item"], row["answer"]].add(row["score"])
        assert 0 <= float(row["score"]) <= 1
    assert all(len(values) == 1 for values in scores.values())


def test_truth_values_are_the_means_of_the_chances(data):
    chance = chances(data)
    for row in data["truth_values"]:
        values = [p for (_, model), p in chance.items() if model == row["model"]]
        assert len(values) == 500
        assert float(row["accuracy"]) == pytest.approx(math.fsum(values) / 500, abs=1e-6)


def test_log_probabilities_are_those_of_policies(data):
    """Right answers have the chance in truth.csv; answers of one image share what is left of 1."""
    chance = chances(data)
    label = {key(row): row["label"] == "1" for row in data["truth"]}
    for model in MODELS:
        mass = defaultdict(dict)
        for row in data["logged"]:
            p = math.exp(float(row[f"log_prob_{model}"]))
            mass[row["item"]][row["answer"]] = p
            if label[key(row)]:
                assert p == pytest.approx(chance[row["item"], model], abs=2e-5)
            else:
                assert p < 1 - chance[row["item"], model] + 2e-5
        assert max(sum(answers.values()) for answers in mass.values()) < 1 + 2e-5
        assert min(min(answers.values()) for answers in mass.values()) > 0


def test_importance_weights_have_mean_one_and_value_the_truth(data):
    """By the exact spread of the weights: that of the sample misses the rare large ones and is too small."""
    n_eff_fraction = {"neighbours": 0.433, "bayes": 0.460, "network": 0.699, "forest": 0.188, "lowres": 0.046}
    truth = {row["model"]: float(row["accuracy"]) for row in data["truth_values"]}
    label = {key(row): float(row["label"]) for row in data["truth"]}
    right = np.array([label[key(row)] for row in data["logged"]])
    logged = np.array([float(row["log_prob_logistic"]) for row in data["logged"]])
    for model, fraction in n_eff_fraction.items():
        weights = np.exp(np.array([float(row[f"log_prob_{model}"]) for row in data["logged"]]) - logged)
        for sample, expected in ((weights, 1.0), (weights * right, truth[model])):
            assert abs(sample.mean() - expected) < 3 / math.sqrt(1000 * fraction)


def test_drawn_answers_have_the_exact_accuracy(data):
    """Given the images, only the draws are random: the mean label is within its sampling error of the truth."""
    chance = chances(data)
    for row in data["truth_values"]:
        model = row["model"]
        labels = [float(r["label"]) for r in data["truth"] if r["model"] == model and int(r["draw"]) < 2]
        variance = sum(p * (1 - p) for (_, name), p in chance.items() if name == model) / 2 / 500**2
        assert abs(np.mean(labels) - float(row["accuracy"])) < 4 * math.sqrt(variance)


def test_draws_vary_so_that_sampling_variance_is_real(data):
    for row in data["truth_values"]:
        p = np.array([p for (_, model), p in chances(data).items() if model == row["model"]])
        assert np.mean(p * (1 - p)) > 0.04
        assert np.var(p) > 0.02


def test_truth_lies_in_simple_intervals_from_the_labels_but_not_in_the_judges(data):
    truth = {row["model"]: float(row["accuracy"]) for row in data["truth_values"]}
    z = {}
    for model in MODELS:
        for column in ("label", "score"):
            by_item = defaultdict(list)
            for row in data["fresh"]:
                if row["model"] == model and row[column]:
                    by_item[row["item"]].append(float(row[column]))
            means = np.array([np.mean(values) for values in by_item.values()])
            z[model, column] = (means.mean() - truth[model]) / (means.std(ddof=1) / math.sqrt(len(means)))
    assert all(abs(z[model, "label"]) < 1.96 for model in MODELS)
    assert z["lowres", "score"] > 10  # the judge flatters the policy that sees as badly as itself
    assert abs(z["neighbours", "score"]) < 1.96  # and is fair to another


@pytest.fixture(scope="module")
def script():
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location("make_digits_example", ROOT / "examples/make_digits_example.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_script_makes_these_files_again(script, data, tmp_path):
    """Other versions of scikit-learn fit slightly other models: statistics are compared, not bytes."""
    script.make(tmp_path)
    for name in FILES:
        made = rows_of(name, tmp_path)
        assert list(made[0]) == list(data[name][0])
        assert len(made) == len(data[name])
    for kept, made in zip(data["truth_values"], rows_of("truth_values", tmp_path), strict=True):
        assert kept["model"] == made["model"]
        assert float(made["accuracy"]) == pytest.approx(float(kept["accuracy"]), abs=1e-2)
    for column in ("score", "answer"):
        kept, made = (
            np.array([float(row[column]) for row in rows]) for rows in (data["fresh"], rows_of("fresh", tmp_path))
        )
        assert np.mean(np.abs(kept - made) > 1e-3) < 0.05


@pytest.mark.slow
def test_policies_of_the_script_are_normalised(script):
    _, _, log_probs, scores, labelled, _ = script.build()
    assert tuple(log_probs) == MODELS
    for values in log_probs.values():
        assert values.shape == (500, 10)
        np.testing.assert_allclose(np.exp(values).sum(axis=1), 1.0, atol=1e-12)
        assert np.exp(values).min() > 1e-8  # every policy can be weighted against every other
    assert ((scores > 0) & (scores < 1)).all()
    assert labelled.sum() == 125
