"""ANARCI, as pipelines call it: one call with all sequences, IMGT scheme.

Reads lines `id<TAB>sequence` from the file named first, writes what it numbered as JSON to the one
named second, and prints seconds of wall clock and processor, imports not counted.
"""

import json
import resource
import sys
import time
from pathlib import Path

from anarci import anarci


def processor_seconds() -> float:
    """Of this process and the hmmscan that it ran."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def main() -> None:
    """Numbers the sequences once."""
    lines = Path(sys.argv[1]).read_text().splitlines()
    records = [tuple(line.split("\t")) for line in lines]
    before = processor_seconds()
    started = time.perf_counter()
    numbered, _, _ = anarci(records, scheme="imgt", output=False, allow={"H", "K", "L"})
    seconds = time.perf_counter() - started
    found = {}
    for (name, _), domains in zip(records, numbered, strict=True):
        if domains:
            first = domains[0][0]
            found[name] = {f"{at}{code.strip()}": aa for (at, code), aa in first if aa != "-"}
    Path(sys.argv[2]).write_text(json.dumps(found))
    print(json.dumps({"seconds": seconds, "cpuSeconds": processor_seconds() - before}))


main()
