"""Text from logs is harmless, names stay apart, numbers have the digits they deserve."""

from __future__ import annotations

import math
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from neff.report.text import (
    clean,
    digits_for,
    display_width,
    distinct,
    join_names,
    label,
    number,
    shorten,
    signed,
)  # fmt: skip

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


@given(ANY_TEXT)
def test_clean_leaves_nothing_that_steers(text):
    kept = clean(text)
    kept.encode("utf-8")
    assert all(unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp") for c in kept)
    assert not set(kept) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\ufeff\u00ad\u2028")
    assert clean(kept) == kept


def test_clean_keeps_what_people_write():
    for text in ("gpt-4o", "Ünïcode näme", "中文模型", "👩\u200d🔬", "ن\u200cص"):
        assert clean(text) == text
    assert clean("a\u00a0b") == "a b"


@given(ANY_TEXT, st.integers(1, 40), st.sampled_from([0.1, 0.5, 0.9]))
def test_shorten_never_exceeds_its_limit(text, limit, head):
    short = shorten(text, limit, head=head)
    assert display_width(short) <= limit
    if display_width(clean(text)) <= limit:
        assert short == clean(text)


@given(st.lists(ANY_TEXT.map(clean), max_size=12), st.integers(6, 30))
def test_distinct_names_stay_distinct(names, limit):
    short = distinct(names, limit)
    assert len(set(short)) == len(set(names))
    assert all(display_width(s) <= limit for s in short)


def test_distinct_of_names_that_differ_only_in_the_middle():
    names = [f"{'a' * 30}{k}{'b' * 30}" for k in range(12)]
    assert len(set(distinct(names, 12))) == 12


def test_display_width():
    assert display_width("abc") == 3
    assert display_width("中文") == 4
    assert display_width("e\u0301") == 1


def test_join_names():
    assert "".join(join_names([])) == ""
    assert "".join(join_names(["A"])) == "A"
    assert "".join(join_names("ABCDE", limit=4)) == "A, B, C, D and E"
    assert "".join(join_names("ABCDEF", limit=4)) == "A, B, C, D and 2 more"


def test_label_of_nothing():
    assert label("", 20) == label("  ", 20) == "(no name)"


def test_digits_follow_the_standard_error():
    assert digits_for([0.0123]) == 3
    assert digits_for([12.3]) == 1
    assert digits_for([1e-12]) == 8
    assert digits_for([math.nan, 0.0], [0.5]) == 4
    assert digits_for([], [57.0]) == 2


@given(st.floats(allow_infinity=False), st.integers(0, 8))
def test_no_negative_zero(value, digits):
    for text in (number(value, digits), signed(value, digits)):
        assert text == "–" or not text.startswith(("-", "+")) or float(text) != 0
