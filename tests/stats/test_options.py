"""Named options and seeds."""

from __future__ import annotations

import numpy as np
import pytest

from neff.errors import ArgumentError, ArgumentTypeError
from neff.stats._options import check_choice, seeded


def test_a_known_option_passes_and_an_unknown_one_is_answered_with_the_nearest() -> None:
    assert check_choice("holm", ("holm", "none"), argument="method", call="f") == "holm"
    with pytest.raises(ArgumentError, match=r"f: method must be 'a', 'b' or 'c', got 'd'\.$"):
        check_choice("d", ("a", "b", "c"), argument="method", call="f")
    with pytest.raises(ArgumentError, match=r"must be 'percentile', got 'percentiel'\. Did you mean 'percentile'\?"):
        check_choice("percentiel", ("percentile",), argument="method", call="f")
    with pytest.raises(ArgumentError, match="got None"):
        check_choice(None, ("holm",), argument="method", call="f")


def test_a_seed_is_always_known_unless_the_caller_holds_the_generator() -> None:
    generator, seed = seeded(17, call="f")
    assert seed == 17
    assert generator.random() == np.random.default_rng(17).random()

    generator, seed = seeded(None, call="f")
    assert isinstance(seed, int)
    assert generator.random() == np.random.default_rng(seed).random()
    assert seeded(None, call="f")[1] != seed

    mine = np.random.default_rng(3)
    assert seeded(mine, call="f") == (mine, None)


@pytest.mark.parametrize("rng", [-1, 1.5, "seed", np.random.RandomState(1)])
def test_anything_else_is_refused(rng: object) -> None:
    with pytest.raises((ArgumentError, ArgumentTypeError), match="rng must be"):
        seeded(rng, call="f")
