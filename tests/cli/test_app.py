"""The overview, the version, and that nothing heavy is imported before a command runs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

import neff as package
from neff.cli.app import build, main
from neff.cli.verbs import EXAMPLES, EXIT_CODES, ROOMS, VERBS, Exit, overview

if TYPE_CHECKING:
    from collections.abc import Callable

HEAVY = ("numpy", "scipy", "narwhals", "msgspec", "rich", "cyclopts", "pandas", "polars", "pyarrow", "duckdb", "torch")


def imported_after(code: str) -> set[str]:
    """Return which heavy packages a fresh interpreter has imported after running the code."""
    script = f"{code}\nimport sys\nprint('|', *(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.partition("|")[2].split())


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_the_overview_names_every_verb_and_exit_code(neff: Callable[..., Any], words: tuple[str, ...]) -> None:
    outcome = neff(*words)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == overview() + "\n"
    for verb in VERBS:
        assert re.search(rf"^  {verb.name} +{re.escape(verb.help)}$", outcome.out, re.MULTILINE)
    for code, meaning in EXIT_CODES:
        assert re.search(rf"^  {code} +{re.escape(meaning)}$", outcome.out, re.MULTILINE)
    assert outcome.out.index("Examples:") < outcome.out.index("Verbs:") < outcome.out.index("Exit codes:")


def test_the_parser_has_the_verbs_of_the_overview_and_no_other() -> None:
    app = build()
    commands = [name for name in app if not name.startswith("-") and name not in ROOMS]
    commands += [f"{room} {name}" for room in ROOMS for name in app[room] if not name.startswith("-")]
    assert sorted(commands) == sorted(verb.name for verb in VERBS)
    assert {verb.words[0] for verb in VERBS if len(verb.words) > 1} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_names_its_verbs(neff: Callable[..., Any], room: str) -> None:
    outcome = neff(room, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert ROOMS[room] in outcome.out
    for verb in VERBS:
        assert verb.words[0] != room or verb.words[1] in outcome.out
    wrong = neff(room, "nonsense")
    assert (wrong.code, wrong.out) == (2, "")
    assert f"neff {room} must be one of " in wrong.err.lower()


def test_every_exit_code_is_explained() -> None:
    codes = {value for name, value in vars(Exit).items() if name.isupper()}
    assert codes == {code for code, _ in EXIT_CODES}


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_help_of_a_verb_has_examples_options_and_exit_codes(neff: Callable[..., Any], verb: Any) -> None:
    outcome = neff(*verb.words, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"Usage: neff {verb.name}")
    examples = outcome.out.index("For example:")
    assert examples < outcome.out.index("╭")
    assert f"\n  neff {verb.name}" in outcome.out[examples:]
    assert "Exit codes:\n  0    done" in outcome.out
    module, _, function = verb.target.partition(":")
    described = re.findall(r"^    (\w+)\n        \w", getattr(import_module(module), function).__doc__, re.MULTILINE)
    for name in described:
        assert f"--{name.replace('_', '-')}" in outcome.out or name.upper() in outcome.out


def test_examples_in_the_overview_parse() -> None:
    app = build()
    for command, _ in EXAMPLES:
        app.parse_args(_words(command), exit_on_error=False, print_error=False)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_examples_in_the_help_parse(verb: Any) -> None:
    app = build()
    module, _, function = verb.target.partition(":")
    text = getattr(import_module(module), function).__doc__
    commands = re.findall(r"^      (neff .*)$", text, re.MULTILINE)
    assert commands
    for command in commands:
        app.parse_args(_words(command), exit_on_error=False, print_error=False)


def _words(command: str) -> list[str]:
    import shlex

    return shlex.split(command.partition(" > ")[0])[1:]


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_version(neff: Callable[..., Any], word: str) -> None:
    outcome = neff(word)
    assert (outcome.code, outcome.out, outcome.err) == (0, f"neff {package.__version__}\n", "")


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"]])
def test_the_fast_path_imports_nothing_heavy(words: list[str]) -> None:
    assert imported_after(f"from neff.cli.app import main; main({words!r})") == set()


def test_import_neff_imports_nothing_heavy() -> None:
    assert imported_after("import neff") == set()


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_help_of_a_verb_imports_the_parser_only(verb: Any) -> None:
    assert imported_after(f"from neff.cli.app import main; main([*{verb.words!r}, '--help'])") == {"cyclopts", "rich"}


def test_without_the_parser_one_sentence_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['cyclopts'] = None\n"
        "from neff.cli.app import main\n"
        "assert main(['--version']) == 0 and main([]) == 0\n"
        "sys.exit(main(['evaluate', 'scores.csv']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "neff: The command line needs an optional package. Install it with: pip install 'neff[cli]'\n"
    )


def test_python_m_neff_is_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "neff", "compar"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("neff: VERB must be one of evaluate, compare, ")
    assert done.stderr.endswith("got 'compar'. Did you mean 'compare'?\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_verb_and_the_options(neff: Callable[..., Any], shell: str) -> None:
    outcome = neff("completion", shell)
    assert outcome.code == 0
    for word in [*(word for verb in VERBS for word in verb.words), "fail-if", "cluster"]:
        assert word in outcome.out


def test_main_does_not_change_the_list_it_is_given() -> None:
    argv = ["evaluate", "-", "--level", "95"]
    main(argv)
    assert argv == ["evaluate", "-", "--level", "95"]
