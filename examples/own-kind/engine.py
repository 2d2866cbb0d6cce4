"""An engine of one's own: net charge and hydrophobicity of protein sequences.

Raysidue knows nothing of this kind. It starts this program where a worker's configuration names
it, hands it sequences, and keeps and places what comes back.
"""

import json

from raysidue_engine import Failure, Opening, Refused, serve

VERSION = "1"

# pK of charged groups (Bjellqvist et al., 1993, doi:10.1002/elps.11501401163).
POSITIVE = {"start": 7.5, "K": 10.0, "R": 12.0, "H": 5.98}
NEGATIVE = {"end": 3.55, "D": 4.05, "E": 4.45, "C": 9.0, "Y": 10.0}

# Hydropathy (Kyte & Doolittle, 1982, doi:10.1016/0022-2836(82)90515-0).
LETTERS = "ACDEFGHIKLMNPQRSTVWY"
VALUES = (
    "1.8 2.5 -3.5 -3.5 2.8 -0.4 -3.2 4.5 -3.9 3.8 1.9 -3.5 -1.6 -3.5 -4.5 -0.8 -0.7 4.2 -0.9 -1.3"
)
HYDROPATHY = dict(zip(LETTERS, map(float, VALUES.split())))


class Charge:
    """Answers each sequence with a JSON object."""

    tokens_max = 100_000  # residues in one call

    def __init__(self, ph: float) -> None:
        self.description = f"net charge at pH {ph} and mean hydropathy"
        self.ph = ph

    def run(self, items: list[bytes]) -> list:
        return [self.row(item.decode("ascii")) for item in items]

    def row(self, sequence: str):
        known = [letter for letter in sequence if letter in HYDROPATHY]
        if not known:
            return Failure("no residue of the twenty")
        groups = ["start", *known, "end"]
        charge = 0.0
        for group in groups:
            if group in POSITIVE:
                charge += 1 / (1 + 10 ** (self.ph - POSITIVE[group]))
            elif group in NEGATIVE:
                charge -= 1 / (1 + 10 ** (NEGATIVE[group] - self.ph))
        hydropathy = sum(HYDROPATHY[letter] for letter in known) / len(known)
        return json.dumps({"charge": round(charge, 3), "hydropathy": round(hydropathy, 3)}).encode()


def open_engine(opening: Opening) -> Charge:
    if opening.fingerprint not in ("", VERSION):
        raise Refused(f"this engine is version {VERSION}, not {opening.fingerprint}")
    return Charge(float(opening.parameters.get("ph", 7.4)))


serve(open_engine)
