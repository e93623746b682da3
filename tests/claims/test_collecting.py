"""Which claims are found, where, under what name; what is skipped and why."""

from __future__ import annotations

import pytest

from neff.claims import check
from neff.claims.collecting import collect, targets
from neff.claims.pool import Pool
from neff.errors import ArgumentError, RecordsError
from neff.reasons import Reason

ONE = """
@claim(says="Two is more than one.", deterministic=True)
def more(seed):
    return Paired(2, 1)
"""


def found(*paths, size=2):
    with Pool(size) as pool:
        return collect(paths, pool)


def ids(*paths):
    return [case.id for case in found(*paths).cases]


def test_a_folder_is_searched_for_files_that_are_called_like_claims(write):
    for name in ("claims.py", "claim_speed.py", "a/model_claims.py", "a/b/claims_of_ours.py"):
        write(ONE, name)
    for name in (
        "claimant.py",
        "disclaimer.py",
        "proclaims.py",
        ".hidden/claims.py",
        "__pycache__/claims.py",
        "claims.txt",
    ):
        write(ONE, name)
    assert sorted(ids(".")) == [
        "a/b/claims_of_ours.py::more",
        "a/model_claims.py::more",
        "claim_speed.py::more",
        "claims.py::more",
    ]
    assert ids("claims.py", ".", "a/../claims.py")[0] == "claims.py::more"
    assert len(ids("claims.py", ".", "a/../claims.py")) == 4


def test_a_file_may_have_any_name_and_its_neighbours_are_importable(write):
    write("EFFECT = 3\n", "model.py", head="")
    write(
        ONE
        + "\nimport model\n@claim(says='x', deterministic=True)\ndef third(seed):\n    return Paired(model.EFFECT, 0)",
        "my-file.py",
    )
    assert ids("my-file.py") == ["my-file.py::more", "my-file.py::third"]
    assert check("my-file.py").result("third").value == 3


def test_claims_come_in_the_order_of_the_file_with_their_cases_and_only_where_they_are_made(write):
    write(ONE, "base.py")
    write(
        """
        from base import more

        @claim(says="z", params=[{"k": 2}, {"k": 1}])
        def z(seed, k):
            return Paired(k + random.random(), random.random())

        @claim(says="a")
        def a(seed):
            return Paired(random.random(), random.random())
        """
    )
    assert ids("claims.py") == ["claims.py::z[k=2]", "claims.py::z[k=1]", "claims.py::a"]
    report = check("claims.py", only=["z["])
    assert [r.params for r in report] == [{"k": 2}, {"k": 1}]
    assert report.results[0].value > report.results[1].value + 0.5


def test_modules_and_packages_by_name(write):
    write("", "ours/__init__.py", head="")
    write("", "ours/inner/__init__.py", head="")
    write(ONE, "ours/inner/first.py")
    write(ONE, "ours/inner/second.py")
    assert ids("ours.inner.first") == ["ours.inner.first::more"]
    assert ids("ours.inner") == ["ours.inner.first::more", "ours.inner.second::more"]
    write("raise ImportError('no')", "ours/inner/third.py")
    assert [(u.path, u.reason) for u in found("ours.inner").unread] == [
        ("ours.inner.third", "ImportError: no (third.py, line 4)")
    ]


def test_a_name_that_is_shared_with_a_module_of_python(write):
    write(ONE, "json.py")
    assert ids("json.py") == ["json.py::more"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere.py", "nowhere.py: does not exist"),
        ("no/where", "no/where: does not exist"),
        ("empty", "empty: holds no file of claims. They are looked for in files called claims.py"),
        ("notes.txt", "notes.txt: is no Python file"),
    ],
)
def test_what_holds_no_claims_is_refused(write, tmp_path, path, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    write(ONE)
    with pytest.raises(RecordsError, match=message):
        targets([path])


def test_a_module_that_does_not_exist_is_unread(write):
    write(ONE)
    (unread,) = found("no_such_module.inner").unread
    assert unread.path == "no_such_module.inner"
    assert "No module named 'no_such_module'" in unread.reason


def test_a_missing_extra_skips_the_claim_and_only_it(write):
    write(
        """
        @claim(says="x", needs=["no_such_package", "json"])
        def needs_it(seed):
            raise AssertionError
        """
        + ONE.replace("\n", "\n        ")
    )
    report = check("claims.py")
    skipped = report.result("needs_it")
    assert (skipped.verdict, skipped.why, skipped.reason) == (
        "not checked",
        "needs no_such_package",
        Reason.MISSING_EXTRA,
    )
    assert not skipped.failed_seeds
    assert report.result("more").verdict == "holds"


def test_a_file_whose_import_needs_an_extra_is_skipped(write):
    write(
        """
        from neff.errors import MissingExtraError
        raise MissingExtraError("It", "train")
        """
    )
    report = check("claims.py")
    assert [(r.claim, r.why, r.reason) for r in report] == [("claims.py", "needs neff[train]", Reason.MISSING_EXTRA)]
    write("raise ModuleNotFoundError('no', name='ray.data')\n")
    assert [r.why for r in check("claims.py")] == ["needs neff[ray]"]


def test_only_and_quick_choose(write):
    write(ONE + "\n@claim(says='x', deterministic=True, quick=True)\ndef fast(seed):\n    return Paired(2, 1)\n")
    assert [r.name for r in check("claims.py", only=["mor"])] == ["more"]
    assert [r.name for r in check("claims.py", quick=True)] == ["fast"]
    assert [r.name for r in check("claims.py", only=["claims.py"])] == ["more", "fast"]
    with pytest.raises(
        ArgumentError, match=r"only must be a part of the name of a claim, got 'slow'\. There are: more"
    ):
        check("claims.py", only=["more", "slow"])
    write(ONE)
    assert check("claims.py", quick=True).notes == ("No claim is declared quick.",)


def test_a_file_without_claims_says_so(write):
    write("")
    report = check("claims.py")
    assert not report.results
    assert report.notes[0].startswith("There is no claim in what was given")


def test_a_change_of_what_is_watched_changes_the_fingerprint(write, tmp_path):
    write(ONE.replace("deterministic=True", "deterministic=True, watch=['data', 'model.json']"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("1")
    (tmp_path / "model.json").write_text("{}")
    prints = []
    for path, text in (("model.json", "{}"), ("model.json", "[]"), ("data/a.csv", "2"), ("data/b.csv", "1")):
        (tmp_path / path).write_text(text)
        prints.append(found("claims.py").cases[0].fingerprint)
    assert len(set(prints)) == 4
    (tmp_path / "model.json").unlink()
    (unread,) = found("claims.py").unread
    assert unread.path == "claims.py::more"
    assert unread.reason.startswith("watch: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 1}, "seeds must be a whole number of at least 2, got 1"),
        ({"seeds": 3.5}, "seeds must be a whole number"),
        ({"n_workers": 0}, "n_workers must be a whole number of at least 1, got 0"),
        ({"budget": 0}, "budget must be a positive number of seconds, got 0"),
        ({"budget": float("nan")}, "budget must be a positive number of seconds"),
        ({"baseline": True}, "journal must be a file where a baseline is asked for, got None"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        check("claims.py", **options)
