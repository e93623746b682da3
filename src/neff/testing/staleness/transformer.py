"""The policy of TF: one pre-norm layer of attention, as pure functions of a vector of parameters per run.

With one layer, keys, queries and values depend on token and position only: they are a table of 32 x 9 rows, made once
per step, from which batches are gathered. Prompts are keys and values, nothing else is computed on them, and once per
group. Matrix products have a run axis, and give the same bits whichever runs share it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import layer_norm

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["N_PARAMETERS", "initial", "log_probs", "sample"]

WIDTH, HEADS, HIDDEN, VOCABULARY, PROMPT, ANSWER = 32, 4, 128, 8, 16, 16
BOS = VOCABULARY
"""The token between prompt and answer."""
N_TOKENS = VOCABULARY + 1
HEAD = WIDTH // HEADS

SHAPES = {
    "token": (N_TOKENS, WIDTH),
    "position": (PROMPT + ANSWER, WIDTH),
    "norm1": (2, WIDTH),
    "qkv": (WIDTH, 3 * WIDTH),
    "qkv_bias": (3 * WIDTH,),
    "out": (WIDTH, WIDTH),
    "out_bias": (WIDTH,),
    "norm2": (2, WIDTH),
    "up": (WIDTH, HIDDEN),
    "up_bias": (HIDDEN,),
    "down": (HIDDEN, WIDTH),
    "down_bias": (WIDTH,),
    "norm3": (2, WIDTH),
    "unembed": (WIDTH, VOCABULARY),
    "unembed_bias": (VOCABULARY,),
}
SIZES = [math.prod(shape) for shape in SHAPES.values()]
N_PARAMETERS = sum(SIZES)


def initial(generator: torch.Generator) -> Tensor:
    """Return random parameters (P,), as `torch.nn.Embedding`, `Linear` and `LayerNorm` begin.

    Embeddings are N(0, 1); matrices and biases uniform within one over the square root of the inputs.
    """
    parts = []
    for name, shape in SHAPES.items():
        if name.startswith("norm"):
            part = torch.stack([torch.ones(WIDTH), torch.zeros(WIDTH)])
        elif name in ("token", "position"):
            part = torch.randn(shape, generator=generator)
        else:
            inputs = HIDDEN if name.startswith("down") else WIDTH
            part = (2 * torch.rand(shape, generator=generator) - 1) / math.sqrt(inputs)
        parts.append(part.flatten())
    return torch.cat(parts)


def log_probs(theta: Tensor, prompts: Tensor, answers: Tensor) -> Tensor:
    """Return the log-probabilities of the whole vocabulary at every place of the answers.

    Parameters
    ----------
    theta
        Parameters, shape (R, P).
    prompts
        Digits, shape (R, G, 16).
    answers
        Digits, shape (R, G, n, 16).

    Returns
    -------
    Tensor
        Shape (R, G, n, 16, 8).
    """
    p = _named(theta)
    R, G, n, T = answers.shape
    x, qkv = _tables(p)
    given = torch.cat([answers.new_full((R, G, n, 1), BOS), answers[..., :-1]], -1)
    row = (given + _first_row(PROMPT, PROMPT + T)).flatten(1)
    own = _rows(qkv, row).view(R, G, n, T, 3, HEADS, HEAD).permute(4, 0, 1, 5, 2, 3, 6)  # (3, R, G, H, n, T, D)
    q, k, v = (part.reshape(R * G * HEADS * n, T, HEAD) for part in own.unbind(0))
    prompt_k, prompt_v = _prompt_keys(qkv, prompts)
    to_prompt = torch.bmm(q.view(R * G * HEADS, n * T, HEAD), prompt_k.transpose(1, 2)).view(-1, T, PROMPT)
    to_own = torch.bmm(q, k.transpose(1, 2)) + torch.full((T, T), -math.inf).triu(1)
    weights = (torch.cat([to_prompt, to_own], -1) * (1 / math.sqrt(HEAD))).softmax(-1)
    seen = torch.bmm(weights[..., :PROMPT].reshape(R * G * HEADS, n * T, PROMPT), prompt_v)
    seen = seen + torch.bmm(weights[..., PROMPT:], v).view(R * G * HEADS, n * T, HEAD)
    mixed = seen.view(R, G, HEADS, n * T, HEAD).transpose(2, 3).reshape(R, G * n * T, WIDTH)
    return _head(p, _rows(x, row), mixed).view(R, G, n, T, VOCABULARY)


def sample(theta: Tensor, prompts: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Sample answers token by token, by inversion of the uniforms; without gradient.

    Parameters
    ----------
    theta, prompts
        As in `log_probs`.
    uniforms
        Shape (R, G, n, 16).

    Returns
    -------
    answers : Tensor
        Shape (R, G, n, 16).
    distributions : Tensor
        What `log_probs` would return for them, up to rounding.
    """
    with torch.no_grad():
        return _sample(_named(theta), prompts, uniforms)


