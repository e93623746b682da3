"""Make the small files that README and docs evaluate: `python docs/data/make_data.py`.

The answers are simulated, so that no page depends on a model or a network. Only `random.random` is used: its
sequence for a seed does not change between versions of Python.
"""
# ruff: noqa: INP001, S311

from __future__ import annotations

import csv
import random
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
N_RESULTS, N_PASSAGES, N_NOTES, N_QUIZ, N_JUDGED, N_DRAWN, N_DRAWS = 120, 40, 60, 40, 150, 60, 12
MODELS = {"base": 0.56, "distilled": 0.66, "tuned": 0.74}
READERS = {"reader-a": 0.55, "reader-b": 0.63}
TASKS = ("factual", "inference")
JUDGED = {"base": (0.50, 0.0), "tuned": (0.58, 0.0), "verbose": (0.52, 0.2)}
"""True quality, and how much the judge likes the model beyond it."""
STUDENTS = {"student-1": 0.85, "student-2": 0.65}


def main(folder: Path = FOLDER) -> None:
    """Write every file."""
    for name, rows in tables().items():
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def tables() -> dict[str, list[tuple]]:
    """Return the rows of every file, the header first."""
    return {
        "results.csv": results(random.Random(1)),
        "reading.csv": reading(random.Random(2)),
        "before.csv": notes(random.Random(3), 0.62, first=0),
        "after.csv": notes(random.Random(3), 0.67, first=3),
        "quiz.csv": quiz(random.Random(4)),
        "judged.csv": judged(random.Random(7)),
        "draws.csv": draws(random.Random(8)),
        "branches.csv": branches(random.Random(9)),
        "energy.csv": energy(random.Random(10)),
        "matrix.csv": matrix(random.Random(12)),
    }


BRANCHES = {
    0: (2.350, 2.351, 2.371, 2.403, 2.472, 2.595),
    64_000: (2.148, 2.138, 2.134, 2.137, 2.159, 2.195),
    1_000_000: (1.848, 1.845, 1.840, 1.838, 1.834, 1.842),
}
"""Mean loss after a window, by examples seen before it and by batch, 32 to 1024."""


def branches(rng: random.Random) -> list[tuple]:
    """Branched training at three checkpoints, six batch sizes, four seeds; rounded like a measured one."""
    rows: list[tuple] = [("checkpoint", "batch_size", "seed", "loss")]
    for checkpoint, losses in BRANCHES.items():
        shared = [0.01 * (rng.random() - 0.5) for _ in range(4)]
        rows += [
            (checkpoint, 32 << k, seed, f"{loss + shared[seed] + 0.003 * (rng.random() - 0.5):.4f}")
            for k, loss in enumerate(losses)
            for seed in range(4)
        ]
    return rows


def energy(rng: random.Random) -> list[tuple]:
    """Three settings, once each in seven sessions of a machine that drifts."""
    rows: list[tuple] = [("session", "precision", "energy_j", "seconds", "examples")]
    for session in range(1, 8):
        drift = 1 + 0.06 * rng.random()
        for name, joules, seconds in (("fp32", 52_000, 310), ("amp", 47_500, 205), ("bf16", 47_200, 203)):
            spread = 1 + 0.03 * (rng.random() - 0.5)
            rows.append((session, name, round(joules * drift * spread), round(seconds * drift), 60_000))
    return rows


def matrix(rng: random.Random) -> list[tuple]:
    """Two dozen questions, one column for each of 61 models: right or not. The key of one question is wrong."""
    abilities = [2 * (sum(rng.random() for _ in range(6)) - 3) for _ in range(61)]
    rows: list[tuple] = [("item", "topic", *(f"m{k}" for k in range(1, 62)))]
    for i in range(1, 25):
        slope, difficulty = 0.6 + 1.4 * rng.random(), 4 * (rng.random() - 0.5)
        right = [int(rng.random() < 1 / (1 + 2.718281828 ** (slope * (difficulty - x)))) for x in abilities]
        rows.append((f"q{i:02d}", ("algebra", "geometry")[i % 2], *([1 - x for x in right] if i == 17 else right)))
    return rows


