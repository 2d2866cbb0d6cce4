"""Conserved residues that the numbering of a variable domain must not contradict.

Owns: four small corrections of an alignment by profile. Each says which residues of the domain are
known from germlines, when an alignment may overlook them, and what is done about it; whatever does
not look exactly like that is left alone. Positions are IMGT's (Lefranc et al., 2003,
doi:10.1016/S0145-305X(02)00039-3). Invariant: residues are neither added nor dropped, except that
a fourth framework which the alignment cut short is completed, and positions keep ascending.
"""

from __future__ import annotations

import re

from domain_row import Domain, Position

LIGHT = "KL"
FIRST_CDR3, LAST_CDR3 = 105, 117
# Joining segments of light chains are one residue shorter.
LAST_LIGHT, LAST = 127, 128
# Without insertions CDR3 has 13 positions; up to this many letters follow 111 and 112 each.
CDR3_POSITIONS = LAST_CDR3 - FIRST_CDR3 + 1
INSERTIONS_MAX = 26
J_MOTIF = re.compile("[FW]G.G")


def anchor(domain: Domain, sequence: str) -> None:
    """Corrects `domain` where it overlooks a conserved residue."""
    if domain.chain in LIGHT:
        _first_framework(domain, sequence)
        _third_framework(domain)
    _joining_segment(domain, sequence)


def _first_framework(domain: Domain, sequence: str) -> None:
    """Light chains have T5 and then Q6.

    Where a residue of the first framework is missing and the domain does not begin at 1, leaving
    one position more off the beginning is cheaper for an aligner than opening a gap, and T comes to
    stand at 6. It belongs to 5, a Q behind it to 6, and the gap behind them.
    """
    positions = domain.positions
    first = positions[0][0]
    head = [(position, 0) for position in range(first, 8)]
    if first < 3 or first > 5 or positions[: len(head)] != head:
        return
    residues = sequence[domain.start :]
    at_five, at_six, at_seven = (residues[position - first] for position in (5, 6, 7))
    if at_six != "T" or at_five == "T":
        return
    shifted = len(head) if at_seven == "Q" else len(head) - 1
    for i in range(shifted):
        positions[i] = (positions[i][0] - 1, 0)


def _third_framework(domain: Domain) -> None:
    """Strands C'' and D of light chains are joined at 81 to 83, which are filled from the left.

    A residue at 83 behind three gaps continues strand C'' and stands at 80.
    """
    positions = domain.positions
    if (83, 0) not in positions:
        return
    at = positions.index((83, 0))
    if at > 0 and positions[at - 1] == (79, 0):
        positions[at] = (80, 0)


def _joining_segment(domain: Domain, sequence: str) -> None:
    """F or W at 118 and the G behind it end every CDR3.

    An aligner misses them where CDR3 is so short that a stretch of gaps is dearer than wrong
    residues, or where the fourth framework has lost its third residue (`FGGT` for `FGxGT`).
    """
    positions = domain.positions
    at = {position: i for i, position in enumerate(positions)}
    cysteine = at.get((104, 0))
    residues = sequence[domain.start :]
    if cysteine is None or residues[cysteine] != "C":
        return
    end = at.get((118, 0))
    if end is not None and residues[end] in "FW":
        return
    follows = at.get((119, 0))
    if follows is not None and re.match("[FW]GGT", residues[follows:]):
        _set_loop(domain, cysteine, follows)
        positions[follows : follows + 2] = [(118, 0), (119, 0)]
        return
    found = list(J_MOTIF.finditer(residues, cysteine + 1, len(positions)))
    if len(found) == 1 and _set_loop(domain, cysteine, found[0].start()):
        framework = found[0].start()
        last = LAST_LIGHT if domain.chain in LIGHT else LAST
        count = min(len(residues) - framework, last - LAST_CDR3)
        del positions[framework:]
        positions.extend((118 + i, 0) for i in range(count))


def _set_loop(domain: Domain, cysteine: int, end: int) -> bool:
    """Numbers CDR3, the residues between C104 and residue `end`, from both of its ends."""
    count = end - cysteine - 1
    if count > CDR3_POSITIONS + 2 * INSERTIONS_MAX:
        return False
    domain.positions[cysteine + 1 : end] = loop_positions(count)
    return True


def loop_positions(count: int) -> list[Position]:
    """IMGT's positions of a CDR3 of `count` residues: gaps and insertions in the middle."""
    inserted = max(0, count - CDR3_POSITIONS)
    inside = count - inserted
    left = (inside + 1) // 2
    after = [(111, i) for i in range(1, inserted // 2 + 1)]
    before = [(112, i) for i in range((inserted + 1) // 2, 0, -1)]
    return [
        *((FIRST_CDR3 + i, 0) for i in range(left)),
        *after,
        *before,
        *((LAST_CDR3 + 1 - (inside - left) + i, 0) for i in range(inside - left)),
    ]
