"""Dask distributed: `dask_batches.py JOB`. One worker process with one thread a device.

What a careful user would do: batches as futures, longest first, results as they complete. A worker's
name says which device it is. A dead worker's batches are run again by Dask's own means.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time

import dask
from distributed import Client, LocalCluster, as_completed, get_worker
from job import Device, Job, read_job, result

DEVICES: dict[str, Device] = {}


def run_batch(work: float, started_at: float, path: str) -> float:
    worker = get_worker()
    if worker.name not in DEVICES:
        number = int(str(worker.name))
        DEVICES[worker.name] = Device(read_job(path).specs[number], number)
    DEVICES[worker.name].run(work, started_at)
    return work


def warm(path: str) -> int:
    # Reading the job file is no part of a batch.
    run_batch(0.0, time.time(), path)
    return os.getpid()


def start_worker(address: str, number: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--name", str(number)]
    quiet = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0"]
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.abspath(__file__))}
    return subprocess.Popen([*command, *quiet], env=environment, stderr=subprocess.DEVNULL)


def main(path: str) -> None:
    job: Job = read_job(path)
    present = [i for i, spec in enumerate(job.specs) if spec.joins == 0]
    cluster = LocalCluster(n_workers=0, dashboard_address=None, silence_logs=logging.CRITICAL)
    client = Client(cluster)
    address = cluster.scheduler_address
    processes = {i: start_worker(address, i) for i in present}
    timers: list[threading.Timer] = []
    try:
        client.wait_for_workers(len(present))
        workers = {int(str(w["name"])): a for a, w in client.scheduler_info(-1)["workers"].items()}
        for i in present:
            client.submit(warm, path, workers=[workers[i]], pure=False).result()
        started_at = time.time()
        ready = {i: 0.0 for i in present}

        def join(number: int) -> None:
            processes[number] = start_worker(address, number)
            while True:
                known = client.scheduler_info(-1)["workers"].values()
                if any(str(each["name"]) == str(number) for each in known):
                    break
                time.sleep(0.05)
            ready[number] = time.time() - started_at

        for i, spec in enumerate(job.specs):
            if spec.joins > 0:
                timers.append(threading.Timer(spec.joins, join, [i]))
            if spec.dies is not None:
                kill = (processes[i].pid, signal.SIGKILL)
                timers.append(threading.Timer(spec.dies, os.kill, kill))
        for timer in timers:
            timer.daemon = True
            timer.start()
        futures = client.map(
            run_batch,
            job.batches,
            started_at=started_at,
            path=path,
            pure=False,
            # Dask's own order among equals: first submitted, first run.
            priority=0,
        )
        done = sum(value for _, value in as_completed(futures, with_results=True))
        result(time.time() - started_at, done, done, ready)
    finally:
        for timer in timers:
            timer.cancel()
        for process in processes.values():
            process.kill()
            process.wait()


if __name__ == "__main__":
    dask.config.set({"distributed.comm.timeouts.connect": "30s"})
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    main(sys.argv[1])
    sys.stdout.flush()
    # The client's own shutdown waits for workers that were killed.
    os._exit(0)
