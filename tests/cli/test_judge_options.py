"""Judges, labels and logs on the command line: each option arrives, each bad input is named with exit code 2 or 3."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import numpy as np
import pytest

import neff as package
from neff.cli.options import Judge
from neff.evaluate.judge_options import ESTIMATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ARENA = ("--item", "prompt_id", "--score", "judge_score", "--label", "oracle_label")
N = 61


def write(path: Path, rows: Sequence[Sequence[Any]], head: str = "item,model,score,label,length,chance") -> Path:
    path.write_text(head + "\n" + "\n".join(",".join(map(str, row)) for row in rows) + "\n")
    return path


def rows_of(models: Sequence[str] = ("new", "old"), seed: int = 6) -> list[list[Any]]:
    """Item, model, score, label (on half of the answers, at random), a covariate, the chance of a label."""
    rng = np.random.default_rng(seed)
    quality = rng.beta(2, 2, N)
    rows = []
    for k, model in enumerate(models):
        for i, q in enumerate(quality):
            label = round(float(np.clip(q + 0.05 * k + rng.normal(0, 0.1), 0, 1)), 3)
            score = round(float(np.clip(q + rng.normal(0, 0.05), 0, 1)), 2)
            rows.append([f"q{i:02d}", model, score, label if rng.random() < 0.5 else "", i * i % 29, 0.5])
    return rows


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    return write(tmp_path / "judged.csv", rows_of())


LOGS = "item,model,score,label,log_prob_log,log_prob_new,log_prob_alt"
LOG_WORDS = ("--log-prob", "log_prob_log", "--target-log-prob", "log_prob_new", "--target-log-prob", "log_prob_alt")


def logged_rows() -> list[list[Any]]:
    return [
        [*row[:4], -20 - i % 5, -20 - i % 5 + round(0.3 * math.sin(i), 4), -20 - i % 5 + round(0.2 * math.cos(i), 4)]
        for i, row in enumerate(rows_of(("log",)))
    ]


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    return write(tmp_path / "logged.csv", logged_rows(), LOGS)


def result_of(outcome: Any) -> dict[str, Any]:
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    del found["provenance"]
    return found


def expected(path: Path, keep: Sequence[str] = (), **options: Any) -> dict[str, Any]:
    found = package.evaluate(package.read(path, keep=tuple(keep) or "mapped"), **options).to_dict()
    del found["provenance"]
    return json.loads(json.dumps(found))


def test_the_estimators_are_those_of_the_library() -> None:
    assert get_args(get_type_hints(Judge)["estimator"]) == ("auto", "mean", *ESTIMATORS)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        *((("--estimator", name), {"estimator": name}) for name in ("mean", "plug-in", "augmented-tuned", "labels")),
        *((("--estimator", name), {"estimator": name}) for name in ("judge", "ppi", "ppi++")),
        (("--scale", "0", "2"), {"scale": (0.0, 2.0)}),
        (("--calibration", "two-stage"), {"calibration": "two-stage"}),
        (
            ("--calibration", "two-stage", "--covariate", "length"),
            {"calibration": "two-stage", "covariates": ("length",)},
        ),
        (("--propensity", "chance"), {"propensity": "chance"}),
        (("--n-folds", "7"), {"n_folds": 7}),
        (
            ("--inference", "bootstrap", "--n-resamples", "211", "--seed", "3"),
            {"inference": "bootstrap", "n_resamples": 211, "rng": 3},
        ),
    ],
)
def test_each_option_arrives(
    neff: Callable[..., Any], judged: Path, words: tuple[str, ...], options: dict[str, Any]
) -> None:
    found = result_of(neff("evaluate", judged, "--json", *words))
    keep = [*options.get("covariates", ()), *([options["propensity"]] if "propensity" in options else [])]
    assert found == expected(judged, keep, **options)
    assert found != result_of(neff("evaluate", judged, "--json"))


@pytest.mark.parametrize("estimator", ["auto", "augmented-snips", "snips", "ips", "raw-ips", "simcal-ips"])
def test_log_probabilities_arrive(neff: Callable[..., Any], logged: Path, estimator: str) -> None:
    found = result_of(neff("evaluate", logged, *LOG_WORDS, "--estimator", estimator, "--json"))
    columns = ["log_prob_log", "log_prob_new", "log_prob_alt"]
    options = {"log_prob": columns[0], "target_log_prob": columns[1:], "estimator": estimator}
    assert found == expected(logged, columns, **options)
    assert {e["model"] for e in found["estimates"]} == {"log", "new", "alt"}
    assert {gate["policy"] for gate in found["gates"]} == {"log", "new", "alt"}


def test_compare_takes_the_same_options(neff: Callable[..., Any], judged: Path) -> None:
    words = ("compare", judged, "--a", "new", "--b", "old", "--json", "-q")
    calibrated, raw = (result_of(neff(*words, *more)) for more in ((), ("--estimator", "mean")))
    assert calibrated["comparisons"][0]["method"].startswith("difference paired by prompt, one calibrator for both")
    assert raw["comparisons"][0]["difference"] != calibrated["comparisons"][0]["difference"]


def test_arena_logs_refuse_what_they_do_not_cover(neff: Callable[..., Any], neff_data: Path) -> None:
    targets = ("clone", "parallel_universe_prompt", "unhelpful")
    words = [*ARENA, "--log-prob", "base_logprob", *(w for t in targets for w in ("--target-log-prob", t))]
    path = neff_data / "arena1000_logprobs.csv"
    found = result_of(neff("evaluate", path, *words, "--json", "-q"))
    refused = {e["model"]: e["refused"] for e in found["estimates"]}
    for policy, share in (("unhelpful", "7.8"), ("parallel_universe_prompt", "3.4")):
        assert refused[policy].startswith(f"{share} of 1,000 logged answers survive the weights")
    tied = found["tied_with_best"]["all"]
    assert not {"unhelpful", "parallel_universe_prompt"} & set(tied)
    shown = neff("evaluate", path, *words)
    assert shown.out.count("✕ ") >= 3  # two rows and the key
    strict = neff("evaluate", path, *words, "--strict", "-q")
    assert strict.code == 4
    assert "the level of unhelpful on all is refused: " in strict.err


# What is wrong with the input is named.


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda rows: rows[0].__setitem__(3, 1.4), 2, "--label must be between 0 and 1, the declared scale, got 1.4."),
        (lambda rows: rows[0].__setitem__(3, "inf"), 3, "inf"),
        (lambda rows: rows[0].__setitem__(3, "good"), 3, "good"),
        (lambda rows: rows[0].__setitem__(2, "inf"), 3, "inf"),
        (
            lambda rows: [row.__setitem__(3, "" if row[0] != "q01" else 0.5) for row in rows],
            3,
            "1 prompt(s) have a label",
        ),
        (
            lambda rows: [row.__setitem__(3, "" if row[0] > "q02" else 0.5) for row in rows],
            2,
            "--label must be known for",
        ),
    ],
)
def test_labels_that_cannot_be_used(
    neff: Callable[..., Any], tmp_path: Path, change: Callable[[list[list[Any]]], Any], code: int, said: str
) -> None:
    rows = rows_of()
    change(rows)
    outcome = neff("evaluate", write(tmp_path / "bad.csv", rows), "--label", "label", "-o", tmp_path / "out.json")
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.count("\n") == 1
    assert said in outcome.err
    assert "scale=(" not in outcome.err  # the fix is written as one types it
    assert "estimator='" not in outcome.err
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--scale", "1", "0"), "--scale must be"),
        (("--scale", "0", "nan"), "--scale must be"),
        (("--scale", "0"), "--scale"),
        (("--scale", "0", "high"), "--scale"),
        (("--estimator", "magic"), "--estimator"),
        (("--estimator", "augmentd"), 'Did you mean "augmented"?'),
        (("--calibration", "isotonic"), "--calibration"),
        (("--covariate", "size"), "size"),
        (("--propensity", "length"), "--propensity must be a column of probabilities in (0, 1]"),
        (("--n-folds", "1"), "--n-folds must be at least 2"),
        (("--n-folds", "2.5"), "--n-folds must be a whole number"),
        (("--inference", "bayes"), "--inference"),
        (("--inference", "bootstrap", "--estimator", "labels"), "--inference must be 'analytic' for this estimator"),
        (("--estimator", "snips"), "--target-log-prob must be given for --estimator snips"),
        (("--log-prob", "length"), "--target-log-prob must be given where log_prob is"),
        (("--target-log-prob", "length"), "--log-prob must be given where target_log_prob is"),
        (("--log-prob", "nope", "--target-log-prob", "length"), "nope"),
        (("--log-prob", "length", "--target-log-prob", "chance"), "column length has"),
        (
            ("--cluster", "length", "--cluster", "chance", "--label", "label"),
            "--cluster must be one column where labels",
        ),
        (("--weight", "length", "--label", "label"), "--weight must be left out, or equal, where labels are used"),
    ],
)
def test_options_that_cannot_be_used(neff: Callable[..., Any], judged: Path, words: tuple[str, ...], said: str) -> None:
    outcome = neff("evaluate", judged, *words)
    assert outcome.code in (2, 3), outcome.out
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1
    assert said in outcome.err
    assert "bug in neff" not in outcome.err


def test_labels_that_are_all_equal_are_said(neff: Callable[..., Any], tmp_path: Path) -> None:
    rows = [[*row[:3], 0.5 if row[3] != "" else "", *row[4:]] for row in rows_of()]
    outcome = neff("evaluate", write(tmp_path / "equal.csv", rows))
    assert outcome.code == 0
    assert "labels are equal, so the score could not be calibrated" in " ".join(outcome.out.split())
    assert neff("evaluate", tmp_path / "equal.csv", "--strict", "-q").code == 4


def test_labels_on_one_model_only_work_with_warnings(neff: Callable[..., Any], tmp_path: Path) -> None:
    rows = [[*row[:3], row[3] if row[1] == "old" else "", *row[4:]] for row in rows_of()]
    outcome = neff("evaluate", write(tmp_path / "one.csv", rows))
    assert outcome.code == 0
    text = " ".join(outcome.out.split())
    assert "new: borrowed calibration: no labels of its own" in text
    assert "not graded" in text
    assert neff("evaluate", tmp_path / "one.csv", "--strict", "-q").code == 4


def test_missing_log_probabilities_of_one_policy_are_counted(neff: Callable[..., Any], tmp_path: Path) -> None:
    rows = [[*row[:5], "" if i % 5 == 0 else row[5], row[6]] for i, row in enumerate(logged_rows())]
    outcome = neff("evaluate", write(tmp_path / "gaps.csv", rows, LOGS), *LOG_WORDS)
    assert outcome.code == 0
    assert "new: 13 of 61 logged answers have no log-probability for it: left out." in " ".join(outcome.out.split())
    assert "alt: " not in outcome.out.partition("Notes")[2].partition("May these")[0]


def test_positive_log_probabilities_are_named(neff: Callable[..., Any], tmp_path: Path) -> None:
    rows = [[*row[:5], 1.0 if i == 3 else row[5], row[6]] for i, row in enumerate(logged_rows())]
    outcome = neff("evaluate", write(tmp_path / "positive.csv", rows, LOGS), *LOG_WORDS)
    assert (outcome.code, outcome.out) == (3, "")
    assert "column log_prob_new has 1 positive value(s), such as 1 (item q03, model log)" in outcome.err


def test_unscored_answers_are_counted(neff: Callable[..., Any], tmp_path: Path) -> None:
    rows = rows_of()
    rows[3][2], rows[5][2] = "nan", ""
    outcome = neff("evaluate", write(tmp_path / "nan.csv", rows))
    assert outcome.code == 0
    assert "2 of 122 draws have no score: counted, not used." in outcome.out
    found = result_of(neff("evaluate", tmp_path / "nan.csv", "--json"))
    assert {e["model"]: e["n_unscored"] for e in found["estimates"]} == {"new": 2, "old": 0}


def test_rows_given_twice_are_said(neff: Callable[..., Any], tmp_path: Path) -> None:
    rows = rows_of()
    outcome = neff("evaluate", write(tmp_path / "twice.csv", [*rows, rows[0]]))
    assert outcome.code == 0
    assert "Items have 1 to 2 answers per model" in outcome.out
    head = "item,model,score,label,draw"
    named = write(tmp_path / "named.csv", [[*row[:4], 0] for row in [*rows, rows[0]]], head)
    outcome = neff("evaluate", named)
    assert (outcome.code, outcome.out) == (3, "")
    assert "q00" in outcome.err


def test_models_on_other_prompts_are_said(neff: Callable[..., Any], tmp_path: Path) -> None:
    rows = [[row[0] + row[1], *row[1:]] for row in rows_of()]
    outcome = neff("evaluate", write(tmp_path / "apart.csv", rows))
    assert outcome.code == 0
    assert "No two models answered the same item" in outcome.out
    found = result_of(neff("evaluate", tmp_path / "apart.csv", "--json"))
    assert (found["comparisons"][0]["n_items"], found["comparisons"][0]["n_unmatched"]) == (0, 122)


def test_logs_without_labels_are_refused(neff: Callable[..., Any], tmp_path: Path) -> None:
    rows = [[*row[:3], "", *row[4:]] for row in logged_rows()]
    outcome = neff("evaluate", write(tmp_path / "bare.csv", rows, LOGS), *LOG_WORDS)
    assert (outcome.code, outcome.out) == (3, "")
    assert "there are log-probabilities, but no answer has a label" in outcome.err


def test_options_without_labels_are_said_to_do_nothing(neff: Callable[..., Any], scores: Path) -> None:
    outcome = neff("evaluate", scores, "--scale", "1", "5", "--n-folds", "7")
    assert outcome.code == 0
    assert "no effect has scale, n_folds" in outcome.out
