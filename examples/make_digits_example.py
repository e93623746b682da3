"""Make the bundled example: six digit readers, a cheap judge, few labels, and a truth that is known exactly.

Run it from anywhere: `python examples/make_digits_example.py` writes the files of `src/neff/example/data`
again. With the same versions of numpy and scikit-learn the files come out identical. It needs scikit-learn.

The story, in the words of an evaluation of language models:

- An *item* is a handwritten digit (a picture of 8 × 8 pixels from scikit-learn's bundled copy).
- A *model* is a classifier turned into a policy: it does not give its best guess, it draws an answer from
  p(answer | image), a softmax of log-probabilities divided by a temperature. The probability of every
  answer is therefore known exactly, and so is the accuracy that the drawn answers only estimate.
- A *draw* is one answer. The *label* says whether it is right (1 or 0).
- The *score* comes from a cheap judge that sees the picture in 4 × 4 pixels and learned what "right" looks
  like from the answers of one policy. It is nearly fair to policies like that one. But one policy sees as
  badly as the judge does, makes the mistakes that the judge makes, and is praised for them.
- Labels are dear: somebody looked at 125 of the 500 pictures, drawn at random. The labels of all rows are
  kept in another file, as the truth.
- One policy also wrote a log: its draws with their log-probabilities under every policy.

It prints (the last column is 1 / E[w²] of the weights from the logging policy to this one):

    policy       truth  judge's mean  off by  n_eff of the log
    logistic    0.8939        0.9046  +0.0106            1.000
    neighbours  0.8994        0.8939  -0.0055            0.433
    bayes       0.8830        0.8953  +0.0124            0.460
    network     0.8701        0.8813  +0.0113            0.699
    forest      0.7862        0.8386  +0.0525            0.188
    lowres      0.7522        0.8824  +0.1303            0.046
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

FOLDER = Path(__file__).resolve().parent.parent / "src" / "neff" / "example" / "data"
SEED = 2024
# Of the 1,797 pictures some are evaluated, some are learned from, and some make the judge.
N_ITEMS, N_TRAIN, N_JUDGE = 500, 500, 400
N_LABELLED = 125  # pictures that somebody looked at
N_FRESH, N_LOGGED = 2, 2  # draws per picture
LOGGER = "logistic"  # the policy that wrote the log, and whose answers the judge learned from
FLOOR = 1e-3  # no answer is impossible: every policy can be weighted against every other

# name -> (classifier, temperature, sees only 4 × 4 pixels)
POLICIES = {
    "logistic": (LogisticRegression(C=1.0, max_iter=2000), 0.7, False),
    "neighbours": (KNeighborsClassifier(5), 1.25, False),
    "bayes": (GaussianNB(var_smoothing=0.05), 1.3, False),
    "network": (MLPClassifier((16,), alpha=0.1, max_iter=2000, random_state=0), 1.2, False),
    "forest": (RandomForestClassifier(50, max_depth=5, random_state=0), 0.45, False),
    "lowres": (LogisticRegression(C=10.0, max_iter=2000), 0.9, True),
}


def shrink(pictures):
    """Average blocks of 2 × 2 pixels: (n, 64) -> (n, 16)."""
    return pictures.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)


def log_policy(classifier, temperature, low_resolution, pictures):
    """Return log p(answer | picture) of shape (n, 10): a softmax at a temperature."""
    logits = np.log(classifier.predict_proba(shrink(pictures) if low_resolution else pictures) + FLOOR)
    logits = logits / temperature
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def draw(log_probs, n_draws, rng):
    """Draw answers of shape (n, n_draws) from log-probabilities of shape (n, 10), by inverting the CDF."""
    cumulative = np.exp(log_probs).cumsum(axis=1)[:, None, :]
    return np.minimum((rng.random((len(log_probs), n_draws, 1)) > cumulative).sum(axis=2), 9)


def fit_judge(pictures, digits, log_probs, rng):
    """Learn to say "is this answer right?" from the answers of one policy.

    Return a function: pictures (n, 64) -> how right each of the ten answers looks, (n, 10).
    """
    half = len(pictures) // 2
    reader = LogisticRegression(C=10.0, max_iter=2000).fit(shrink(pictures[:half]), digits[:half])
    answers = draw(log_probs[half:], 4, rng)  # (n, 4)
    right = answers == digits[half:, None]
    belief = np.log(reader.predict_proba(shrink(pictures[half:])) + FLOOR)
    told = np.take_along_axis(belief, answers, axis=1)
    verdict = LogisticRegression(C=100.0).fit(told.reshape(-1, 1), right.ravel())

    def judge(pictures):
        belief = np.log(reader.predict_proba(shrink(pictures)) + FLOOR)
        return verdict.predict_proba(belief.reshape(-1, 1))[:, 1].reshape(belief.shape)

    return judge


def build():
    """Return (items, digits, log_probs by policy, judge scores (n, 10), labelled (n,) and the generator)."""
    rng = np.random.default_rng(SEED)
    pictures, digits = load_digits(return_X_y=True)
    pictures = pictures / 16
    order = rng.permutation(len(digits))
    items, train, judging = np.split(order, [N_ITEMS, N_ITEMS + N_TRAIN])
    items, judging = np.sort(items), judging[:N_JUDGE]

    log_probs = {}
    for name, (classifier, temperature, low) in POLICIES.items():
        seen = shrink(pictures[train]) if low else pictures[train]
        classifier.fit(seen, digits[train])
        log_probs[name] = log_policy(classifier, temperature, low, pictures[items])
    judging_log_probs = log_policy(*POLICIES[LOGGER], pictures[judging])
    judge = fit_judge(pictures[judging], digits[judging], judging_log_probs, rng)
    labelled = np.isin(np.arange(N_ITEMS), rng.choice(N_ITEMS, N_LABELLED, replace=False))
    return items, digits[items], log_probs, judge(pictures[items]), labelled, rng


def make(folder):
    """Write the four CSV files into the folder and return the rows of the summary."""
    items, digits, log_probs, scores, labelled, rng = build()
    names = [f"d{index:04d}" for index in items]
    fresh, logged, truth = [], [], []

    def rows_of(model, answers, first_draw):
        """Yield (place, draw, row of the data file, row of the truth file) for each answer of a policy."""
        right = np.exp(log_probs[model])[np.arange(N_ITEMS), digits]
        for i in range(N_ITEMS):
            for k, answer in enumerate(answers[i].tolist()):
                label = int(answer == digits[i])
                key = [names[i], model, first_draw + k]
                row = [*key, answer, f"{scores[i, answer]:.3f}", label if labelled[i] else ""]
                yield i, answer, row, [*key, label, f"{right[i]:.6f}"]

    for model in POLICIES:
        for _, _, row, true in rows_of(model, draw(log_probs[model], N_FRESH, rng), 0):
            fresh.append(row)
            truth.append(true)
    # The logged draws are numbered on from the fresh ones, so that both files can be read together.
    for i, answer, row, true in rows_of(LOGGER, draw(log_probs[LOGGER], N_LOGGED, rng), N_FRESH):
        logged.append([*row, *(f"{log_probs[model][i, answer]:.5f}" for model in POLICIES)])
        truth.append(true)

    summary = []
    for model in POLICIES:
        chance = np.exp(log_probs[model])
        accuracy = chance[np.arange(N_ITEMS), digits].mean()
        praise = (chance * scores).sum(axis=1).mean()
        n_eff_fraction = 1 / np.exp(2 * log_probs[model] - log_probs[LOGGER]).sum(axis=1).mean()
        summary.append((model, accuracy, praise, n_eff_fraction))

    key = ["item", "model", "draw"]
    probabilities = [f"log_prob_{model}" for model in POLICIES]
    values = [[model, f"{accuracy:.8f}"] for model, accuracy, *_ in summary]
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "fresh.csv", [*key, "answer", "score", "label"], fresh)
    write(folder / "logged.csv", [*key, "answer", "score", "label", *probabilities], logged)
    write(folder / "truth.csv", [*key, "label", "p_correct"], truth)
    write(folder / "truth_values.csv", ["model", "accuracy"], values)
    return summary


def write(path, header, rows):
    """Write a CSV file with line ends that do not depend on the system."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main():
    print("policy       truth  judge's mean  off by  n_eff of the log")
    for model, accuracy, praise, n_eff_fraction in make(FOLDER):
        off = praise - accuracy
        print(f"{model:10s}  {accuracy:.4f}        {praise:.4f}  {off:+.4f}            {n_eff_fraction:.3f}")


if __name__ == "__main__":
    main()
