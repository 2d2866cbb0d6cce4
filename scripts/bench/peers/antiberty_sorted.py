"""AntiBERTy in PyTorch as one would write it for speed: sorted by length, batches of so many tokens."""

import argparse
import os

import antiberty
import numpy as np
import torch
from antiberty import AntiBERTy
from serve import serve

MODELS = os.path.join(os.path.dirname(antiberty.__file__), "trained_models")
CLS, SEP, PAD, UNK = 2, 3, 0, 1


def letters() -> dict[str, int]:
    with open(os.path.join(MODELS, "vocab.txt"), encoding="utf-8") as lines:
        tokens = [line.strip() for line in lines]
    return {token: number for number, token in enumerate(tokens) if len(token) == 1}


def batches(sequences: list[str], tokens_max: int) -> list[list[int]]:
    """Indexes into `sequences`, longest first, padded to at most `tokens_max` tokens a batch."""
    order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i]))
    found: list[list[int]] = []
    width = 0
    for i in order:
        if not found or (len(found[-1]) + 1) * width > tokens_max:
            found.append([])
            width = len(sequences[i]) + 2
        found[-1].append(i)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--tokens", type=int, default=2048)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    # Without the heads for species, chain and masked letters: nobody needs them for embeddings.
    model = AntiBERTy.from_pretrained(os.path.join(MODELS, "AntiBERTy_md_smooth")).eval().bert
    number = letters()

    def embed(sequences: list[str]) -> tuple[np.ndarray, int]:
        rows = np.empty((len(sequences), model.config.hidden_size), dtype=np.float32)
        padded = 0
        for indexes in batches(sequences, options.tokens):
            width = len(sequences[indexes[0]]) + 2
            padded += width * len(indexes)
            ids = torch.full((len(indexes), width), PAD)
            for row, i in enumerate(indexes):
                tokens = [number.get(letter, UNK) for letter in sequences[i]]
                ids[row, : len(tokens) + 2] = torch.tensor([CLS, *tokens, SEP])
            with torch.inference_mode():
                states = model(input_ids=ids, attention_mask=(ids != PAD).long())[0]
            for row, i in enumerate(indexes):
                rows[i] = states[row, 1 : 1 + len(sequences[i])].mean(dim=0).numpy()
        return rows, padded

    serve(embed)


main()
