"""The example of claims is checked from any folder, and the page shows the files as they are."""

from __future__ import annotations

from pathlib import Path

from neff.claims import check

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/claims"


def test_the_example_says_what_the_page_says(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    report = check(EXAMPLE / "claims.py", n_workers=2)
    assert {r.name: r.verdict for r in report} == {
        "curved[labels=50]": "holds",
        "curved[labels=200]": "holds",
        "by_model": "fails",
        "more_labels": "holds",
    }
    assert not list(tmp_path.iterdir())
    assert [r.name for r in check(EXAMPLE, quick=True)] == ["curved[labels=50]", "curved[labels=200]"]


def test_the_page_shows_the_files():
    page = (ROOT / "docs/guide/claims.md").read_text()
    for name in ("claims.py", "github-action.yml"):
        assert (EXAMPLE / name).read_text() in page