def results(rng: random.Random) -> list[tuple]:
    """Three models, one right-or-wrong answer each to 120 questions; two answers were never scored."""
    rows: list[tuple] = [("item", "model", "score")]
    for i in range(1, N_RESULTS + 1):
        ease = 0.9 * (rng.random() - 0.5)
        rows += [(f"q{i:03d}", model, int(rng.random() < share(mean + ease))) for model, mean in MODELS.items()]
    rows[100] = (*rows[100][:2], "")
    rows[200] = (*rows[200][:2], "")
    return rows


def reading(rng: random.Random) -> list[tuple]:
    """Two models, two tasks, three questions on each of 20 passages per task, two answers per question."""
    rows: list[tuple] = [("item", "task", "passage", "model", "draw", "score")]
    for passage in range(1, N_PASSAGES + 1):
        task = TASKS[passage % 2]
        passage_ease = 0.9 * (rng.random() - 0.5)
        for question in "abc":
            ease = passage_ease + 0.3 * (rng.random() - 0.5) - 0.1 * (task == "inference")
            for model, mean in READERS.items():
                for draw in (0, 1):
                    right = int(rng.random() < share(mean + ease))
                    rows.append((f"p{passage:02d}{question}", task, f"p{passage:02d}", model, draw, right))
    return rows


def notes(rng: random.Random, mean: float, *, first: int) -> list[tuple]:
    """One run of an assistant over 60 notes with a judge's score in [0, 1]; the second run starts three notes later."""
    rows: list[tuple] = [("item", "model", "score")]
    for i in range(N_NOTES + 3):
        ease = 0.6 * (rng.random() - 0.5)
        noise = 0.2 * (rng.random() - 0.5) if first == 0 else 0.2 * (1 - rng.random() - 0.5)
        if first <= i < first + N_NOTES:
            rows.append((f"note-{i + 1:02d}", "assistant", f"{share(mean + ease + noise):.2f}"))
    return rows


def quiz(rng: random.Random) -> list[tuple]:
    """One row per question: the right letter, and the letter that each of two models gave."""
    rows: list[tuple] = [("question", "gold", *STUDENTS)]
    for i in range(1, N_QUIZ + 1):
        gold = "ABCD"[int(4 * rng.random())]
        letters = []
        for mean in STUDENTS.values():
            wrong = [letter for letter in "ABCD" if letter != gold][int(3 * rng.random())]
            letters.append(gold if rng.random() < mean else wrong)
        rows.append((i, gold, *letters))
    return rows


def judged(rng: random.Random) -> list[tuple]:
    """Three models, a judge's score on all answers, a person's label on a random half; the judge flatters one."""
    rows: list[tuple] = [("item", "model", "score", "label")]
    for i in range(1, N_JUDGED + 1):
        ease = 0.6 * (rng.random() - 0.5)
        for model, (mean, liked) in JUDGED.items():
            label = share(mean + ease + 0.3 * (rng.random() - 0.5))
            score = share(0.3 + 0.6 * label + liked + 0.2 * (rng.random() - 0.5))
            known = f"{label:.2f}" if rng.random() < 0.5 else ""
            rows.append((f"q{i:03d}", model, f"{score:.2f}", known))
    return rows


def draws(rng: random.Random) -> list[tuple]:
    """Twelve answers of one model per problem: right or not, whether a weak test passes, and a judge's score."""
    rows: list[tuple] = [("item", "model", "draw", "score", "answer", "passes", "judge")]
    for i in range(1, N_DRAWN + 1):
        ease = rng.random() ** 2
        for draw in range(N_DRAWS):
            right = rng.random() < ease
            answer = 100 + i if right else 100 + i + 1 + int(3 * rng.random() ** 2)
            passes = right or rng.random() < 0.2
            judge = share((0.55 if right else 0.35) + 0.5 * (rng.random() - 0.5))
            rows.append((f"p{i:02d}", "tuned", draw, int(right), answer, int(passes), f"{judge:.2f}"))
    return rows


def share(value: float) -> float:
    """Return the value, cut to [0.02, 0.98]."""
    return min(0.98, max(0.02, value))


if __name__ == "__main__":
    main()
