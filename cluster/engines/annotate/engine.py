"""The annotate engine: IMGT numbering of antibody and T-cell receptor domains.

Owns: calling immunum (https://github.com/ENPICOM/immunum, MIT). Invariant: equal items give equal
rows. Deliberately not here: regions and tables, which follow from positions, rows (domain_row.py)
and the protocol (raysidue_engine.py).
"""

from __future__ import annotations

import re

import immunum
from anchors import anchor
from domain_row import Domain, Position, pack
from finder import DomainFinder
from raysidue_engine import Opening, Refused, serve

# Of immunum and of the corrections in anchors.py; must be what src/kind/annotate.ts says.
FINGERPRINT = "immunum-2.0.0+anchors-1"
# 2,000 domains a second: a tenth of a second a micro-batch.
TOKENS_MAX = 20_000
LABEL = re.compile("([0-9]+)([A-Z]?)")
# One letter each way for what is no residue of the twenty: immunum knows X.
UNKNOWN = bytes.maketrans(b"BJOUZ_", b"XXXXXX")
# What immunum aligns. Longer ones are numbered in pieces that share more than a domain's length.
PIECE_RESIDUES, SHARED_RESIDUES = 10_000, 400


class Annotator:
    """Numbers sequences for one set of chains."""

    tokens_max = TOKENS_MAX

    def __init__(self, chains: list[str], scheme: str, confidence: float) -> None:
        self.description = f"immunum {immunum.__version__}, {scheme}, chains {''.join(chains)}"
        self._finder = DomainFinder(chains, scheme, confidence)

    def run(self, items: list[bytes]) -> list[bytes]:
        """Rows of sequences."""
        return [self._row(item.translate(UNKNOWN).decode("ascii")) for item in items]

    def _row(self, sequence: str) -> bytes:
        domains: list[Domain] = []
        note = ""
        for offset in _pieces(len(sequence)):
            for found in self._finder.find(sequence[offset : offset + PIECE_RESIDUES]):
                # Of a fragment that aligns with nothing but gaps, immunum gives an empty numbering.
                if not found["numbering"]:
                    note = found["error"] or "no residue of a domain"
                    continue
                start = offset + found["query_start"]
                if domains and start < domains[-1].start + len(domains[-1].positions):
                    continue  # Seen in the piece before.
                positions = [_POSITIONS[label] for label in found["numbering"]]
                domain = Domain(found["chain"], start, found["confidence"], positions)
                anchor(domain, sequence)
                domains.append(domain)
        return pack(domains, note)


def _pieces(length: int) -> range:
    step = PIECE_RESIDUES - SHARED_RESIDUES
    return range(0, max(1, length - SHARED_RESIDUES), step)


class _Positions(dict[str, Position]):
    """Positions by label, each label read once."""

    def __missing__(self, label: str) -> Position:
        match = LABEL.fullmatch(label)
        if match is None:
            raise ValueError(f"position {label}: more insertions than there are letters")
        self[label] = int(match[1]), ord(match[2]) - ord("A") + 1 if match[2] else 0
        return self[label]


_POSITIONS = _Positions()


def _open(opening: Opening) -> Annotator:
    opening.expect("annotate", FINGERPRINT)
    if immunum.__version__ != "2.0.0":
        raise Refused(f"immunum {immunum.__version__} instead of 2.0.0; remove the environment")
    parameters = opening.parameters
    try:
        chains, scheme = parameters["chains"], parameters["scheme"]
        return Annotator(chains, scheme, parameters["minConfidence"])
    except (KeyError, immunum.Error) as failure:
        raise Refused(f"parameters of annotate: {failure}") from failure


if __name__ == "__main__":
    serve(_open)
