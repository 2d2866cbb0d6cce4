"""transformers' EsmModel in batches of 8 in file order: `--model FOLDER`."""

import argparse

import numpy as np
import torch
from serve import serve
from transformers import EsmModel

CLS, PAD, EOS, UNK = 0, 1, 2, 3
# One token a residue: the library's tokenizer would merge runs of unknown letters.
NUMBER = {letter: 4 + i for i, letter in enumerate("LAGVSERTIDPKQNFYMHWCXBUZO")}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = EsmModel.from_pretrained(options.model, add_pooling_layer=False).eval()

    def embed(sequences: list[str]) -> tuple[np.ndarray, int]:
        rows: list[np.ndarray] = []
        padded = 0
        for start in range(0, len(sequences), options.batch):
            batch = sequences[start : start + options.batch]
            width = max(map(len, batch)) + 2
            padded += width * len(batch)
            ids = torch.full((len(batch), width), PAD)
            for row, sequence in enumerate(batch):
                tokens = [CLS, *(NUMBER.get(letter, UNK) for letter in sequence), EOS]
                ids[row, : len(tokens)] = torch.tensor(tokens)
            with torch.inference_mode():
                states = model(input_ids=ids, attention_mask=(ids != PAD).long())[0]
            for row, sequence in enumerate(batch):
                rows.append(states[row, 1 : 1 + len(sequence)].mean(dim=0).numpy())
        return np.stack(rows), padded

    serve(embed)


main()
