"""Place and label apart: responders that go by one alone, balance, edges."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from neff.benchmark.survey import adjusted_answers, crossed_presentations, place_and_label
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.report import document, render
from neff.report.document import plain

LIKES = np.array([0.7, 0.15, 0.1, 0.05])
UNIFORM = pytest.approx(np.full(4, 0.25), abs=1e-12)


@pytest.mark.parametrize("by", ["option", "place", "label"])
def test_a_responder_that_goes_by_one_alone_is_recovered(by):
    orders, labels = crossed_presentations(4)
    places = np.broadcast_to(np.arange(4), orders.shape)
    found = place_and_label(LIKES[{"option": orders, "place": places, "label": labels}[by]], orders, labels)
    means = {"option": found.adjusted, "place": found.places, "label": found.labels}
    assert means.pop(by) == pytest.approx(LIKES, abs=1e-12)
    assert all(mean == UNIFORM for mean in means.values())
    assert (found.balanced, found.n_presentations) == (True, 16)
    assert found.place_bias == pytest.approx(0.45 * (by == "place"), abs=1e-12)
    assert found.label_bias == pytest.approx(0.45 * (by == "label"), abs=1e-12)
    said = {"option": "neither", "place": "one: place", "label": "one: label"}[by]
    assert said in found.sentence()
    assert plain(document(found).title) == found.sentence()
    assert "As label" in render(found, "text")


def test_labels_in_the_order_of_places_cannot_be_told_from_them():
    orders, labels = crossed_presentations(3)
    straight = np.broadcast_to(np.arange(3), orders.shape)
    p = np.random.default_rng(0).random(orders.shape)
    found = place_and_label(p, orders, straight)
    assert not found.balanced
    assert found.labels == pytest.approx(found.places)
    assert found.adjusted == pytest.approx(adjusted_answers(p, orders).adjusted)
    assert place_and_label(p, orders, labels).balanced


def test_presentations_without_a_label():
    orders, labels = crossed_presentations(2)
    found = place_and_label([[0.2, 0.2], [0, 0], [math.nan, 1], [0.1, 0.3]], orders, labels)
    assert (found.n_presentations, found.balanced) == (2, False)
    assert found.places == pytest.approx([0.375, 0.625])
    nothing = place_and_label(np.zeros((4, 2)), orders, labels)
    assert (nothing.reason, nothing.n_presentations) == (Reason.EMPTY, 0)
    json.dumps(nothing.to_dict(), allow_nan=False)
    assert "undefined: no values" in str(nothing)


@pytest.mark.parametrize(
    ("p", "orders", "labels", "message"),
    [
        ([[0.5, 0.5]], [[0, 0]], [[0, 1]], "orders must be permutations"),
        ([[0.5, 0.5]], [[0, 1]], [[1, 2]], "labels must be permutations"),
        ([[0.5, 0.5]], [[0, 1]], [[0, 1], [1, 0]], "labels must be of the shape"),
        ([[0.5]], [[0]], [[0]], "orders must be of the shape"),
        ([[-0.5, 0.5]], [[0, 1]], [[0, 1]], "probabilities must be 0 or more"),
    ],
)
def test_bad_input(p, orders, labels, message):
    with pytest.raises(ArgumentError, match=message):
        place_and_label(p, orders, labels)
    with pytest.raises(ArgumentError, match="n must be"):
        crossed_presentations(1)
