"""Answers requests to embed sequences, one line of JSON each.

A request has `sequences` and `vectors`, the path where their vectors go as raw float32 rows in the
order asked. The clock covers what a user of the model would wait for, not reading and writing here.
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np

# Takes sequences; returns their vectors [n, dim] in order, and the tokens it computed.
Embed = Callable[[list[str]], tuple[np.ndarray, int]]


def serve(embed: Embed) -> None:
    # Libraries print to standard output; only answers may.
    answers, sys.stdout = sys.stdout, sys.stderr
    # The first call allocates and compiles kernels; it should count for nobody.
    embed(["EVQLVESGGGLVQPGGSLRLSCAAS", "DIQMTQSPSS"])
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        started = time.perf_counter()
        vectors, padded_tokens = embed(request["sequences"])
        seconds = time.perf_counter() - started
        np.ascontiguousarray(vectors, dtype=np.float32).tofile(request["vectors"])
        answer = {"seconds": seconds, "padded_tokens": padded_tokens}
        print(json.dumps(answer), file=answers, flush=True)
