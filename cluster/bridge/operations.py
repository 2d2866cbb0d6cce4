"""What a driver asks of a Ray cluster, by Ray's public API only.

Owns: nodes and resources, the node agents (named, detached actors: agent.py) and what is said to
the autoscaler. One class, used in two ways: inside the bridge (server.py), and, shipped as source
text, as an actor of a Ray Client session. Arguments and results are JSON texts (and bytes for
files), so that neither way needs to know types of the other.

Invariant: every failure a user can act on is an answer `{"error": {"code", "message"}}`, with a
code of raysidue's own list. Deliberately not here: what the daemons compute.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

NAMESPACE = "raysidue"
PREFIX = "raysidue"
# JSON leaves out what is empty.
EMPTY_SPEC: dict[str, Any] = {"arguments": [], "environment": {}, "files": [], "addresses": []}
# A node's worker process starts within a second or two; on a busy one it takes ten.
CALL_SECONDS = 30.0
# Files that no agent asked for any more are dropped from the object store.
FILE_SECONDS = 900.0
STORE_FULL = (ray.exceptions.ObjectStoreFullError, ray.exceptions.OutOfDiskError)


class OperationError(Exception):
    """A failure that a user can act on; `code` is one of raysidue's error codes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _one_line(thrown: BaseException) -> str:
    lines = [line.strip() for line in str(thrown).splitlines() if line.strip(" ^~\t")]
    # The first says which kind, the last what happened; between them is Ray's own traceback.
    kept = lines if len(lines) <= 5 else [*lines[:1], *lines[-4:]]
    return "; ".join(kept)[:800] or type(thrown).__name__


def actor_name(fleet: str, role: str, node_id: str) -> str:
    """The name of the actor that owns a daemon: one a fleet, role and node."""
    return f"{PREFIX}:{fleet}:{role}:{node_id}"


