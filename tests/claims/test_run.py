"""The same result whatever the number of workers; seeds in order; limits of time."""

from __future__ import annotations

import pytest

from neff.claims import check
from neff.reasons import Reason

UNEVEN = """
def wait(seed):
    time.sleep(0.03 * (seed % 3 == 0))

@claim(says="It holds after a while.", budget=30)
def holds(seed):
    wait(seed)
    rng = random.Random(seed)
    return Paired(1.0 + rng.gauss(0, 1), rng.gauss(0, 0.1))

@claim(says="It stays open.", budget=17)
def null(seed):
    rng = random.Random(seed)
    return Paired(rng.gauss(0, 1), rng.gauss(0, 1))

@claim(says="It fails at its seventh seed.", budget=30)
def breaks(seed):
    wait(seed)
    if seed == 6:
        raise RuntimeError("seventh")
    return Paired(random.gauss(0, 1), 0.0)

@claim(says="It uses the global generator.", budget=11)
def unseeded(seed):
    return Paired(random.random(), random.random())

@claim(says="It is slower.", kind="ratio", lower_is_better=True, margin=1.5, budget=23)
def slower(seed):
    wait(seed + 1)
    rng = random.Random(seed)
    return Paired(2 + rng.random(), 2 + rng.random())
"""


def summary(report):
    return [
        (r.claim, r.verdict, r.why, r.value, r.interval, r.standard_error, r.n, *map(str, r.failures), r.control)
        for r in report
    ]


def test_any_number_of_workers_gives_the_same(write):
    write(UNEVEN)
    write(UNEVEN, "claim_again.py")
    one, two, three = (check("claims.py", "claim_again.py", n_workers=k) for k in (1, 2, 3))
    assert [r.verdict for r in one][:5] == ["holds", "undecided", "not checked", "undecided", "fails"]
    assert repr(summary(one)) == repr(summary(two)) == repr(summary(three))
    assert (one.result("breaks").n, one.result("breaks").failures[0].seed) == (6, 6)


def test_seeds_are_run_in_processes_of_their_own_from_the_same_state(write):
    write(
        """
        count = 0

        @claim(says="It counts.", kind="level", deterministic=True)
        def counts(seed):
            global count
            count += 1
            return Level(count)

        @claim(says="It is on its own.", kind="level")
        def pid(seed):
            return Level(os.getpid())
        """
    )
    report = check("claims.py", seeds=7)
    assert report.result("counts").value == 1
    assert report.result("pid").reason is not Reason.ALL_EQUAL


def test_global_generators_are_seeded_with_the_seed(write):
    write(
        """
        import numpy as np

        @claim(says="x", kind="level", min_seeds=11, budget=11)
        def drawn(seed):
            return Level(random.random() + np.random.rand())
        """
    )
    one, other = (check("claims.py").result("drawn") for _ in range(2))
    assert one.value == other.value
    assert one.standard_error > 0.05


def test_seeds_override_the_budget(write):
    write(UNEVEN)
    report = check("claims.py", only=["null"], seeds=29)
    assert report.result("null").n == 29


def test_a_budget_of_time_stops_what_is_not_decided(write):
    write(
        """
        def slow(seed):
            time.sleep(0.2)
            return Paired(random.gauss(0, 1), 0.0)

        first = claim(says="x", name="first")(slow)
        second = claim(says="x", name="second")(slow)
        """
    )
    report = check("claims.py", budget=1.5)
    first, second = report
    assert (first.verdict, second.verdict) == ("undecided", "not checked")
    assert 0 < first.n < 12
    assert first.why.startswith("no time was left")
    assert second.reason is Reason.OUT_OF_TIME
    assert not second.failed_seeds


def test_it_tells_where_it_stands(write):
    write(UNEVEN)
    seen = []
    check("claims.py", only=["null", "unseeded"], tell=seen.append)
    assert [p.n_seeds for p in seen if p.claim == "null"] == list(range(1, 18))
    assert seen[-1] == type(seen[-1])(2, 2, "unseeded", 11, 11)


def test_without_fork_there_is_a_sentence(write, monkeypatch):
    from neff.errors import NeffError

    write(UNEVEN)
    monkeypatch.delattr("os.fork")
    with pytest.raises(NeffError, match="use Linux or macOS"):
        check("claims.py")
