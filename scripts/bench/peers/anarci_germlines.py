"""ANARCI's own species and genes, asked of all species.

Reads lines `id<TAB>sequence` from the file named first, writes for each its first domain's species by
profile, and species, gene and identity of its nearest V germline, as JSON to the one named second.
"""

import json
import sys
from pathlib import Path

from anarci import anarci


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    lines = source.read_text().splitlines()
    chains = [(name, sequence) for name, sequence in (line.split("\t") for line in lines)]
    _, details, _ = anarci(chains, scheme="imgt", assign_germline=True, allowed_species=None)
    found = {}
    for (name, _), domains in zip(chains, details, strict=True):
        if domains is None:
            continue
        (species, gene), identity = domains[0]["germlines"]["v_gene"]
        profile = domains[0]["species"]
        found[name] = {"profile": profile, "species": species, "gene": gene, "identity": identity}
    target.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
