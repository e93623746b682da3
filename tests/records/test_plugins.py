"""Readers from outside: found by entry point, asked after our own, and harmless where they are broken."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from neff import diagnose, evaluate, read
from neff.errors import RecordsError
from neff.records import Reader, detect, plugins, summarise
from neff.testing import check_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLE = Path(__file__).parents[2] / "examples" / "reader_plugin"
CONTENT = "#scores my-model\nq1 1\nq2 0.25\nq3 -\n"

Install = "Callable[..., None]"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install a distribution as pip would: its modules and its metadata in a folder of sys.path."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    before = set(sys.modules)

    def add(distribution: str, code: str | Path, **readers: str) -> None:
        module = next(iter(readers.values())).partition(":")[0]
        if isinstance(code, Path):
            shutil.copytree(code, site / module)
        else:
            (site / f"{module}.py").write_text(dedent(code), encoding="utf-8")
        info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        points = "".join(f"{name} = {target}\n" for name, target in readers.items())
        (info / "entry_points.txt").write_text(f"[{plugins.GROUP}]\n{points}")
        plugins._points.cache_clear()

    yield add
    plugins._points.cache_clear()
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(site) in str(sys.modules[name].__file__):
            del sys.modules[name]


@pytest.fixture
def example(install: Callable[..., None]) -> None:
    """The example package of the docs, installed."""
    install("neff-scores", EXAMPLE / "src" / "neff_scores", scores="neff_scores:READER")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "runs" / "mine.scores"
    file.parent.mkdir()
    file.write_text(CONTENT, encoding="utf-8")
    return file


@pytest.mark.usefixtures("example")
def test_the_example_package_reads_its_files(path: Path) -> None:
    assert detect.detect(path).name == "scores"
    records = read(path)
    assert (records.model.levels, records.sources[0].format, len(records)) == (("my-model",), "scores", 3)
    (path.parent / "table.csv").write_text("item,model,score\nq1,other,0\nq2,other,1\n")
    result = evaluate(path.parent)
    assert [estimate.model for estimate in result.estimates] == ["my-model", "other"]
    assert evaluate(path.parent, engine="stream").estimates == result.estimates
    assert summarise(path).n.tolist() == [1, 1, 0]
    found = diagnose(path)
    assert (found.files[0].format, found.files[0].n_unscored) == ("scores", 1)


@pytest.mark.usefixtures("example")
def test_the_example_package_keeps_the_contract(path: Path) -> None:
    import neff_scores  # type: ignore[import-not-found]

    report = check_reader(neff_scores.READER, path, expected=3)
    assert report.passed, report
    path.write_text("#scores m\nq1 1\nq2 high\n", encoding="utf-8")
    with pytest.raises(RecordsError, match=r"mine\.scores, line 3: this is not ITEM SCORE"):
        read(path)


def test_the_example_declares_the_entry_point_that_is_tested() -> None:
    import tomllib

    declared = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]["entry-points"]
    assert declared == {plugins.GROUP: {"scores": "neff_scores:READER"}}


def test_without_plug_ins_the_file_is_not_known(path: Path) -> None:
    with pytest.raises(RecordsError, match="the format is not known"):
        read(path)


def test_plug_ins_are_not_loaded_where_ours_read_the_file(
    install: Callable[..., None], tmp_path: Path, path: Path
) -> None:
    install("neff-loud", "raise SystemError('loaded')", loud="loud_module:READER")
    table = tmp_path / "table.csv"
    table.write_text("item,score\nq1,1\n")
    assert len(read(table)) == 1
    assert "loud_module" not in sys.modules
    with pytest.raises(RecordsError) as caught:
        read(path)
    assert caught.value.fix.endswith(
        "The reader plug-in 'loud' of neff-loud 1.0 is broken: it cannot be loaded (SystemError: loaded)."
    )


BROKEN = """
    from neff.records import Reader

    def sniff(path, head):
        raise KeyError("sniffed")

    def read(path, columns, keep):
        return 1 / 0

    RUDE = Reader("rude", mapped=False, sniff=sniff, read=read)
    FALSE = Reader("false", mapped=False, sniff=lambda path, head: head.startswith(b"#wrong"), read=read)
    NOTHING = object()
"""


@pytest.mark.usefixtures("example")
def test_broken_plug_ins_become_notes(install: Callable[..., None], path: Path) -> None:
    targets = {"a": "bad_module:RUDE", "b": "bad_module:NOTHING", "c": "bad_module:MISSING", "d": "bad_module:FALSE"}
    install("neff-bad", BROKEN, **targets)
    rude, nothing, missing = notes = read(path).sources[0].notes
    assert rude == "The reader plug-in 'a' of neff-bad 1.0 is broken: it raised KeyError at the sight of a file."
    assert nothing.endswith("bad_module:NOTHING is no neff.records.Reader but of type object.")
    assert missing.endswith("it cannot be loaded (AttributeError: module 'bad_module' has no attribute 'MISSING').")
    assert set(notes) <= set(evaluate(path).notes)
    path.write_text("#wrong")
    with pytest.raises(RecordsError, match=r"'d' of neff-bad 1\.0 failed \(ZeroDivisionError: division by zero\)"):
        read(path)


def test_a_plug_in_may_read_what_looks_like_a_table_but_is_none(install: Callable[..., None], tmp_path: Path) -> None:
    code = """
        from neff.records import Reader, Records, Source
        import json

        def read(path, columns, keep):
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            return Records.build(
                item=[row["case"] for row in rows], model=["m"] * len(rows), score=[row["won"] for row in rows],
                sources=(Source(str(path), "cases", len(rows)),),
            )

        READER = Reader("cases", mapped=False, sniff=lambda path, head: b'"case"' in head[:20], read=read)
    """
    install("neff-cases", code, cases="cases_module:READER")
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps({"case": f"c{j}", "won": j % 2}) + "\n" for j in range(5)))
    assert read(path).sources[0].format == "cases"
    assert diagnose(path).files[0].format == "cases"
    assert len(read(path, item="case", score="won")) == 5  # named columns make it a table, which is ours
    assert read(path, item="case", score="won").sources[0].format == "jsonl"
    other = tmp_path / "other.jsonl"
    other.write_text('{"something": 1}\n')
    with pytest.raises(RecordsError, match="no column looks like the item"):
        read(other)


def test_import_of_the_plug_in_machinery_is_lazy() -> None:
    """Reading a file that is ours must not look for entry points, which scans every installed package."""
    code = "import sys, neff.records.plugins as p; p._points = None; import neff; neff.read(sys.argv[1])"
    table = Path(__file__).parents[2] / "docs" / "data" / "results.csv"
    subprocess.run([sys.executable, "-c", code, str(table)], check=True)


def test_a_reader_is_what_a_plug_in_offers() -> None:
    assert plugins.GROUP == "neff.readers"
    assert Reader.__module__ == "neff.records.reader"
