"""Ray Data: `ray_data.py JOB`. map_batches over an actor pool, a row a batch, longest first.

Each actor takes the next device that nobody has. Its own start-up (planning, creating the pool) is
not counted: the clock starts when the first batch does. Fleets whose devices change are left out:
the pool's size is fixed and its actors are not ours to kill.
"""

import os
import sys
import time

os.environ.setdefault("RAY_worker_niceness", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

from job import Device, Job, read_job, result

import ray


class Desk:
    """Hands out device numbers and remembers when the first batch began."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.next = 0
        self.started_at: float | None = None

    def number(self) -> int:
        self.next += 1
        return (self.next - 1) % self.count

    def begin(self) -> float:
        # All devices wait for the last one: its start-up is not the policy's.
        if self.next >= self.count and self.started_at is None:
            self.started_at = time.time()
        return self.started_at or 0.0


class Host:
    def __init__(self, path: str, desk: "ray.actor.ActorHandle[Desk]") -> None:
        number = ray.get(desk.number.remote())
        self.device = Device(read_job(path).specs[number], number)
        self.desk = desk
        self.started_at = 0.0

    def __call__(self, batch: dict) -> dict:
        while self.started_at == 0.0:
            self.started_at = ray.get(self.desk.begin.remote())
            time.sleep(0.02)
        for work in batch["work"]:
            self.device.run(float(work), self.started_at)
        return batch


def main(path: str) -> None:
    job: Job = read_job(path)
    here = os.path.dirname(os.path.abspath(__file__))
    count = len(job.specs)
    ray.init(
        num_cpus=count + 2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        runtime_env={"env_vars": {"PYTHONPATH": here}},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    desk = ray.remote(num_cpus=0)(Desk).remote(count)
    rows = ray.data.from_items([{"work": work} for work in job.batches]).repartition(
        len(job.batches)
    )
    out = rows.map_batches(
        Host,
        fn_constructor_args=(path, desk),
        batch_size=1,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=count, max_tasks_in_flight_per_actor=2),
    )
    done = sum(float(row["work"]) for row in out.iter_rows())
    ended_at = time.time()
    started_at = ray.get(desk.begin.remote())
    result(ended_at - started_at, done, done, {i: 0.0 for i in range(count)})
    ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
