"""Real training curves of the OLMo ladder: the figures of the method sheet, per-task results, the scaling ladder."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neff.benchmark.noise import (
    average_checkpoints,
    benchmark_noise,
    change_metric,
    fit_ladder,
    relative_noise,
    total_variation,
    wide_curves,
)
from neff.errors import ArgumentError

PATTERN = r"(?P<size>\d+[MB])-(?P<recipe>[\d.]+xC)(?P<seed>-rerun)?"
TASKS = {
    "hellaswag": ("hellaswag_val", "len_norm"), "arc_easy": ("arc_easy_test", "len_norm"),
    "arc_challenge": ("arc_challenge_test", "len_norm"), "csqa": ("csqa_val", "len_norm"),
    "openbookqa": ("openbookqa_test", "len_norm"), "piqa": ("piqa_val", "len_norm"),
    "socialiqa": ("socialiqa_val", "len_norm"), "winogrande": ("winogrande_val", "len_norm"),
    "boolq": ("boolq_val", "acc"),
}  # fmt: skip


def accuracy(task):
    name, suffix = TASKS[task]
    return f"eval/downstream/{name}_rc_5shot_{suffix}"


def bits(task):
    return f"eval/downstream_bpb/{TASKS[task][0]}_rc_5shot_bpb"


@pytest.fixture(scope="module")
def table(neff_data):
    import duckdb

    names = ["run_file", "_step", "throughput/total_tokens", *map(accuracy, TASKS), *map(bits, TASKS)]
    wanted = ", ".join(f'"{name}"' for name in names)
    rows = duckdb.sql(f"SELECT {wanted} FROM '{neff_data / 'olmo_ladder_runs.parquet'}'").fetchall()
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


@pytest.fixture(scope="module")
def curves(table):
    scores = [*map(accuracy, TASKS), *map(bits, TASKS)]
    lower = list(map(bits, TASKS))
    return wide_curves(table, run="run_file", step="_step", scores=scores, lower_is_better=lower, pattern=PATTERN)


def curve(table, run, column):
    rows = [
        (step, value)
        for name, step, value in zip(table["run_file"], table["_step"], table[column], strict=True)
        if name == run and value is not None
    ]
    rows.sort(key=lambda row: math.inf if row[0] is None else row[0])
    return np.array([value for _, value in rows])


NOISE = {  # relative SD in %, ddof = 1, last 30 checkpoints of the 7B run: accuracy, bits per byte
    "hellaswag": (0.425, 0.290), "arc_easy": (0.716, 1.165), "arc_challenge": (1.698, 0.912), "csqa": (0.641, 1.057),
    "openbookqa": (2.065, 1.090), "piqa": (0.477, 0.475), "socialiqa": (1.165, 0.685), "winogrande": (0.903, 1.105),
    "boolq": (1.841, 8.805),
}  # fmt: skip
WALKED = {
    "hellaswag": (1.97, 1.12), "arc_challenge": (6.84, 1.32), "openbookqa": (15.6, 1.94), "socialiqa": (7.8, 1.4),
    "boolq": (16.1, 1.6),
}  # fmt: skip


@pytest.mark.parametrize("task", NOISE)
def test_noise_of_the_7b_run(table, task):
    for column, expected in zip((accuracy(task), bits(task)), NOISE[task], strict=True):
        y = curve(table, "peteish7_eval_full", column)
        assert y.size == 186
        assert 100 * relative_noise(y, last=30) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize("task", WALKED)
def test_total_variation_of_the_7b_run(table, task):
    for column, expected in zip((accuracy(task), bits(task)), WALKED[task], strict=True):
        found = total_variation(curve(table, "peteish7_eval_full", column))
        digits = 1 if expected in (15.6, 7.8, 16.1, 1.4, 1.6) else 2
        assert found == pytest.approx(expected, abs=0.6 * 10**-digits)  # printed with so many digits


def test_every_task_has_signal_noise_and_decisions_with_intervals(curves):
    found = benchmark_noise(curves, last=5, small="190M", target="3B", rng=0)
    assert len(found.tasks) == 18
    for task in found.tasks:
        for e in (task.signal, task.noise, task.snr):
            assert e.reason is None
            assert e.interval[0] < e.value < e.interval[1]
        assert task.n_runs == 5
        assert task.decision.n_items == 5
        assert task.decision.interval[0] <= task.decision.value <= task.decision.interval[1]
        assert task.decision.interval[1] - task.decision.interval[0] > 0.3  # five recipes are few
    assert found[accuracy("hellaswag")].snr.value > 50
    assert found[accuracy("boolq")].snr.value < 6
    assert found[bits("boolq")].noise.value < found[accuracy("boolq")].noise.value
    # bits per byte are not always the steadier ones: at the 7B run they are noisier for these four
    noisier = [task for task, (a, b) in NOISE.items() if b > a]
    assert noisier == ["arc_easy", "csqa", "winogrande", "boolq"]
    assert "fewer than 10 recipes" in found.warnings[-1]
    assert found == benchmark_noise(curves, last=5, small="190M", target="3B", rng=0)


def test_signal_to_noise_goes_with_decision_accuracy(curves):
    from neff.stats import spearman

    found = benchmark_noise(curves, last=5, small="190M", target="3B", rng=0)
    x, y = zip(*((t.snr.value, t.decision_drawn.value) for t in found.tasks), strict=True)
    assert spearman(x, y) > 0.6


def test_reruns_are_repeats_not_models(curves):
    found = benchmark_noise(curves, last=5)
    task = found[accuracy("hellaswag")]
    pairs = [(0.3052, 0.3004), (0.3502, 0.3471), (0.4192, 0.4200), (0.4964, 0.4968), (0.6026, 0.6005)]
    pooled = math.sqrt(np.mean([(a - b) ** 2 / 2 for a, b in pairs]))
    assert task.seed_sd.value == pytest.approx(pooled, abs=5e-5)
    assert task.seed_sd.df == 5
    assert found[bits("piqa")].n_runs == task.n_runs


def test_a_task_s_figures_do_not_depend_on_the_other_tasks(curves):
    from neff.benchmark.noise import Curves

    one = Curves(curves.of(accuracy("csqa")))
    alone = benchmark_noise(one, last=5, small="190M", target="3B", rng=7).tasks[0]
    assert alone == benchmark_noise(curves, last=5, small="190M", target="3B", rng=7)[alone.task]
    with pytest.raises(ArgumentError, match="small must be one of"):
        benchmark_noise(curves, small="19M", target="3B")
    with pytest.raises(ArgumentError, match="named together"):
        benchmark_noise(curves, small="190M")


def recipes(curves, column, size):
    return {c.recipe: c.score for c in curves.of(column) if c.size == size and not c.seed}


def test_interventions_on_real_curves(curves):
    gains = [
        average_checkpoints(recipes(curves, accuracy(t), "190M"), recipes(curves, accuracy(t), "3B"), last=5).gain.value
        for t in TASKS
    ]
    assert np.mean([g >= 0 for g in gains]) > 0.7  # most tasks gain; csqa and winogrande lose, within their intervals
    other = change_metric(
        recipes(curves, accuracy("winogrande"), "190M"), recipes(curves, bits("winogrande"), "190M"),
        recipes(curves, accuracy("winogrande"), "3B"), last=5,
    )  # fmt: skip
    assert other.before == pytest.approx(0.15)
    assert other.after == pytest.approx(0.9)
    assert other.gain.interval[0] > 0


SIZES = {"190M": 190_354_176, "370M": 371_262_464, "760M": 758_220_288, "1B": 1_279_395_840}
CHANCE = {
    "hellaswag": 0.25,
    "arc_challenge": 0.25,
    "arc_easy": 0.25,
    "piqa": 0.5,
    "csqa": 0.2,
    "socialiqa": 1 / 3,
    "openbookqa": 0.25,
}
PREDICTED = {  # of the 7B model in %, and the real score, by the ladder code as it is
    "hellaswag": (82.5, 81.3), "arc_challenge": (51.5, 61.9), "arc_easy": (76.6, 84.6), "piqa": (81.2, 82.0),
    "csqa": (75.7, 72.6), "socialiqa": (58.7, 59.9), "openbookqa": (44.2, 49.4),
}  # fmt: skip


@pytest.mark.parametrize("task", PREDICTED)
def test_the_ladder_predicts_the_7b_model_as_its_authors_code(table, task):
    n, d, final, losses, scores = [], [], [], [], []
    for size, parameters in SIZES.items():
        for length in ("1xC", "2xC", "5xC", "10xC"):
            loss, score = (curve(table, f"{size}-{length}", column) for column in (bits(task), accuracy(task)))
            tokens = curve(table, f"{size}-{length}", "throughput/total_tokens")
            n.append(parameters)
            d.append(tokens.max())
            final.append(loss[-5:].mean())
            skip = math.ceil(0.1 * loss.size)
            for values, into in ((loss, losses), (score, scores)):
                into += [values[max(0, k - 4) : k + 1].mean() for k in range(skip, values.size)]
    ladder = fit_ladder(n, d, final, points=(losses, scores), chance=CHANCE[task])
    expected, real = PREDICTED[task]
    assert ladder.reason is None
    actual = float(curve(table, "peteish7_eval_anneal", accuracy(task))[-1])
    assert 100 * actual == pytest.approx(real, abs=0.06)  # a rounded or drawn figure
    predicted = 100 * float(ladder.predict(6_887_575_552, 3.945e12))
    assert predicted == pytest.approx(expected, abs=0.25)  # optimizers differ
    relative, absolute = ladder.error(6_887_575_552, 3.945e12, actual)
    assert 100 * relative.value == pytest.approx(100 * (expected - real) / real, abs=0.5)  # as above
    assert absolute.value == pytest.approx(relative.value * actual, abs=1e-12)
