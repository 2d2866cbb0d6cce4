"""hmmscan for ANARCI, in this process.

ANARCI (Dunbar and Deane, Bioinformatics 32 (2016)) writes its sequences to a file, starts the
program hmmscan of HMMER 3, and reads the text that it prints. Here PyHMMER, which is HMMER as a
library, aligns them, and ANARCI gets what it would have read. Owns: that form.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from pyhmmer import easel, plan7

# Not `import anarci.anarci`: the package has a function of the module's name.
ORIGINAL = import_module("anarci.anarci")
ALPHABET = easel.Alphabet.amino()


@dataclass
class Hsp:
    """An alignment of a part of a sequence with a profile, as Biopython names its parts."""

    hit_id: str
    bitscore: float
    evalue: float
    bias: float
    query_start: int
    query_end: int
    hit_start: int
    hit_end: int
    aln_annotation: dict[str, str]
    hit_description: str
    order: int = 0


@dataclass
class Query:
    """A sequence and what aligned with it, the best profile first."""

    hsps: list[Hsp]
    seq_len: int


@cache
def _profiles() -> plan7.OptimizedProfileBlock:
    path = Path(ORIGINAL.HMM_path) / "ALL.hmm"
    with plan7.HMMFile(path) as file:
        return plan7.OptimizedProfileBlock(ALPHABET, file.optimized_profiles())


def run_hmmer(
    sequence_list: list[tuple[str, str]],
    hmm_database: str = "ALL",
    hmmerpath: str = "",
    ncpu: int | None = None,
    bit_score_threshold: float = 80,
    hmmer_species: list[str] | None = None,
) -> list[Any]:
    """Stands for ANARCI's function of this name; the middle three say how to start the program."""
    del hmm_database, hmmerpath, ncpu
    pipeline = plan7.Pipeline(ALPHABET)
    results = []
    for _, residues in sequence_list:
        sequence = easel.TextSequence(name="query", sequence=residues).digitize(ALPHABET)
        query = Query(_aligned(pipeline.scan_seq(sequence, _profiles())), len(residues))
        pipeline.clear()
        results.append(
            ORIGINAL._parse_hmmer_query(
                query, bit_score_threshold=bit_score_threshold, hmmer_species=hmmer_species
            )
        )
    return results


def _aligned(hits: plan7.TopHits) -> list[Hsp]:
    return [
        _hsp(hit.name, domain)
        for hit in hits
        if hit.reported
        for domain in hit.domains
        if domain.reported
    ]


def _hsp(name: str, domain: plan7.Domain) -> Hsp:
    """Rounded as the program prints them: ANARCI takes the first of equal E-values."""
    alignment = domain.alignment
    probabilities = alignment.posterior_probabilities
    return Hsp(
        hit_id=name,
        bitscore=round(domain.score, 1),
        evalue=float(f"{domain.i_evalue:.2g}"),
        bias=round(domain.bias, 1),
        query_start=alignment.target_from - 1,
        query_end=alignment.target_to,
        hit_start=alignment.hmm_from - 1,
        hit_end=alignment.hmm_to,
        aln_annotation={
            "RF": "".join("." if state == "." else "x" for state in alignment.hmm_sequence),
            "PP": probabilities,
        },
        hit_description=str(_certainty(probabilities)),
    )


def _certainty(probabilities: str) -> float:
    """Mean posterior probability of the aligned residues; HMMER prints tenths, * from 0.95 on."""
    aligned = [1.0 if each == "*" else int(each) / 10 for each in probabilities if each != "."]
    return sum(aligned) / len(aligned)


ORIGINAL.run_hmmer = run_hmmer