def _sample(p: dict[str, Tensor], prompts: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    R, G, n, T = uniforms.shape
    x, qkv = _tables(p)
    prompt_k, prompt_v = _prompt_keys(qkv, prompts)
    prompt_k = prompt_k.transpose(1, 2).contiguous()
    keys, values = (x.new_empty(R * G * HEADS * n, T, HEAD) for _ in range(2))
    token = torch.full((R, G * n), BOS)
    tokens = []
    steps = []
    for t in range(T):
        row = token + (PROMPT + t) * N_TOKENS
        own = _rows(qkv, row).view(R, G, n, 3, HEADS, HEAD).permute(3, 0, 1, 4, 2, 5)  # (3, R, G, H, n, D)
        q, k, v = own.reshape(3, R * G * HEADS * n, HEAD).unbind(0)
        keys[:, t], values[:, t] = k, v
        to_prompt = torch.bmm(q.view(-1, n, HEAD), prompt_k).view(-1, PROMPT)
        to_own = (keys[:, : t + 1] * q.unsqueeze(1)).sum(-1)
        weights = torch.cat([to_prompt, to_own], -1).mul_(1 / math.sqrt(HEAD)).softmax(-1)
        seen = torch.bmm(weights[:, :PROMPT].reshape(-1, n, PROMPT), prompt_v).view(-1, HEAD)
        seen = seen + (weights[:, PROMPT:, None] * values[:, : t + 1]).sum(1)
        mixed = seen.view(R, G, HEADS, n, HEAD).transpose(2, 3).reshape(R, G * n, WIDTH)
        found = _head(p, _rows(x, row), mixed)
        below = found.exp().cumsum(-1)[..., :-1]
        token = (uniforms[..., t].reshape(R, G * n, 1) >= below).sum(-1)
        tokens.append(token)
        steps.append(found)
    answers = torch.stack(tokens, -1).view(R, G, n, T)
    return answers, torch.stack(steps, 2).view(R, G, n, T, VOCABULARY)


def _named(theta: Tensor) -> dict[str, Tensor]:
    parts = theta.split(SIZES, 1)
    return {name: part.view(-1, *shape) for (name, shape), part in zip(SHAPES.items(), parts, strict=True)}


def _norm(x: Tensor, gain_and_shift: Tensor) -> Tensor:
    return torch.addcmul(gain_and_shift[:, 1:], layer_norm(x, (WIDTH,)), gain_and_shift[:, :1])


def _tables(p: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return embeddings and their queries, keys and values for every position and token, (R, 32 · 9, ...)."""
    x = (p["position"][:, :, None] + p["token"][:, None]).flatten(1, 2)
    return x, torch.baddbmm(p["qkv_bias"][:, None], _norm(x, p["norm1"]), p["qkv"])


def _first_row(start: int, stop: int) -> Tensor:
    return torch.arange(start, stop) * N_TOKENS


def _rows(table: Tensor, row: Tensor) -> Tensor:
    return table.gather(1, row[..., None].expand(-1, -1, table.shape[-1]))


def _prompt_keys(qkv: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
    """Return keys and values of the prompts, (R · G · H, 16, 8) each."""
    R, G, length = prompts.shape
    found = _rows(qkv[..., WIDTH:], (prompts + _first_row(0, PROMPT)).flatten(1))
    split = found.view(R, G, length, 2, HEADS, HEAD).permute(3, 0, 1, 4, 2, 5)
    keys, values = (part.reshape(R * G * HEADS, length, HEAD) for part in split.unbind(0))
    return keys, values


def _head(p: dict[str, Tensor], x: Tensor, mixed: Tensor) -> Tensor:
    """Return log-probabilities from the residual stream x and the heads' outputs, (R, N, 32) each."""
    x = x + torch.baddbmm(p["out_bias"][:, None], mixed, p["out"])
    hidden = torch.baddbmm(p["up_bias"][:, None], _norm(x, p["norm2"]), p["up"]).relu()
    x = x + torch.baddbmm(p["down_bias"][:, None], hidden, p["down"])
    logits = torch.baddbmm(p["unembed_bias"][:, None], _norm(x, p["norm3"]), p["unembed"])
    return logits.log_softmax(-1)
