"""AntiBERTy as its authors ship it: AntiBERTyRunner.embed on chunks of 16 sequences in file order."""

import argparse

import numpy as np
import torch
from antiberty import AntiBERTyRunner
from serve import serve


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--chunk", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    runner = AntiBERTyRunner()

    def embed(sequences: list[str]) -> tuple[np.ndarray, int]:
        rows: list[np.ndarray] = []
        padded = 0
        for start in range(0, len(sequences), options.chunk):
            chunk = sequences[start : start + options.chunk]
            padded += len(chunk) * (max(map(len, chunk)) + 2)
            # The states of [CLS] and [SEP] come along; the mean is over residues.
            rows.extend(states[1:-1].mean(dim=0).numpy() for states in runner.embed(chunk))
        return np.stack(rows), padded

    serve(embed)


main()
