"""The reader keeps the contract of neff's readers, on a file with every trap of the format."""

from pathlib import Path

from neff_scores import READER

from neff.testing import check_reader


def test_contract(tmp_path: Path) -> None:
    path = tmp_path / "mine.scores"
    path.write_text("#scores my-model\nq1 1\nq2 0.25\nq3 -\nq4 1e-3\n", encoding="utf-8")
    check_reader(READER, path, expected=4, raise_on_failure=True)
