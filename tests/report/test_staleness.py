"""The page of a study of stale rollouts: what is in the title, what is drawn, what is in the table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from neff import report
from neff.report.document import Figure, plain
from neff.report.staleness import DRAWN, FIRST, staleness_document
from neff.testing.staleness.result import StalenessRun, StalenessStudy

RUN = StalenessRun(
    environment="E2", method="vcpo", lag=4, learning_rate=0.1, seed=0, steps=600, evaluated_at=(0, 600),
    rewards=(0.5, 0.9), final=0.9, dip=0.7, peak=0.95, ess_token=0.8, ess_sequence=0.5, update_norm=1.5, n_skipped=0,
    cpu_seconds=0.25,
)  # fmt: skip


def study(*changes):
    return StalenessStudy(tuple(replace(RUN, **change) for change in changes))


def figures(document):
    return [block for section in document.sections for block in section.blocks if isinstance(block, Figure)]


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ([{}], "No run crashed"),
        ([{"final": 0.2}], "Every method crashed in some runs"),
        ([{}, {"method": "tis", "final": 0.2}], "vcpo is the only method without a crash"),
        (
            [{}, {"method": "tis", "final": 0.2}, {"method": "grpo"}],
            "vcpo and grpo are the only methods without a crash",
        ),
        ([{}, {"seed": 1, "final": 0.2}, {"method": "tis", "dip": 0.1}], "Every method crashed in some runs"),
    ],
)
def test_the_title_says_who_crashed(changes, title):
    assert plain(staleness_document(study(*changes)).title) == title


def test_one_picture_per_environment_and_rate_with_final_rewards_by_lag():
    found = study({}, {"lag": 64, "final": 0.6}, {"lag": 64, "environment": "TF"}, {"lag": 64, "learning_rate": 0.2})
    drawn = figures(staleness_document(found))
    assert [f.title.split(":")[0] for f in drawn] == [
        "E2, learning rate 0.1", "TF, learning rate 0.1", "E2, learning rate 0.2"
    ]  # fmt: skip
    (series,) = drawn[0].chart.series
    assert (series.label, series.x, series.y) == ("vcpo", (4, 64), (0.9, 0.6))
    assert not figures(staleness_document(study({}, {"seed": 1})))  # one lag: nothing to draw


def test_of_many_methods_those_that_matter_are_drawn_and_all_are_in_the_table():
    names = ["mine", "reinforce", "tis", "mis", "cispo", "grpo", "sequence_is", "vcpo"]
    document = staleness_document(study(*({"method": m, "lag": k} for m in names for k in (4, 64))))
    (figure,) = figures(document)
    assert len(figure.chart.series) == DRAWN
    assert [s.label for s in figure.chart.series] == [m for m in FIRST if m in names] + ["mine"]
    assert "2 more methods are in the table." in figure.description
    text = report.render(study(*({"method": m, "lag": k} for m in names for k in (4, 64))))
    assert all(name in text for name in names)


def test_a_method_with_a_hostile_name_is_shown_as_text():
    found = study({"method": "<script>alert(1)</script>"}, {"lag": 64, "method": "<script>alert(1)</script>"})
    assert "<script>alert(1)" not in report.render(found, "html")


def test_saved_and_shown_again(tmp_path):
    found = study({}, {"lag": 64, "final": 0.6}, {"seed": 1})
    path = report.write(found, tmp_path / "study.json")
    again = report.load(path)
    assert again == found
    assert report.render(again, "html") == report.render(found, "html")
