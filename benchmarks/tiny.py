"""A small transformer that other benchmarks train: two pre-norm layers, width 128, 0.4 million parameters."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

VOCABULARY, WIDTH, HEADS, LAYERS, LENGTH = 64, 128, 4, 2, 64


class Block(nn.Module):
    """Attention and a perceptron, each added to what came before."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Any, past: Any = None) -> tuple[Any, Any]:
        """Return the output, and keys and values with those of the past."""
        b, t, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=past is None)
        x = x + self.out(mixed.transpose(1, 2).reshape(b, t, WIDTH))
        return x + self.down(functional.gelu(self.up(self.norm2(x)))), (k, v)


class Tiny(nn.Module):
    """Tokens to logits, or to one value per position."""

    def __init__(self, outputs: int = VOCABULARY) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, outputs)

    def forward(self, tokens: Any) -> Any:
        """Return [B, T] as [B, T, outputs]."""
        return self.extend(tokens, [None] * LAYERS)[0]

    def extend(self, tokens: Any, past: list[Any]) -> tuple[Any, list[Any]]:
        """Go on with new tokens after those whose keys and values are given."""
        start = 0 if past[0] is None else past[0][0].shape[2]
        x = self.token(tokens) + self.position(torch.arange(start, start + tokens.shape[1]))
        kept = []
        for block, before in zip(self.blocks, past, strict=True):
            x, after = block(x, before)
            kept.append(after)
        return self.head(self.norm(x)), kept


def log_probs(logits: Any, tokens: Any) -> Any:
    """Log-probability of each token but the first, given those before."""
    return torch.log_softmax(logits[:, :-1], -1).gather(-1, tokens[:, 1:, None])[..., 0]


@torch.no_grad()
def generate(model: Any, prompts: Any, length: int, *, greedy: bool = False) -> Any:
    """Extend prompts to `length` tokens."""
    parts, new, past = [prompts], prompts, [None] * LAYERS
    for _ in range(length - prompts.shape[1]):
        logits, past = model.extend(new, past)
        last = logits[:, -1]
        new = last.argmax(-1, keepdim=True) if greedy else torch.multinomial(torch.softmax(last, -1), 1)
        parts.append(new)
    return torch.cat(parts, 1)


def state_bytes(trained: list[tuple[Any, Any]], frozen: list[Any]) -> int:
    """Bytes of parameters, gradients and optimizer state of (model, optimizer), and of parameters of frozen models."""
    total = sum(p.numel() * p.element_size() for model in frozen for p in model.parameters())
    for model, optimizer in trained:
        for p in model.parameters():
            held = [p, p.grad, *optimizer.state[p].values()]
            total += sum(
                t.numel() * t.element_size() for t in held if t is p or (isinstance(t, torch.Tensor) and t.numel() > 1)
            )
    return total
