"""Twins of the losses in plain Python: lists of floats, one token after the other, straight from the formulas.

`frozen` holds the values under stop-gradient: differences with respect to `lp` at fixed `frozen` are the gradient.
"""

from __future__ import annotations

import math


def clip(x, low, high):
    return min(max(x, low), high)


def valid(mask):
    return [(i, t) for i, row in enumerate(mask) for t, m in enumerate(row) if m]


def aggregated(tokens, mask, how, norm_length=None):
    """Aggregate {(i, t): loss}."""
    rows = [[tokens[i, t] for t, m in enumerate(row) if m] for i, row in enumerate(mask)]
    full = [row for row in rows if row]
    if how in ("token-mean", "local-token-mean"):
        return sum(map(sum, full)) / sum(map(len, full))
    if how == "token-sum":
        return sum(map(sum, full))
    if how == "seq-mean-token-mean":
        return sum(sum(row) / len(row) for row in full) / len(full)
    found = sum(sum(row) for row in full) / len(full)
    return found / norm_length if how == "seq-mean-token-sum-norm" else found


def kish(logs):
    top = max(logs)
    first, second = sum(math.exp(x - top) for x in logs), sum(math.exp(2 * (x - top)) for x in logs)
    return first**2 / second / len(logs)


class Twin:
    """One batch as lists; `olp` is None where there is no proximal policy."""

    def __init__(self, lp, frozen, blp, a, mask, olp=None):
        self.lp, self.frozen, self.blp, self.a, self.mask, self.olp = lp, frozen, blp, a, mask, olp
        self.places = valid(mask)

    def proximal(self, i, t):
        return (self.blp if self.olp is None else self.olp)[i][t]

    def ratio(self, i, t):
        return math.exp(self.lp[i][t] - self.proximal(i, t))

    def tokens_of(self, i):
        return [t for j, t in self.places if j == i]

    def ppo(self, i, t, low=0.2, high=0.2, ratio=None):
        r, a = self.ratio(i, t) if ratio is None else ratio, self.a[i][t]
        return -min(r * a, clip(r, 1 - low, 1 + high) * a)

    def each(self, f):
        return {(i, t): f(i, t) for i, t in self.places}

    # one method per loss: the value at each token

    def reinforce(self):
        return self.each(lambda i, t: -self.a[i][t] * self.lp[i][t])

    def ppo_clip(self):
        return self.each(self.ppo)

    grpo = dr_grpo = ppo_clip

    def dual_clip(self, c=3.0):
        def one(i, t):
            a, loss = self.a[i][t], self.ppo(i, t)
            return min(loss, -c * a) if a < 0 else loss

        return self.each(one)

    def dapo(self):
        return self.each(lambda i, t: self.ppo(i, t, 0.2, 0.28))

    def cispo(self, band="absolute-upper"):
        low, high = (0.0, 5.0) if band == "absolute-upper" else (0.8, 1.2)

        def one(i, t):
            r = math.exp(self.frozen[i][t] - self.proximal(i, t))
            return -clip(r, low, high) * self.a[i][t] * self.lp[i][t]

        return self.each(one)

    def gspo(self, low=3e-4, high=4e-4):
        def one(i, t):
            ts = self.tokens_of(i)
            s = math.exp(sum(self.lp[i][u] - self.proximal(i, u) for u in ts) / len(ts))
            return self.ppo(i, t, low, high, s)

        return self.each(one)

    def rloo(self):
        def one(i, t):
            ts = self.tokens_of(i)
            r = math.exp(sum(self.lp[i][u] - self.proximal(i, u) for u in ts))
            return self.ppo(i, t, ratio=r) / len(ts)

        return self.each(one)

    def correction(self, i, t):
        """Log of the weight from the sampler, under stop-gradient."""
        return (self.frozen if self.olp is None else self.olp)[i][t] - self.blp[i][t]

    def under(self, weight):
        """-weight A lp without olp, weight * PPO with it."""

        def one(i, t):
            inner = -self.a[i][t] * self.lp[i][t] if self.olp is None else self.ppo(i, t)
            return weight(i, t) * inner

        return self.each(one)

    def decoupled_ppo(self, cap=math.inf, objective="clip"):
        def one(i, t):
            w = min(math.exp(self.correction(i, t)), cap)
            anchor = self.frozen if self.olp is None else self.olp
            if objective == "cispo":
                r = clip(math.exp(self.frozen[i][t] - anchor[i][t]), 0.8, 1.2)
                return -w * r * self.a[i][t] * self.lp[i][t]
            return w * self.ppo(i, t, ratio=math.exp(self.lp[i][t] - anchor[i][t]))

        return self.each(one)

    def tis(self, cap=2.0):
        return self.under(lambda i, t: min(math.exp(self.correction(i, t)), cap))

    def mis(self, low=0.5, high=5.0):
        def weight(i, t):
            w = math.exp(self.correction(i, t))
            return w if low <= w <= high else 0.0

        return self.under(weight)

    def whole(self, i):
        return math.exp(sum(self.correction(i, t) for t in self.tokens_of(i)))

    def sequence_is(self):
        return self.under(lambda i, _: self.whole(i))

    def sequence_tis(self, cap=2.0):
        return self.under(lambda i, _: min(self.whole(i), cap))

    def sequence_mis(self, low=0.0, high=3.0):
        return self.under(lambda i, _: self.whole(i) if low <= self.whole(i) <= high else 0.0)

    def vespo(self):
        def one(i, t):
            w = math.exp(sum(self.frozen[i][u] - self.blp[i][u] for u in self.tokens_of(i)))
            k, lam = (2.0, 3.0) if self.a[i][t] >= 0 else (3.0, 2.0)
            return -(math.exp(lam) * w**k * math.exp(-lam * w)) * self.a[i][t] * self.lp[i][t]

        return self.each(one)

    def opsm(self, delta=0.5):
        def one(i, t):
            ts = self.tokens_of(i)
            far = sum(self.blp[i][u] - self.frozen[i][u] for u in ts) / len(ts) > delta
            return 0.0 if self.a[i][t] < 0 and far else self.ppo(i, t)

        return self.each(one)

    def ess_adaptive(self, kl="is"):
        e = kish([self.frozen[i][t] - self.blp[i][t] for i, t in self.places])

        def one(i, t):
            rho = math.exp(self.frozen[i][t] - self.blp[i][t])
            return -min(rho, e) * self.a[i][t] * self.lp[i][t] + (1 - e) * self.pull(kl, i, t, self.blp[i][t])

        return self.each(one)

    p3o = ess_adaptive

    def p4o(self, kl="is"):
        anchor = self.frozen if self.olp is None else self.olp
        e_b = kish([self.frozen[i][t] - self.blp[i][t] for i, t in self.places])
        e_p = kish([self.frozen[i][t] - anchor[i][t] for i, t in self.places])
        e = min(e_b, e_p)

        def one(i, t):
            rho = math.exp(self.frozen[i][t] - self.blp[i][t])
            mixed = (1 - e_b) * math.exp(self.blp[i][t]) + (1 - e_p) * math.exp(anchor[i][t])
            mixture = math.log(mixed / (2 - e_b - e_p))
            return -min(rho, e) * self.a[i][t] * self.lp[i][t] + (1 - e) * self.pull(kl, i, t, mixture)

        return self.each(one)

    def pull(self, kl, i, t, anchor):
        """The KL's estimate: its value where `lp` is `frozen`, and its slope."""
        if kl == "none":
            return 0.0
        log = self.lp[i][t] - anchor
        if kl == "k3_behaviour":
            return log + math.exp(clip(-log, -10, 10)) - 1
        rho, fixed = math.exp(self.frozen[i][t] - self.blp[i][t]), self.frozen[i][t] - anchor
        return rho * fixed + rho * fixed * (self.lp[i][t] - self.frozen[i][t])


def slope(f, lp, i, t, h=1e-6):
    """Central difference of f with respect to lp[i][t]."""
    ends = []
    for step in (h, -h):
        moved = [list(row) for row in lp]
        moved[i][t] += step
        ends.append(f(moved))
    return (ends[0] - ends[1]) / (2 * h)
