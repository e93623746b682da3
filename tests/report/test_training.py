"""The training page: findings first, then curves, in every format, from any file that a run may leave."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from neff.errors import RecordsError
from neff.report import document, load, render, write
from neff.report.document import Figure, plain
from neff.report.line_chart import LineChart
from neff.report.training import MOST_METRICS
from neff.train import EssEstimate, Finding, StepReport, TrainingRun

NAN = math.nan


def ess(value, n, *, collapsed=False, width=0.02):
    interval = (NAN, NAN) if collapsed or math.isnan(value) else (value - width, min(value + width, 1.0))
    return EssEstimate(value=value, n=n, interval=interval, collapsed=collapsed, floor=1 / n, n_eff=value * n)


def step(k, **changes):
    rng = np.random.default_rng(k)
    sequence = float(np.clip(0.9 * math.exp(-k / 20) + rng.normal(0, 0.01), 0.02, 1))
    values = {
        "ess_token": ess(0.99 - 0.001 * k, 2000),
        "ess_sequence": ess(sequence, 64, collapsed=sequence * 64 < 3),
        "reward": 0.5 + 0.005 * k,
        "reward_standard_error": 0.02,
        "entropy": 1.5 - 0.01 * k,
        "log_mean_ratio_token": 0.001 * rng.normal(),
        "log_mean_ratio_token_standard_error": 0.001,
        "n_sequences": 64,
        "n_tokens": 2000,
        "n_groups": 8,
        "lag_mean": 3.0,
        "lag_max": 4.0,
        "lr_factor": math.sqrt(sequence),
    }
    return StepReport(step=k, **(values | changes))


@pytest.fixture(scope="module")
def run():
    return TrainingRun(tuple(step(k) for k in range(61)), "runs/a.jsonl")


def figures(result):
    return {
        block.title: block
        for section in document(result).sections
        for block in section.blocks
        if isinstance(block, Figure)
    }


def lines(result, path):
    path.write_text("".join(json.dumps(one.to_dict()) + "\n" for one in result.steps))
    return path


def test_the_title_is_the_finding(run):
    collapsed = sum(one.ess_sequence.collapsed for one in run.steps)
    assert collapsed > 0
    assert plain(document(run).title) == f"The sequence ESS is at its floor in {collapsed} of 61 steps"
    calm = replace(run, steps=run.steps[:5])
    assert plain(document(calm).title).startswith("At the end a batch is worth ")
    refused = Finding("top-p", "refuse", "No.")
    bad = replace(run, steps=(replace(run.steps[0], findings=(refused,)), *run.steps[1:]))
    assert plain(document(bad).title) == "The ratios of this run cannot be trusted: refused by top-p"
    again = tuple(replace(one, step=k) for k, one in enumerate([run.steps[-1], *run.steps[:5] * 4]))
    assert plain(document(replace(run, steps=again)).title).startswith("At the end a batch is worth ")  # 1 of 21
    blind = tuple(StepReport(step=k) for k in range(100, 110))
    title = plain(document(replace(run, steps=(*run.steps[:5], *blind))).title)
    assert title == "The last 10 of 15 steps have no effective sample size"
    half = StepReport(step=0, ess_token=ess(0.5, 10))  # each response has a token without a log-probability
    assert plain(document(TrainingRun((half,))).title) == "At the end a batch is worth 50% of its tokens"
    assert plain(document(TrainingRun((half,))).lead[0]) == (
        "Over the last 1 step the median token ESS is 0.500, as shares of n."
    )
    nothing = TrainingRun((StepReport(step=0),))
    assert plain(document(nothing).title) == "1 step without an effective sample size"


def test_findings_come_first_counted_and_by_how_serious_they_are(run):
    found = (
        Finding("token-ess", "note", "A note."),
        Finding("clamped", "refuse", "Clamped."),
        Finding("x", "warn", "W."),
    )
    steps = tuple(replace(one, findings=found if one.step in (3, 9) else ()) for one in run.steps)
    notices = document(replace(run, steps=steps, notes=("Line 9, the last, is cut off: stopped.",))).notices
    assert [(notice.level, notice.heading()) for notice in notices] == [
        ("error", "Refused: clamped"), ("warning", "Warning: x"), ("note", "Note: token-ess"), ("note", "Not read"),
    ]  # fmt: skip
    assert plain(notices[0].text) == "(steps 3 to 9, 2 of them) Clamped."
    text = render(replace(run, steps=steps))
    assert text.index("Refused: clamped") < text.index("Effective sample size")


def test_the_curves_hold_the_numbers(run):
    found = figures(run)
    assert list(found)[:4] == ["Effective sample size", "Reward", "Entropy", "Log mean ratio"]
    assert "Ratios above the cap" not in found  # no step has it
    chart = found["Effective sample size"].chart
    assert isinstance(chart, LineChart)
    assert [series.label for series in chart.series] == ["token", "sequence"]
    assert chart.series[1].y == tuple(one.ess_sequence.value for one in run.steps)
    assert chart.y_scale == "log"
    assert [line.at for line in chart.references] == [1 / 64, 3 / 64]
    assert chart.shades == tuple((float(a), float(b)) for a, b in run.collapses())
    reward = found["Reward"].chart.series[0]
    assert reward.low[0] == pytest.approx(0.5 - 2.364624 * 0.02, abs=1e-6)  # t with 7 degrees of freedom
    assert found["Learning rate"].chart.series[0].y[0] == run.steps[0].lr_factor


def test_own_numbers_have_a_curve_up_to_a_limit(run):
    steps = tuple(replace(one, metrics={f"m{k}": float(k) for k in range(20)}) for one in run.steps)
    own = [title for title in figures(replace(run, steps=steps)) if title.startswith("Own number")]
    assert own == [f"Own number: m{k}" for k in range(MOST_METRICS)]


def test_gaps_stay_gaps(run):
    steps = tuple(replace(one, reward=NAN) if one.step == 30 else one for one in run.steps)
    chart = figures(replace(run, steps=steps))["Reward"].chart
    page = render(replace(run, steps=steps), "html")
    assert math.isnan(chart.series[0].y[30])
    assert "1 undefined" in page


def test_every_format_says_the_finding(run, tmp_path):
    for suffix in ("html", "md", "json", "csv", "txt", "parquet"):
        assert write(run, tmp_path / f"r.{suffix}").stat().st_size > 0
    text, page, comment = render(run), render(run, "html"), render(run, "markdown")
    for said in (text, page, comment):
        assert "is at its floor in" in said
    assert page.count('<svg class="lines wide"') == len(figures(run))
    assert "more figures: -o FILE.html." in text
    assert "Reward" in text
    assert "Entropy" not in text
    assert all(len(line) <= 100 for line in text.splitlines())
    assert all(len(line) <= 60 for line in render(run, "text", width=60).splitlines())
    rows = list(csv.DictReader(io.StringIO(render(run, "csv"))))
    assert len(rows) == 61
    assert float(rows[7]["ess_sequence"]) == run.steps[7].ess_sequence.value
    assert len(comment) < 60_000


def test_a_file_of_steps_and_the_saved_page_are_the_same_run(run, tmp_path):
    from_lines = load(lines(run, tmp_path / "run.jsonl"))
    assert [one.to_dict() for one in from_lines.steps] == [one.to_dict() for one in run.steps]
    again = load(write(from_lines, tmp_path / "run.json"))
    assert again.to_dict() == from_lines.to_dict()
    assert render(again, "html") == render(from_lines, "html")


def test_one_line_a_cut_off_line_and_a_bad_first_line_are_training_runs_too(run, tmp_path):
    path = lines(replace(run, steps=run.steps[:1]), tmp_path / "one.jsonl")
    assert len(load(path).steps) == 1
    whole = path.read_text()
    path.write_text("garbage\n" + whole + whole[:40])
    damaged = load(path)
    assert len(damaged.steps) == 1
    assert len(damaged.notes) == 2
    assert "cut off" in render(damaged)
    path.write_text(whole[:40])
    with pytest.raises(RecordsError, match="no step of a training run"):
        load(path)


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "red\x1b[31m",
    "\u202eevil",
    "@team #12 `code`",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_cannot_break_out(run, text, tmp_path):
    finding = Finding(text, "refuse", text * 50)
    steps = tuple(replace(one, findings=(finding,), metrics={text: 1.0}, scope=text) for one in run.steps[:7])
    hostile = load(lines(TrainingRun(steps), tmp_path / "run.jsonl"))
    hostile = replace(hostile, name=text, notes=(text,))
    page = render(hostile, "html")
    assert "<script>alert" not in page
    assert "<img" not in page
    for form in ("text", "markdown", "html", "csv"):
        out = render(hostile, form)
        assert "\x1b" not in out
        assert "\u202e" not in out
    assert json.loads(render(hostile, "json"))["name"] == text


def test_a_run_without_rewards_or_anything_is_a_page():
    empty = TrainingRun((StepReport(step=3), StepReport(step=4)))
    for form in ("text", "html", "markdown", "csv"):
        assert render(empty, form)
    one = TrainingRun((step(0),))
    assert "steps 0 to 0" in render(one)


def test_a_long_run_stays_small():
    rng = np.random.default_rng(0)
    steps = tuple(
        step(0, reward=float(r), ess_sequence=ess(0.5, 64), lag_mean=NAN, lag_max=NAN) for r in rng.random(5003)
    )
    run = TrainingRun(tuple(replace(one, step=k) for k, one in enumerate(steps)))
    page = render(run, "html")
    assert len(page.encode()) < 3_000_000
    assert len(render(run)) < 10_000
    assert len(render(run, "markdown")) < 65_536
