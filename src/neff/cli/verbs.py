"""The table of verbs and exit codes: the one place that `neff --help`, the parser and the tests read."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["EXAMPLES", "EXIT_CODES", "ROOMS", "VERBS", "Exit", "Verb", "exit_codes", "overview"]


class Verb(NamedTuple):
    """A verb: its name, what follows it, and one line of help. The verbs of a room have two words, `train cbs`."""

    name: str
    arguments: str
    help: str

    @property
    def target(self) -> str:
        """Where its function is, for the parser to import when it is called: `neff.cli.train.cbs:cbs`."""
        from keyword import iskeyword

        words = [word.replace("-", "_") + "_" * iskeyword(word) for word in self.words]
        return f"neff.cli.{'.'.join(words)}:{words[-1]}"

    @property
    def words(self) -> list[str]:
        """The words to type."""
        return self.name.split()


class Exit:
    """Exit codes of every verb."""

    DONE = 0
    GATE_FAILED = 1
    USAGE = 2
    UNREADABLE = 3
    INCONCLUSIVE = 4
    BUG = 70
    INTERRUPTED = 130


VERBS = (
    Verb("evaluate", "RECORDS...", "Which model is better, by how much, and how sure?"),
    Verb(
        "compare",
        "RUN_A RUN_B | RECORDS... --a MODEL --b MODEL",
        "Two runs or two models, paired by item.",
    ),
    Verb("audit", "PROBE...", "Is the calibrated judge right about a new model, month or domain?"),
    Verb("plan", "[RECORDS...]", "How many items, labels or probe answers does it take?"),
    Verb("check", "[PATH...]", "Does a stated improvement hold? Claims, seed by seed, until decided."),
    Verb("papers", "", "The papers behind neff, and what their claims came to at our scale."),
    Verb("benchmark fit", "RECORDS... -o bank.json", "Which items carry information, which are broken? Item response."),
    Verb("benchmark next", "BANK.json [ANSWERS...]", "Which items to run next on a model, and when to stop."),
    Verb("benchmark replay", "RECORDS...", "How many items would have been enough, had they been chosen well?"),
    Verb("benchmark rank", "BATTLES...", "Rank models from pairwise verdicts, with the position effect taken out."),
    Verb("benchmark noise", "TABLE...", "Signal, noise and decision accuracy of benchmarks, from training curves."),
    Verb("benchmark paraphrase", "RECORDS...", "Do scores, rankings and answers hold when items are reworded?"),
    Verb("benchmark ks", "TABLE...", "Do draws follow a target distribution? KS@N with exact p-values."),
    Verb("benchmark letters", "PREDICTIONS", "How far multiple-choice letters lean to a place."),
    Verb("benchmark discriminate", "REAL MADE", "Can rows that a model made be told from real ones?"),
    Verb("benchmark factors", "TABLE...", "Which factor of a grid matters, and do factors interact?"),
    Verb("benchmark curve", "TABLE...", "How many training examples does a score take? A learning curve."),
    Verb("benchmark label", "TABLE...", "Labels that models propose and people reject: what stands, what is wrong."),
    Verb("sampling pass", "RECORDS...", "What k answers give: pass@k, pass^k, majority and best of k."),
    Verb("sampling verifier", "RECORDS...", "What resampling until a verifier accepts buys, and when to stop."),
    Verb("sampling forecast", "RECORDS...", "Forecast pass@k far beyond the recorded answers."),
    Verb("sampling law", "RECORDS...", "Pass rates of larger models from those of small ones."),
    Verb("sampling abstain", "TABLE", "Answer only where it is right? Ways to abstain, also under a shift."),
    Verb("sampling stop", "RECORDS...", "When to stop drawing: what rules cost and get wrong."),
    Verb("sampling select", "RECORDS...", "Which answer to return: votes, and confidence."),
    Verb("train cbs", "LOGS...", "How large may the batch be? Critical batch size from logs of runs."),
    Verb("train bench", "", "Which losses bear stale rollouts? Small policies on data k steps old."),
    Verb("train energy", "LOGS...", "Which setting needs less energy, and is the difference real?"),
    Verb("doctor", "PATH...", "What a file is, what can be computed, what was not read."),
    Verb(
        "report",
        "RESULT.json",
        "Show a saved result again: table, HTML, Markdown, CSV, JUnit.",
    ),
    Verb("convert", "RECORDS... -o FILE", "Logs of any tool as one table: Parquet, CSV, JSON Lines."),
    Verb("demo", "", "Evaluate the bundled example records, without a network."),
    Verb(
        "completion",
        "bash|zsh|fish",
        "Print the completion script of bash, zsh or fish.",
    ),
)

ROOMS: dict[str, str] = {
    "benchmark": "Which items are worth running, and can this benchmark tell models apart?",
    "train": "How far a batch may move the model: batch size, stale rollouts, energy.",
    "sampling": "How many answers to draw, which one to return, when to abstain.",
}
"""What the first word of a two-word verb stands for."""

EXAMPLES = (
    ("neff evaluate runs/", "every model in a folder of logs"),
    ("neff evaluate scores.csv -o report.html", "one table of scores, and a report to send"),
    ("neff compare run_a.jsonl run_b.jsonl", "two runs, paired by item"),
    ('neff compare a.csv b.csv --fail-if "upper(diff) < 0"', "fail a build when A is surely worse than B"),
    ("neff plan scores.csv --difference 0.02", "items needed to see two points"),
    ("neff plan pilot.csv --budget 1000 --label-price 16", "how many answers to judge, how many to label"),
    ("neff check claims.py", "does our new training recipe really beat the old one?"),
    ("neff doctor runs/", "what is in there, and what can be computed"),
    ("neff convert runs/ -o draws.parquet", "everybody's logs as one table"),
)

EXIT_CODES = (
    (Exit.DONE, "done"),
    (Exit.GATE_FAILED, "a --fail-if gate failed, or a claim of `neff check`"),
    (Exit.USAGE, "usage: an option is wrong, or the output cannot be written"),
    (Exit.UNREADABLE, "the input cannot be read"),
    (Exit.INCONCLUSIVE, "inconclusive, under --strict"),
    (Exit.BUG, "a bug in neff"),
    (Exit.INTERRUPTED, "interrupted"),
)


def exit_codes() -> str:
    """Return the exit codes as indented lines."""
    return "\n".join(["Exit codes:", *(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES)])


def overview() -> str:
    """Return what `neff` and `neff --help` print.

    Examples
    --------
    >>> print(overview().splitlines()[0])
    neff: what is a sample worth, and what should I do about it?
    """
    width = max(len(command) for command, _ in EXAMPLES)
    name_width = max(len(verb.name) for verb in VERBS)
    return "\n".join(
        [
            "neff: what is a sample worth, and what should I do about it?",
            "",
            "Examples:",
            *(f"  {command:<{width}}   {meaning}" for command, meaning in EXAMPLES),
            "",
            "Verbs:",
            *(f"  {verb.name:<{name_width}}   {verb.help}" for verb in VERBS),
            "",
            exit_codes(),
            "",
            "`neff VERB --help` shows the options of a verb, `neff --version` the version.",
            "The result goes to stdout, notes and warnings to stderr. Nothing is sent anywhere.",
        ]
    )
