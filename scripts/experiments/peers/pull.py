"""Two peers on plain processes and pipes: `pull.py static|fifo JOB`.

static: what the old pipeline does. Sequences are split once, longest first, each to the part with
the least so far; every device works off its part. A device that dies takes its part with it.
fifo: one queue of batches; a device takes the next when it is free. A dead device's batch is queued
again.
"""

import multiprocessing as mp
import os
import signal
import sys
import threading
import time
from collections import deque
from multiprocessing.connection import Connection, wait

from job import Device, Job, Spec, read_job, result

# A part is worked off in batches of so much work, as the other peers' are.
BATCH_SECONDS = 0.75


def serve(pipe: Connection, spec: Spec, number: int) -> None:
    device = Device(spec, number)
    pipe.send("ready")
    while (order := pipe.recv()) is not None:
        device.run(*order)
        pipe.send("done")


class Slot:
    """A device's process, and what it has been given."""

    def __init__(self, spec: Spec, number: int) -> None:
        self.spec = spec
        self.number = number
        self.pipe, theirs = mp.Pipe()
        self.process = mp.Process(target=serve, args=(theirs, spec, number), daemon=True)
        self.process.start()
        theirs.close()


def static_parts(job: Job, count: int) -> list[deque[float]]:
    """Batches of each part."""
    parts: list[list[float]] = [[] for _ in range(count)]
    sums = [0.0] * count
    for work in sorted(job.items, reverse=True):
        least = sums.index(min(sums))
        parts[least].append(work)
        sums[least] += work
    batches = []
    for part in parts:
        cut: list[list[float]] = []
        for work in part:
            if not cut or sum(cut[-1]) + work > BATCH_SECONDS:
                cut.append([])
            cut[-1].append(work)
        batches.append(deque(sum(each) for each in cut))
    return batches


def main(policy: str, path: str) -> None:
    job = read_job(path)
    present = [i for i, spec in enumerate(job.specs) if spec.joins == 0]
    slots = [Slot(job.specs[i], i) for i in present]
    for slot in slots:
        slot.pipe.recv()
    queue = deque(job.batches)
    if policy == "static":
        queues = dict(zip(present, static_parts(job, len(present)), strict=True))
    else:
        queues = dict.fromkeys(range(len(job.specs)), queue)
    started_at = time.time()
    ready: dict[int, float] = {i: 0.0 for i in present}
    # A fixed split has no part for a device that comes later.
    late = [] if policy == "static" else [i for i, s in enumerate(job.specs) if s.joins > 0]
    for slot in slots:
        if slot.spec.dies is not None:
            kill = (slot.process.pid, signal.SIGKILL)
            timer = threading.Timer(slot.spec.dies, os.kill, kill)
            timer.daemon = True
            timer.start()
    done = ran = 0.0
    given: dict[int, float] = {}
    alive = list(slots)
    idle = list(slots)
    joining: list[Slot] = []
    while True:
        for slot in list(idle):
            if mine := queues[slot.number]:
                given[slot.number] = mine.popleft()
                slot.pipe.send((given[slot.number], started_at))
                idle.remove(slot)
        if not given:
            break
        elapsed = time.time() - started_at
        for i in [i for i in late if job.specs[i].joins <= elapsed]:
            late.remove(i)
            joining.append(Slot(job.specs[i], i))
        until = min((job.specs[i].joins - elapsed for i in late), default=None)
        for pipe in wait([slot.pipe for slot in [*alive, *joining]], until):
            slot = next(slot for slot in [*alive, *joining] if slot.pipe is pipe)
            try:
                slot.pipe.recv()
            except EOFError:
                alive.remove(slot)
                lost = given.pop(slot.number, 0.0)
                ran += lost / 2  # it died somewhere in it
                if policy == "fifo" and lost > 0:
                    queue.appendleft(lost)
                continue
            if slot in joining:
                joining.remove(slot)
                alive.append(slot)
                ready[slot.number] = time.time() - started_at
            else:
                done += given[slot.number]
                ran += given.pop(slot.number)
            idle.append(slot)
    seconds = time.time() - started_at
    for slot in alive:
        slot.pipe.send(None)
    result(seconds, done, ran, ready)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
