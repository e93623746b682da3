"""A judge, a few labels, and logs: every way to estimate the same six models, held against the known truth.

Run it from anywhere: `python examples/judges_and_logs.py`. It prints:

    answers of its own for every model, labels on a quarter  (*: the interval leaves the truth out)
                         logistic  neighbours       bayes     network      forest      lowres      RMSE
      truth                 0.894       0.899       0.883       0.870       0.786       0.752     0.000
      judge                 0.910*      0.895       0.902*      0.877       0.840*      0.884*    0.059
      labels                0.904       0.912       0.876       0.852       0.808       0.744     0.014
      plug-in               0.875       0.863*      0.870       0.839       0.802       0.841*    0.043
      augmented             0.913       0.920       0.886       0.858       0.800       0.760     0.014
      ppi++                 0.901       0.912       0.878       0.853       0.794       0.761     0.010
      bootstrap             0.913       0.920       0.886       0.858       0.800       0.760     0.014

    answers of logistic alone, weighted by how much likelier the others would give them
      snips                 0.901       0.908       0.883       0.879       0.819       0.880*    0.054
      augmented-snips       0.901       0.902       0.858       0.884       0.690       0.685     0.049
      dr                    0.909       0.896       0.879       0.873       0.712       0.686     0.041
      bayes: warn: tail index 1.97 of the weights
      forest: warn: 240.0 of 1,000 logged answers survive the weights
      forest: warn: tail index 1.16 of the weights
      lowres: warn: 213.6 of 1,000 logged answers survive the weights
      lowres: warn: tail index 1.23 of the weights

    may the others' calibration be used for lowres and forest, within 0.05?
      lowres: fails, mean residual -0.110, interval -0.159 to -0.061
      forest: undecided, mean residual -0.030, interval -0.071 to +0.011

    how many answers to judge and to label, for six models?
      4,185 prompts and 979 labels each show a difference of 0.03 four times out of five

    per model and digit: root mean squared error of the rates
      raw    0.068 over 60 cells
      shrunk 0.053 over 60 cells
      shrunk by shrunk to prediction; recommended: shrunk to mean of the others
"""

import numpy as np

import neff
from neff import example
from neff.evaluate import compare_estimators, pilot_variance

fresh, logged, truth = example.load("fresh"), example.load("logged"), example.truth()
MODELS = list(truth)


def show(name, found):
    """Print estimates with a star where the interval leaves the truth out, and the root mean squared error."""
    shown = [f"{found[m][0]:.3f}{' ' if found[m][1] <= truth[m] <= found[m][2] else '*'}" for m in MODELS if m in found]
    error = np.sqrt(np.mean([(found[m][0] - truth[m]) ** 2 for m in found]))
    print(f"  {name:16}", *(f"{text:>11}" for text in shown), f"{error:8.3f}")


def of(result):
    """Return value and interval by model."""
    return {e.model: (e.value, *e.interval) for e in result.estimates}


print("answers of its own for every model, labels on a quarter  (*: the interval leaves the truth out)")
print(f"  {'':16}", *(f"{m:>10} " for m in MODELS), "    RMSE")
show("truth", {m: (truth[m], truth[m], truth[m]) for m in MODELS})
table = compare_estimators(fresh)  # the judge, the labels, and three ways to use both
names = [column.name for column in table.columns]
rows = [dict(zip(names, row, strict=True)) for row in table.rows]
for name in dict.fromkeys(row["estimator"] for row in rows):
    show(name, {row["model"]: (row["value"], *row["interval"]) for row in rows if row["estimator"] == name})
show("bootstrap", of(neff.evaluate(fresh, inference="bootstrap", n_resamples=2000, rng=1, pairs=False)))

print("\nanswers of logistic alone, weighted by how much likelier the others would give them")
logs = {"log_prob": "log_prob_logistic", "target_log_prob": [f"log_prob_{m}" for m in MODELS if m != "logistic"]}
for name in ("snips", "augmented-snips"):
    show(name, of(neff.evaluate(logged, estimator=name, pairs=False, **logs)))
both = neff.Records.concat([fresh, logged])  # doubly robust: logged answers, and fresh ones to start from
weighted = neff.evaluate(both, estimator="dr", pairs=False, **logs)
show("dr", of(weighted))
for gate in weighted.gates:
    if gate.state != "good" and gate.policy != "logistic":  # the others rest on weights
        print(f"  {gate}")

print("\nmay the others' calibration be used for lowres and forest, within 0.05?")
audit = neff.audit(fresh, calibrate_on=[m for m in MODELS if m not in ("lowres", "forest")], margin=0.05)
for model in ("lowres", "forest"):
    found, (low, high) = audit.row(model), audit.row(model).interval
    print(f"  {model}: {found.verdict}, mean residual {found.residual:+.3f}, interval {low:+.3f} to {high:+.3f}")

print("\nhow many answers to judge and to label, for six models?")
plan = neff.plan_budget(pilot_variance(fresh), detectable=0.03, price_label=16, n_policies=6)
print(
    f"  {plan.n_prompts:,} prompts and {plan.n_labels:,} labels each show a difference of 0.03 four times out of five"
)

# About a dozen labeled images per digit: the task of an image is the digit that most of its answers name.
print("\nper model and digit: root mean squared error of the rates")
answers = np.zeros((fresh.item.n_levels, 10), int)
np.add.at(answers, (fresh.item.codes, fresh.extra["answer"].astype(int)), 1)
digit_of = dict(zip(fresh.item.levels, answers.argmax(axis=1).astype(str), strict=True))
digit = np.array([digit_of[item] for item in fresh.item.names()])
known = ~np.isnan(fresh.label)
columns = {"item": fresh.item.names(), "model": fresh.model.names(), "task": digit, "score": fresh.label}
scores = neff.subtask_scores({name: np.asarray(values)[known] for name, values in columns.items()})
exact, right = example.load("truth"), {}
for item, model, chance in zip(exact.item.names(), exact.model.names(), exact.extra["p_correct"], strict=True):
    right.setdefault((model, digit_of[item]), []).append(chance)
for rule in ("raw", "shrunk"):
    errors = [getattr(cell, rule) - np.mean(right[cell.model, cell.task]) for cell in scores.cells]
    print(f"  {rule:6} {np.sqrt(np.mean(np.square(errors))):.3f} over {len(errors)} cells")
print(f"  shrunk by {scores.fits[0].shrunk_by}; recommended: {scores.fits[0].best}")
