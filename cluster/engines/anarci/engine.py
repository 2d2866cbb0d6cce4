"""The anarci engine: IMGT numbering as ANARCI has it, of antibody and T-cell receptor domains.

DeepRank-Ab labels residues by ANARCI, so poses are scored with this numbering; the annotate engine
is fifty times faster, and differs where a structure lacks residues. Owns: calling ANARCI.
Invariant: equal items give equal rows. Deliberately not here: the alignment (hmmscan.py), rows
(domain_row.py) and the protocol (raysidue_engine.py).
"""

from __future__ import annotations

import contextlib
import io
from importlib.metadata import version

from anarci.schemes import alphabet
from domain_row import Domain, Position, pack
from hmmscan import ORIGINAL
from raysidue_engine import Opening, Refused, serve

VERSIONS = {"anarci": "2026.2.13.2", "pyhmmer": "0.12.3"}
# Must be what src/kind/annotate.ts says.
FINGERPRINT = "+".join(f"{name}-{exact}" for name, exact in VERSIONS.items())
# Some 50 domains a second: micro-batches of a few seconds.
TOKENS_MAX = 20_000
# ANARCI knows the twenty; HMMER takes X for any of them.
UNKNOWN = bytes.maketrans(b"BJOUZ_", b"XXXXXX")
INSERTIONS = {letters: 1 + at for at, letters in enumerate(alphabet[:-1])} | {" ": 0}


class Numberer:
    """Numbers sequences for one set of chains."""

    tokens_max = TOKENS_MAX

    def __init__(self, chains: list[str]) -> None:
        self.description = f"{FINGERPRINT}, imgt, chains {''.join(chains)}"
        self._chains = set(chains)

    def run(self, items: list[bytes]) -> list[bytes]:
        """Rows of sequences."""
        return [self._row(item.translate(UNKNOWN).decode("ascii")) for item in items]

    def _row(self, sequence: str) -> bytes:
        try:
            # It prints what it limits and what fails.
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                numbered, details, _ = ORIGINAL.anarci(
                    [("query", sequence)], scheme="imgt", allow=self._chains
                )
        except (AssertionError, IndexError, KeyError) as failure:
            return pack([], f"ANARCI gives up: {failure or type(failure).__name__}")
        if numbered[0] is None:
            return pack([], "no domain of 80 bits")
        return pack(
            [
                Domain(
                    found["chain_type"],
                    start,
                    float(found["description"]),
                    [_position(label) for label, residue in labels if residue != "-"],
                )
                for (labels, start, _), found in zip(numbered[0], details[0], strict=True)
            ]
        )


def _position(label: tuple[int, str]) -> Position:
    position, insertion = label
    return position, INSERTIONS[insertion]


def _open(opening: Opening) -> Numberer:
    opening.expect("annotate", FINGERPRINT)
    for name, exact in VERSIONS.items():
        if version(name) != exact:
            raise Refused(f"{name} {version(name)} instead of {exact}; remove the environment")
    try:
        return Numberer(opening.parameters["chains"])
    except KeyError as failure:
        raise Refused(f"parameters of annotate: {failure}") from failure


if __name__ == "__main__":
    serve(_open)
