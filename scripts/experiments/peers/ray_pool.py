"""A Ray actor pool: `ray_pool.py JOB`. One actor a device, batches longest first, ActorPool.

The local Ray node belongs to this process and ends with it. A device that joins is pushed into the
pool. When an actor dies, ActorPool raises and the rest of the job stays undone: that is reported.
"""

import os
import signal
import sys
import time

os.environ.setdefault("RAY_worker_niceness", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

from job import Device, Job, read_job, result
from ray.util import ActorPool

import ray


class Host:
    """A device's actor."""

    def __init__(self, path: str, number: int) -> None:
        self.device = Device(read_job(path).specs[number], number)

    def pid(self) -> int:
        return os.getpid()

    def run(self, work: float, started_at: float) -> float:
        self.device.run(work, started_at)
        return work


def main(path: str) -> None:
    job: Job = read_job(path)
    here = os.path.dirname(os.path.abspath(__file__))
    ray.init(
        num_cpus=len(job.specs) + 1,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        runtime_env={"env_vars": {"PYTHONPATH": here}},
    )
    host = ray.remote(num_cpus=1)(Host)
    present = [i for i, spec in enumerate(job.specs) if spec.joins == 0]
    actors = {i: host.remote(path, i) for i in present}
    pids = {i: ray.get(actor.pid.remote()) for i, actor in actors.items()}
    pool = ActorPool(list(actors.values()))
    started_at = time.time()
    ready = {i: 0.0 for i in present}
    dying = {i: spec.dies for i, spec in enumerate(job.specs) if spec.dies is not None}
    joining = {i: spec.joins for i, spec in enumerate(job.specs) if spec.joins > 0}
    arriving: dict[int, ray.ObjectRef] = {}
    for work in job.batches:
        pool.submit(lambda actor, value: actor.run.remote(value, started_at), work)
    done = 0.0
    note = ""
    while pool.has_next():
        elapsed = time.time() - started_at
        for i in [i for i, at in dying.items() if at <= elapsed]:
            del dying[i]
            os.kill(pids[i], signal.SIGKILL)
        for i in [i for i, at in joining.items() if at <= elapsed]:
            del joining[i]
            actors[i] = host.remote(path, i)
            arriving[i] = actors[i].pid.remote()
        for i, reply in list(arriving.items()):
            if ray.wait([reply], timeout=0)[0]:
                del arriving[i]
                ready[i] = elapsed
                pool.push(actors[i])
        try:
            done += pool.get_next_unordered(timeout=0.05 if dying or joining or arriving else None)
        except TimeoutError:
            continue
        except ray.exceptions.RayError as error:
            note = f"aborted: {type(error).__name__}"
            break
    result(time.time() - started_at, done, done, ready, note)
    ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