class Operations:
    """See the module's comment."""

    def __init__(self, agent_source: str) -> None:
        # By value: nodes have none of our modules. The name must not be importable.
        scope: dict[str, Any] = {"__name__": "__raysidue_agent__"}
        exec(compile(agent_source, "raysidue/agent.py", "exec"), scope)
        self._agent = ray.remote(scope["NodeAgent"])
        # Digest -> pieces in the object store: of whole files, and of files that are on their way.
        self._files: dict[str, list[ray.ObjectRef]] = {}
        self._parts: dict[str, list[ray.ObjectRef]] = {}
        # Digest -> when it was last of use.
        self._file_used: dict[str, float] = {}

    def call(self, method: str, request_text: str, data: bytes = b"") -> str:
        """Answers one request: the only method that a Ray Client session calls."""
        try:
            return json.dumps(self.perform(method, json.loads(request_text), data))
        except OperationError as failure:
            return json.dumps({"error": {"code": failure.code, "message": str(failure)}})

    def perform(self, method: str, request: dict[str, Any], data: bytes = b"") -> dict[str, Any]:
        """Answers one request; raises OperationError."""
        operations: dict[str, Callable[..., dict[str, Any]]] = {
            "hello": self._hello,
            "listNodes": self._list_nodes,
            "startDaemon": self._start_daemon,
            "findDaemons": self._find_daemons,
            "followDaemons": self._follow_daemons,
            "stopDaemon": self._stop_daemon,
            "requestResources": self._request_resources,
            "missingFiles": self._missing_files,
            "holdsFile": self._holds_file,
            "installFile": self._install_file,
            "readFile": self._read_file,
        }
        try:
            if method == "addPiece":
                return self._add_piece(request, data)
            return operations[method](request)
        except OperationError:
            raise
        except (KeyError, ValueError, TypeError) as thrown:
            raise OperationError("usage", f"{method}: {thrown!r} is no request") from thrown
        except ray.exceptions.GetTimeoutError as thrown:
            raise OperationError("try-again", f"Ray did not answer in time: {method}") from thrown
        except ray.exceptions.RayError as thrown:
            raise OperationError("try-again", f"Ray: {method}: {_one_line(thrown)}") from thrown

    # ---- the cluster ---------------------------------------------------------------------------

    def _hello(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {"rayVersion": ray.__version__, "pythonVersion": platform.python_version()}

    def _list_nodes(self, _request: dict[str, Any]) -> dict[str, Any]:
        nodes = []
        for node in ray.nodes():
            resources = node.get("Resources") or {}
            nodes.append(
                {
                    "nodeId": node["NodeID"],
                    "address": node["NodeManagerAddress"],
                    "hostname": node["NodeManagerHostname"],
                    "isAlive": bool(node["Alive"]),
                    "isHead": "node:__internal_head__" in resources,
                    "cpus": float(resources.get("CPU", 0)),
                    "gpus": float(resources.get("GPU", 0)),
                    "memoryBytes": int(resources.get("memory", 0)),
                }
            )
        return {"nodes": nodes}

    def _request_resources(self, request: dict[str, Any]) -> dict[str, Any]:
        from ray.autoscaler.sdk import request_resources

        bundles = [
            {name: float(amount) for name, amount in bundle.get("resources", {}).items()}
            for bundle in request.get("bundles", [])
        ]
        request_resources(bundles=bundles)
        return {}

    # ---- daemons -------------------------------------------------------------------------------

    def _start_daemon(self, request: dict[str, Any]) -> dict[str, Any]:
        """Finds the node's agent or creates it, in place of an earlier one if `replace` is set."""
        spec = {**EMPTY_SPEC, **request["spec"]}
        name = actor_name(spec["fleet"], spec["role"], spec["nodeId"])
        node = self._live_node(spec["nodeId"])
        handle = self._handle(name)
        if handle is not None and request.get("replace"):
            self._kill(name, handle)
            handle = None
        if handle is None:
            handle = self._create(name, {**spec, "nodeAddress": node["NodeManagerAddress"]})
        seconds = float(request.get("timeoutSeconds") or CALL_SECONDS)
        try:
            return self._status(name, json.loads(ray.get(handle.status.remote(), timeout=seconds)))
        except ray.exceptions.GetTimeoutError as thrown:
            self._kill(name, handle)
            raise OperationError("try-again", self._why_pending(node, spec, seconds)) from thrown
        except ray.exceptions.RuntimeEnvSetupError as thrown:
            raise OperationError(
                "unavailable",
                f"{self._where(node)}: Ray could not install {' '.join(spec['pipPackages'])} there "
                f"({_one_line(thrown)}); install Node 20.20 or newer on the nodes instead",
            ) from thrown

    def _create(self, name: str, spec: dict[str, Any]) -> Any:
        options: dict[str, Any] = {
            "name": name,
            "namespace": NAMESPACE,
            "lifetime": "detached",
            "get_if_exists": True,
            # A worker process that is killed comes back with its daemon; a node does not.
            "max_restarts": 3,
            "max_concurrency": 16,
            "num_cpus": spec.get("cpus", 0),
            "num_gpus": spec.get("gpus", 0),
            "scheduling_strategy": NodeAffinitySchedulingStrategy(spec["nodeId"], soft=False),
        }
        if spec.get("pipPackages"):
            pip = {"packages": spec["pipPackages"], "pip_check": False}
            options["runtime_env"] = {"pip": pip}
        return self._agent.options(**options).remote(json.dumps(spec))

    def _find_daemons(self, request: dict[str, Any]) -> dict[str, Any]:
        """The daemons of a fleet, or of all fleets."""
        found = []
        for entry in ray.util.list_named_actors(all_namespaces=True):
            parts = entry["name"].split(":")
            if entry["namespace"] != NAMESPACE or len(parts) != 4 or parts[0] != PREFIX:
                continue
            if not request.get("fleet") or parts[1] == request["fleet"]:
                found.append(entry["name"])
        names = [{"name": name} for name in sorted(found)]
        return self._follow_daemons({"daemons": names, "seconds": 0})

    def _follow_daemons(self, request: dict[str, Any]) -> dict[str, Any]:
        """Each daemon's status that is another than the caller knows, as soon as one is."""
        known = {
            daemon["name"]: int(daemon.get("version", 0)) for daemon in request.get("daemons", [])
        }
        seconds = min(float(request.get("seconds", 0)), 60.0)
        statuses, names = [], {}
        for name, version in known.items():
            handle = self._handle(name)
            if handle is None:
                statuses.append(self._lost(name, "its actor is gone"))
            else:
                asked = handle.wait.remote(version, seconds) if version else handle.status.remote()
                names[asked] = name
        deadline = time.monotonic() + seconds + (CALL_SECONDS if seconds == 0 else 2.0)
        pending = list(names)
        while pending:
            is_enough = bool(statuses) and seconds > 0
            timeout = 0.05 if is_enough else max(0.0, deadline - time.monotonic())
            ready, pending = ray.wait(pending, num_returns=1, timeout=timeout)
            if not ready:
                break
            name = names[ready[0]]
            status = self._result(name, ready[0])
            if status["version"] != known[name]:
                statuses.append(status)
        if seconds == 0:
            statuses.extend(self._lost(names[ref], "it does not answer") for ref in pending)
        return {"daemons": statuses}

    def _result(self, name: str, ref: ray.ObjectRef) -> dict[str, Any]:
        try:
            return self._status(name, json.loads(ray.get(ref, timeout=CALL_SECONDS)))
        except ray.exceptions.RayError as thrown:
            return self._lost(name, _one_line(thrown))

    def _stop_daemon(self, request: dict[str, Any]) -> dict[str, Any]:
        name, grace = request["name"], float(request.get("graceSeconds", 0))
        handle = self._handle(name)
        if handle is None:
            return self._lost(name, "its actor is gone")
        try:
            status = json.loads(ray.get(handle.stop.remote(grace), timeout=grace + 10.0))
        except ray.exceptions.RayError as thrown:
            status = self._lost(name, _one_line(thrown))
        self._kill(name, handle)
        return self._status(name, status)

    # ---- files ---------------------------------------------------------------------------------

    def _missing_files(self, request: dict[str, Any]) -> dict[str, Any]:
        handle = self._agent_of(request["name"])
        asked = handle.missing.remote(json.dumps(request.get("files", [])))
        return {"digests": json.loads(ray.get(asked, timeout=CALL_SECONDS))}

    def _holds_file(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"isHeld": request["digest"] in self._files}

    def _add_piece(self, request: dict[str, Any], data: bytes) -> dict[str, Any]:
        """The next piece of a file, kept in Ray's object store until agents have taken it."""
        digest, index = request["digest"], int(request.get("index", 0))
        if index == 0:
            self._forget_files()
            self._parts[digest] = []
        pieces = self._parts.get(digest, [])
        if len(pieces) != index:
            raise OperationError("try-again", f"the pieces of {digest[:12]} came out of order")
        self._file_used[digest] = time.monotonic()
        try:
            pieces.append(self._put(data))
        except STORE_FULL as thrown:
            self._parts.pop(digest, None)
            raise OperationError(
                "unavailable",
                f"the head's object store has no room for {len(data)} bytes more; give it "
                "some (ray start --object-store-memory), or have code (--package) and models on "
                "the nodes",
            ) from thrown
        if request.get("isLast"):
            self._files[digest] = self._parts.pop(digest)
        return {}

    def _put(self, data: bytes) -> ray.ObjectRef:
        """Keeps bytes in the object store, in place of whole files where it is full."""
        try:
            return ray.put(data)
        except STORE_FULL:
            # Drivers bring again what they find missing.
            self._files.clear()
            return ray.put(data)

    def _install_file(self, request: dict[str, Any]) -> dict[str, Any]:
        """Brings a file that was added to one daemon's node."""
        file = request["file"]
        digest = file["digest"]
        pieces = self._files.get(digest)
        if pieces is None:
            raise OperationError("try-again", f"the file {digest[:12]} is not held here any more")
        self._file_used[digest] = time.monotonic()
        handle = self._agent_of(request["name"])
        for index, piece in enumerate(pieces):
            is_last = index == len(pieces) - 1
            asked = handle.install.remote(json.dumps(file), piece, is_last)
            answer = json.loads(ray.get(asked, timeout=300.0))
            if "error" in answer:
                raise OperationError("unavailable", answer["error"])
        return {}

    def _read_file(self, request: dict[str, Any]) -> dict[str, Any]:
        """A piece of a file that a run left on one daemon's node; its bytes in base64."""
        handle = self._agent_of(request["name"])
        asked = handle.read.remote(request["path"], int(request.get("offset", 0)))
        answer = json.loads(ray.get(asked, timeout=CALL_SECONDS))
        if "error" in answer:
            raise OperationError("unavailable", answer["error"])
        return answer

    def _forget_files(self) -> None:
        now = time.monotonic()
        for digest, used in list(self._file_used.items()):
            if now - used > FILE_SECONDS:
                del self._file_used[digest]
                self._files.pop(digest, None)
                self._parts.pop(digest, None)

    # ---- shared --------------------------------------------------------------------------------

    def _live_node(self, node_id: str) -> dict[str, Any]:
        for node in ray.nodes():
            if node["NodeID"] == node_id and node["Alive"]:
                return node
        raise OperationError("try-again", f"the node {node_id[:12]} has left the cluster")

    @staticmethod
    def _where(node: dict[str, Any]) -> str:
        return f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']})"

    def _why_pending(self, node: dict[str, Any], spec: dict[str, Any], seconds: float) -> str:
        has = node.get("Resources") or {}
        wanted = f"{spec.get('cpus', 0):g} CPUs and {spec.get('gpus', 0):g} GPUs"
        total = f"{has.get('CPU', 0):g} and {has.get('GPU', 0):g}"
        return (
            f"{self._where(node)}: Ray placed no daemon within {seconds:g} s; {wanted} are not "
            f"free there (of {total}); wait, or ask for fewer with --cpus and --gpus"
        )

    @staticmethod
    def _handle(name: str) -> Any:
        try:
            return ray.get_actor(name, namespace=NAMESPACE)
        except ValueError:
            return None

    def _agent_of(self, name: str) -> Any:
        handle = self._handle(name)
        if handle is None:
            raise OperationError("try-again", f"the node agent {name} is gone")
        return handle

    def _kill(self, name: str, handle: Any) -> None:
        """Ends an agent, kindly if it answers, and waits until its name is free."""
        try:
            ray.get(handle.stop.remote(0.0), timeout=5.0)
        except ray.exceptions.RayError:
            pass
        try:
            ray.kill(handle, no_restart=True)
        except (ValueError, ray.exceptions.RayError):
            pass
        deadline = time.monotonic() + 10.0
        while self._handle(name) is not None and time.monotonic() < deadline:
            time.sleep(0.02)

    @staticmethod
    def _status(name: str, status: dict[str, Any]) -> dict[str, Any]:
        _prefix, fleet, role, node_id = name.split(":")
        return {**status, "name": name, "fleet": fleet, "role": role, "nodeId": node_id}

    def _lost(self, name: str, reason: str) -> dict[str, Any]:
        return self._status(name, {"version": 0, "state": "lost", "reason": reason})
