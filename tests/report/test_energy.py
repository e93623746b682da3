"""The page of energy: the title claims no more than the tests found."""

from __future__ import annotations

import pytest

from neff.report import document
from neff.report.document import plain
from neff.train.energy import compare_energy


@pytest.mark.parametrize(
    ("joules", "settings", "title"),
    [
        ([1.0, 2.0], "ab", "a needs the least energy, not graded against b"),
        ([5.0, 5.0, 5.0, 5.0], "aabb", "a needs the least energy, not graded against b"),
        ([5.0, 7.0, 6.0, 7.5], "aabb", "a needs the least energy, not told apart from b"),
        ([5.0, 5.1, 9.0, 9.2], "aabb", "a needs the least energy"),
        ([5.0, 5.1, 9.0, 9.2, 9.5], "aabbc", "a needs the least energy, not graded against c"),
        ([5.0, 5.1], "aa", "The settings are described, not compared"),
    ],
)
def test_the_title_says_what_the_least_was_not_told_from(joules, settings, title):
    assert plain(document(compare_energy(joules, list(settings))).title) == title
