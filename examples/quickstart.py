"""Which of six models is best, by how much, and how sure? On the bundled example, from its labelled answers.

Run it from anywhere: `python examples/quickstart.py`. It prints:

    score of each model, and how many items with one answer each would be as precise
      neighbours  0.912  [0.875, 0.949]  226
      logistic    0.904  [0.862, 0.946]  197
      bayes       0.876  [0.825, 0.927]  164
      network     0.852  [0.802, 0.902]  196
      forest      0.808  [0.753, 0.863]  203
      lowres      0.744  [0.682, 0.806]  194

    cannot be told from the best
      neighbours, logistic, bayes, network

    two pairs, on the items that both answered
      neighbours - lowres: +0.1680 ± 0.0354, 95% interval [+0.0978, +0.2382], 125 common items, neighbours better
      neighbours - logistic: +0.0080 ± 0.0212, 95% interval [-0.0340, +0.0500], 125 common items, not told apart

    answers to an item differ from draw to draw; how much of the squared error is that?
      57% for network

    to see a difference of 0.008 four times out of five: 6,918 labelled items
"""

import neff
from neff import example

# One row per answer: the columns say who answered what, and whether it was right (empty where nobody looked).
result = neff.evaluate(example.path("fresh"), item="item", model="model", draw="draw", score="label")

print("score of each model, and how many items with one answer each would be as precise")
for estimate in result.estimates:
    low, high = estimate.interval
    print(f"  {estimate.model:10}  {estimate.value:.3f}  [{low:.3f}, {high:.3f}]  {estimate.n_eff:.0f}")

print("\ncannot be told from the best")
print(" ", ", ".join(result.tied("all", "label")))

print("\ntwo pairs, on the items that both answered")
for a, b in (("neighbours", "lowres"), ("neighbours", "logistic")):
    print(" ", result.comparison(a, b))

print("\nanswers to an item differ from draw to draw; how much of the squared error is that?")
print(f"  {result.estimate('network').components['sampling_share']:.0%} for network")

# Labels are dear: how many more would tell the first two apart, if the difference is what it seems to be?
difference = result.comparison("neighbours", "logistic").difference
row = neff.plan(result, difference=difference, a="neighbours", b="logistic").rows[0]
print(f"\nto see a difference of {difference:.3f} four times out of five: {row.items_needed:,.0f} labelled items")
