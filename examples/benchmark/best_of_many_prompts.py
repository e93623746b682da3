"""Twelve prompts for four models: does a prompt help, does it help every model, and how good is the best one really?

    python examples/benchmark/best_of_many_prompts.py

The answers are simulated: the prompts have no main effect, each model likes some better than others, and the same 300
questions are asked of all. The best of 48 cells is chosen on half of the questions and reported on the other half.

It prints:

    model         share 0.781 [0.705, 0.864], adjusted p 0.006
    prompt        share -0.010 [0.000, 0.016], adjusted p 0.936
    model:prompt  share 0.229 [0.147, 0.307], adjusted p 0.006
    order of prompts turns round between models: 60% of pairs
    best of 48: model 3, prompt 11
    where it was chosen 0.700, held out 0.627 [0.547, 0.700]
"""

import numpy as np

from neff.benchmark.factorial import choose_on_dev, factorial, split_items

N_MODELS, N_PROMPTS, N_QUESTIONS = 4, 12, 300


def main() -> None:
    """Simulate the grid, decompose it, and choose a configuration by validation first."""
    rng = np.random.default_rng(0)
    taste = 0.3 * rng.normal(size=(N_MODELS, N_PROMPTS))
    taste -= taste.mean(axis=0)  # no prompt is better on average
    skill = np.linspace(-0.5, 0.5, N_MODELS)[:, None] + taste
    odds = skill[:, :, None] + rng.normal(size=N_QUESTIONS)
    score = (rng.random(odds.shape) < 1 / (1 + np.exp(-odds))).astype(float)

    model, prompt, question = np.indices(score.shape).reshape(3, -1)
    found = factorial(
        score.ravel(), {"model": model, "prompt": prompt}, item=question, unit="model", n_resamples=500, rng=1
    )
    for term in found.terms:
        low, high = term.interval
        print(f"{term.name:13} share {term.omega2:.3f} [{low:.3f}, {high:.3f}], adjusted p {term.p_adjusted:.3f}")
    print(f"order of prompts turns round between models: {found.reversals['prompt by model']:.0%} of pairs")

    tried = {f"model {m}, prompt {p}": score[m, p] for m in range(N_MODELS) for p in range(N_PROMPTS)}
    choice = choose_on_dev(tried, split_items(range(N_QUESTIONS), rng=2), rng=3)
    low, high = choice.test.interval
    print(f"best of {choice.n_tried}: {choice.chosen}")
    print(f"where it was chosen {choice.dev.value:.3f}, held out {choice.test.value:.3f} [{low:.3f}, {high:.3f}]")


if __name__ == "__main__":
    main()
