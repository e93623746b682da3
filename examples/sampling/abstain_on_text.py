"""Is a snippet of text positive, and when should a classifier not say? Trained on films, asked about other sources.

    python examples/sampling/embed_texts.py ...   makes the embeddings, see there
    python examples/sampling/abstain_on_text.py snippets.npz

2,400 snippets of film reviews are for training and calibration, 600 for the test; reviews of goods, tweets and
editorials are the shifted sets. The target is 90%. The control is the same network under the softmax loss. It takes
some minutes and needs torch. On one machine it printed (seeds are fixed, other processors round differently):

    smallest similarity of the region: 17.6; no complaint
    set         method                     share           right  accuracy  interval        verdict
    film        all                       100.0%      478 of 600     0.797  [0.762, 0.828]  fails
    film        softmax                    31.8%      179 of 191     0.937  [0.893, 0.967]  undecided
    film        temperature                28.8%      161 of 173     0.931  [0.882, 0.964]  undecided
    film        bounded threshold          40.7%      227 of 244     0.930  [0.891, 0.959]  undecided
    film        LAC                        72.0%      382 of 432     0.884  [0.850, 0.913]  undecided
    film        LAC by class               72.0%      380 of 432     0.880  [0.845, 0.909]  undecided
    film        APS                        59.3%      315 of 356     0.885  [0.847, 0.916]  undecided
    film        temperature and distance   27.7%      154 of 166     0.928  [0.877, 0.962]  undecided
    film        SDM                        37.8%      207 of 227     0.912  [0.867, 0.945]  undecided
    film        SDM region                 15.0%        81 of 90     0.900  [0.819, 0.953]  undecided
    film        SDM region, lower          14.2%        76 of 85     0.894  [0.808, 0.950]  undecided
    goods       all                       100.0%    781 of 1,000     0.781  [0.754, 0.806]  fails
    goods       softmax                    33.0%      304 of 330     0.921  [0.887, 0.948]  undecided
    goods       temperature                29.5%      277 of 295     0.939  [0.905, 0.963]  holds
    goods       bounded threshold          43.0%      389 of 430     0.905  [0.873, 0.931]  undecided
    goods       LAC                        74.4%      634 of 744     0.852  [0.825, 0.877]  fails
    goods       LAC by class               74.3%      635 of 743     0.855  [0.827, 0.879]  fails
    goods       APS                        60.2%      505 of 602     0.839  [0.807, 0.867]  fails
    goods       temperature and distance    9.3%        92 of 93     0.989  [0.942, 1.000]  holds
    goods       SDM                         3.4%        32 of 34     0.941  [0.803, 0.993]  undecided
    goods       SDM region                  1.3%        12 of 13     0.923  [0.640, 0.998]  undecided
    goods       SDM region, lower           0.9%          8 of 9     0.889  [0.518, 0.997]  undecided
    tweets      all                       100.0%    744 of 1,000     0.744  [0.716, 0.771]  fails
    tweets      softmax                    39.8%      355 of 398     0.892  [0.857, 0.921]  undecided
    tweets      temperature                36.5%      328 of 365     0.899  [0.863, 0.928]  undecided
    tweets      bounded threshold          49.1%      434 of 491     0.884  [0.852, 0.911]  undecided
    tweets      LAC                        76.0%      618 of 760     0.813  [0.784, 0.840]  fails
    tweets      LAC by class               75.9%      621 of 759     0.818  [0.789, 0.845]  fails
    tweets      APS                        63.0%      513 of 630     0.814  [0.782, 0.844]  fails
    tweets      temperature and distance    8.6%        83 of 86     0.965  [0.901, 0.993]  holds
    tweets      SDM                         3.4%        33 of 34     0.971  [0.847, 0.999]  undecided
    tweets      SDM region                  1.8%        18 of 18     1.000  [0.815, 1.000]  undecided
    tweets      SDM region, lower           1.5%        15 of 15     1.000  [0.782, 1.000]  undecided
    editorials  all                       100.0%    733 of 1,000     0.733  [0.704, 0.760]  fails
    editorials  softmax                    31.4%      278 of 314     0.885  [0.845, 0.918]  undecided
    editorials  temperature                28.3%      251 of 283     0.887  [0.844, 0.921]  undecided
    editorials  bounded threshold          40.2%      352 of 402     0.876  [0.839, 0.906]  undecided
    editorials  LAC                        69.5%      562 of 695     0.809  [0.777, 0.837]  fails
    editorials  LAC by class               68.9%      559 of 689     0.811  [0.780, 0.840]  fails
    editorials  APS                        59.0%      467 of 590     0.792  [0.756, 0.824]  fails
    editorials  temperature and distance    7.2%        66 of 72     0.917  [0.827, 0.969]  undecided
    editorials  SDM                         3.3%        32 of 33     0.970  [0.842, 0.999]  undecided
    editorials  SDM region                  1.8%        18 of 18     1.000  [0.815, 1.000]  undecided
    editorials  SDM region, lower           0.8%          8 of 8     1.000  [0.631, 1.000]  undecided

Intervals are exact, at 95%. SDM answers almost nothing that is not a film review, too little to be certified; the plain
probability answers twenty times more, at 88.5 to 92.1%; single conformal sets miss the target on every other source.
"""

import sys
import warnings

import numpy as np

from neff.sampling import SDMClassifier, abstention_table
from neff.sampling.sdm.adaptor import Settings, train_adaptor

TARGET, SEED, RESTARTS = 0.9, 0, 3
TRAINING = {"width": 128, "n_epochs": 40, "learning_rate": 5e-4}


def main(path):
    """Print the table."""
    data = np.load(path)
    x, label, split = data["embeddings"].astype(float), data["label"], data["source"].astype(object)
    films = np.flatnonzero(split == "film")
    split[films[:1200]], split[films[1200:2400]] = "train", "calibration"
    train, own = (np.flatnonzero(split == name) for name in ("train", "calibration"))

    settings = Settings.of(len(train), x.shape[1], plain=True, **TRAINING)
    generators = np.random.default_rng(SEED).spawn(RESTARTS)
    runs = [train_adaptor(x[train], label[train], x[own], label[own], 2, settings, rng=g) for g in generators]
    control = min(runs, key=lambda run: run.best).adaptor
    logits = control.logits(control.features(x))

    model = SDMClassifier(TARGET, n_restarts=RESTARTS, rng=SEED, **TRAINING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said below
        model.fit(x[train], label[train], x[own], label[own])
    table = abstention_table(logits, label, split, features=x, sdm=model, target=TARGET, rng=SEED)

    print(f"smallest similarity of the region: {model.region_.minimum:.1f}; {model.reason_ or 'no complaint'}")
    print(f"{'set':10}  {'method':24}  {'share':>6}  {'right':>14}  accuracy  interval        verdict")
    for row in table.rows:
        low, high = row.accuracy.interval
        counts = f"{row.accuracy.n_right:,} of {row.n_admitted:,}"
        value = f"{row.accuracy.value:8.3f}  [{low:.3f}, {high:.3f}]" if row.n_admitted else f"{'–':>8}  {'–':14}"
        print(f"{row.set:10}  {row.method:24}  {100 * row.coverage:5.1f}%  {counts:>14}  {value}  {row.verdict}")


if __name__ == "__main__":
    main(*sys.argv[1:])
