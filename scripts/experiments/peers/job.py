"""What every peer of the fleets experiment shares: the job file, emulated devices, the result line.

A device is emulated as raysidue's own `emulate` engine does it: a batch sleeps for its overhead plus
its work over the device's speed, with the fleet's slow-downs and noise. Times are seconds after the
peer said that its devices are ready.
"""

import json
import random
import sys
import time
from dataclasses import dataclass, field


@dataclass
class Spec:
    """A device as the job file has it."""

    speed: float
    overhead: float
    noise: float
    joins: float
    changes: list[tuple[float, float]] = field(default_factory=list)
    """(seconds, speed from then on), ascending."""
    dies: float | None = None


@dataclass
class Job:
    batches: list[float]
    """Seconds each batch takes at speed 1, overhead aside; longest sequences first."""
    items: list[float]
    """Seconds of each sequence at speed 1, in order of the input."""
    specs: list[Spec]


def read_job(path: str) -> Job:
    with open(path, encoding="utf-8") as file:
        raw = json.load(file)
    specs = [Spec(**each) for each in raw["devices"]]
    return Job(raw["batches"], raw["items"], specs)


class Device:
    """One emulated device. `started_at` is the wall clock's time when the peer was ready."""

    def __init__(self, spec: Spec, number: int) -> None:
        self.spec = spec
        self.random = random.Random(number)

    def run(self, work: float, started_at: float) -> None:
        now = time.time()
        time.sleep(max(0.0, self.seconds(work, now - started_at) - (time.time() - now)))

    def seconds(self, work: float, since: float) -> float:
        """How long `work` takes from `since` on, across changes of speed."""
        spec = self.spec
        noise = max(0.1, 1 + spec.noise * self.random.gauss())
        # Overhead is no work: it takes as long at any speed. A slow-down stretches both, as ours does.
        left = (spec.overhead + work / spec.speed) * noise
        at, factor = since, 1.0
        for moment, speed in [*spec.changes, (float("inf"), 0.0)]:
            if moment > at:
                step = (moment - at) / factor
                if step >= left:
                    break
                left -= step
                at = moment
            factor = spec.speed / speed if speed else factor
        return at + left * factor - since


def result(
    seconds: float, done: float, ran: float, ready: dict[int, float], note: str = ""
) -> None:
    """Prints what the driver program reads: work in seconds at speed 1."""
    print(json.dumps({"seconds": seconds, "done": done, "ran": ran, "ready": ready, "note": note}))
    sys.stdout.flush()
