"""DeepRank-Ab 1.0.2 itself, scoring an ensemble with one core: prints one line of JSON.

    deeprank_ab.py WHEEL_FOLDER ENSEMBLE.pdb HEAVY LIGHT ANTIGEN

Its own main() runs; only what the machine here cannot do is replaced: the language model's output is
zeros (its weights are not in the wheel), data are loaded in this process instead of by 96 others,
and there is one core, so that processor time is not lost in waiting. Imports are not timed.
"""

import json
import os
import resource
import sys
import time
import types


def main() -> None:
    wheel, ensemble, heavy, light, antigen = sys.argv[1:6]
    wheel = os.path.abspath(wheel)
    ensemble = os.path.abspath(ensemble)
    # Modules import one another as `tools.x` and as `src.tools.x`.
    sys.path[:0] = [wheel, os.path.join(wheel, "src")]
    os.environ["PATH"] += os.pathsep + os.path.join(wheel, "src", "tools", "ANARCI")
    esm = types.ModuleType("esm")
    esm.FastaBatchedDataset = None
    esm.pretrained = None
    sys.modules["esm"] = esm
    import torch

    torch.set_num_threads(1)
    from scripts import inference

    def no_embedding(fastas: list, folder) -> None:
        for fasta in fastas:
            for label, sequence in inference._read_fasta_sequences(fasta).items():
                scalars = {33: torch.zeros(len(sequence), 1)}
                torch.save({"representations": scalars}, folder / f"{label}.pt")

    inference.get_embeddings_dedup = no_embedding
    inference.NUM_WORKERS = 0
    inference.MAX_cores = 1
    chains = ["--heavy_chain_id", heavy, "--light_chain_id", light, "--antigen_chain_id", antigen]
    output = os.dup(1)
    os.dup2(2, 1)
    sys.argv = ["deeprank-ab-predict", ensemble, *chains]
    cpu_before = cpu_seconds()
    started = time.monotonic()
    inference.main()
    seconds = time.monotonic() - started
    cpu = cpu_seconds() - cpu_before
    scores = read_scores()
    text = json.dumps({"seconds": seconds, "cpuSeconds": cpu, "scores": scores})
    os.write(output, text.encode() + b"\n")


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in both)


def read_scores() -> dict:
    """Score by pose, from the table that it leaves in the working folder."""
    import csv
    import glob

    found = {}
    for path in glob.glob("*/*_predictions.csv"):
        with open(path, newline="") as table:
            for row in csv.DictReader(table):
                name = row.get("mol") or row.get("pdb_id")
                found[name] = float(row.get("dockq") or row.get("predicted_dockq"))
    return found


if __name__ == "__main__":
    main()
