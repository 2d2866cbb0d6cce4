"""Numbered variable domains, and the bytes of a row of the `annotate` kind.

Owns: the form that src/kind/annotate.ts reads. A row, little-endian: version u8 (1), domains u8,
note bytes u16, note; then of each domain chain u8 (a letter), insertion-coded u8 (0), residues u16,
first residue u32 (0-based), confidence f32, and one byte a residue of its position, one of its
insertion (0 none, 1 A, 2 B ...).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

# A position and its insertion: (111, 0) is 111, (111, 1) is 111A.
Position = tuple[int, int]

ROW_VERSION = 1
DOMAINS_MAX = 255
NOTE_BYTES_MAX = 1000


@dataclass
class Domain:
    """A numbered domain: residue `start + i` of the sequence stands at `positions[i]`."""

    chain: str
    start: int
    confidence: float
    positions: list[Position]


def pack(domains: list[Domain], note: str = "") -> bytes:
    """The row. Of very many domains the first are listed; without one, `note` says why."""
    if len(domains) > DOMAINS_MAX:
        note = f"{len(domains)} domains, of which the first {DOMAINS_MAX} are listed"
        domains = domains[:DOMAINS_MAX]
    elif domains:
        note = ""
    text = note.encode("utf-8")[:NOTE_BYTES_MAX]
    parts = [struct.pack("<BBH", ROW_VERSION, len(domains), len(text)), text]
    for domain in domains:
        count = len(domain.positions)
        head = (ord(domain.chain), 0, count, domain.start, domain.confidence)
        parts.append(struct.pack("<BBHIf", *head))
        parts.append(bytes(position for position, _ in domain.positions))
        parts.append(bytes(insertion for _, insertion in domain.positions))
    return b"".join(parts)
