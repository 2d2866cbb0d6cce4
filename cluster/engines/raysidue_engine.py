"""What an engine for raysidue needs to be one, when it is written in Python.

    from raysidue_engine import Opening, serve

    class Lengths:
        description = "counts residues"
        tokens_max = 100_000

        def run(self, items):
            return [str(len(item)).encode() for item in items]

    serve(lambda opening: Lengths())

Owns: the process's side of engine.proto: socket, token, micro-batches in order, and its end.
Invariant: the process ends when its standard input closes, so it never outlives the worker daemon
that started it. Raysidue puts this file's folder on PYTHONPATH of every engine that it starts. It
needs grpcio and protobuf; messages are made from the descriptor beside this file.
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "raysidue.v1.Engine"
# A call holds a thread as long as it lasts: one Run, and Opens that come before it.
THREADS = 4
# As the daemon has it (src/rpc/channel.ts).
MESSAGE_BYTES_MAX = 64 << 20
REASON_CHARACTERS_MAX = 500


@dataclass(frozen=True)
class Opening:
    """What the engine is to do from now on."""

    kind: str
    engine: str
    model: str
    # Names what computes: results of one fingerprint are never taken for those of another.
    fingerprint: str
    # Of the kind, as the user gave them.
    parameters: dict[str, Any]
    # Of the device: `threads`, `memoryBytes`.
    options: dict[str, Any]

    def expect(self, kind: str, fingerprint: str) -> None:
        """Refuses another kind, and runs that want results of another fingerprint."""
        if self.kind != kind:
            raise Refused(f"the {self.engine} engine does not know kind {self.kind}")
        if self.fingerprint not in ("", fingerprint):
            raise Refused(
                f"this engine is {fingerprint}, the run wants {self.fingerprint}; "
                "use one version of raysidue on all machines"
            )


@dataclass(frozen=True)
class Failure:
    """Stands in place of a row where an item cannot be computed."""

    reason: str
    # Whether another engine, or this one later, may succeed.
    is_retryable: bool = False


class Refused(Exception):
    """Raised while opening, where the engine cannot do what it is asked for."""


class Engine(Protocol):
    """What `serve` serves."""

    # One line for logs.
    description: str
    # Largest micro-batch that is useful, in tokens (residues, for sequences).
    tokens_max: int

    def run(self, items: list[bytes]) -> Sequence[bytes | Failure]:
        """The row of each item, or why there is none. Called with one micro-batch at a time."""
        ...


def serve(open_engine: Callable[[Opening], Engine]) -> None:
    """Serves the engine that `open_engine` returns until standard input closes."""
    parser = argparse.ArgumentParser(description="an engine of raysidue; started by its worker")
    parser.add_argument("--socket", required=True)
    socket = parser.parse_args().socket
    token = os.environ.get("RAYSIDUE_TOKEN", "")
    if not token:
        sys.exit("engine: RAYSIDUE_TOKEN is not set; the worker daemon sets it")
    # The daemon decides when an engine ends; a terminal's Ctrl-C reaches the whole process group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = grpc.server(
        futures.ThreadPoolExecutor(THREADS),
        handlers=[_Handlers(open_engine, token)],
        options=[
            ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ],
    )
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    while sys.stdin.buffer.read(1 << 16):
        pass
    _end(Path(socket))


def _end(socket: Path) -> None:
    """Ends at once. Whoever started us may have been killed: nobody else removes the socket."""
    try:
        socket.unlink()
        socket.parent.rmdir()
    except OSError:
        pass  # Removed already, or the folder is not the socket's alone.
    os._exit(0)


def _load_messages() -> dict[str, Any]:
    files = descriptor_pb2.FileDescriptorSet()
    files.ParseFromString((Path(__file__).resolve().parent / "engine.binpb").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    names = ["EngineOpenRequest", "EngineOpenReply", "MicroBatch", "MicroBatchResult"]
    found = {name: pool.FindMessageTypeByName(f"raysidue.v1.{name}") for name in names}
    if hasattr(message_factory, "GetMessageClass"):
        return {name: message_factory.GetMessageClass(each) for name, each in found.items()}
    factory = message_factory.MessageFactory(pool)
    return {name: factory.GetPrototype(each) for name, each in found.items()}


class _Handlers(grpc.GenericRpcHandler):
    """The two calls of engine.proto, if the token is right."""

    def __init__(self, open_engine: Callable[[Opening], Engine], token: str) -> None:
        self._open_engine = open_engine
        self._expected = f"Bearer {token}".encode()
        self._messages = _load_messages()
        self._engine: Engine | None = None
        # One micro-batch at a time, whatever calls there are.
        self._running = threading.Lock()
        self._methods = {
            f"/{SERVICE}/Open": grpc.unary_unary_rpc_method_handler(
                self._open,
                request_deserializer=self._messages["EngineOpenRequest"].FromString,
                response_serializer=lambda reply: reply.SerializeToString(),
            ),
            f"/{SERVICE}/Run": grpc.stream_stream_rpc_method_handler(
                self._run,
                request_deserializer=self._messages["MicroBatch"].FromString,
                response_serializer=lambda reply: reply.SerializeToString(),
            ),
        }

    def service(self, details: Any) -> Any:
        """The handler of a call, by the name gRPC gives."""
        return self._methods.get(details.method)

    def _check(self, context: grpc.ServicerContext) -> None:
        given = dict(context.invocation_metadata()).get("authorization", "")
        if not hmac.compare_digest(str(given).encode(), self._expected):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong or missing token")

    def _open(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._check(context)
        try:
            opening = Opening(
                kind=request.kind,
                engine=request.engine,
                model=request.model,
                fingerprint=request.fingerprint,
                parameters=json.loads(request.parameters or "{}"),
                options=json.loads(request.options or "{}"),
            )
            self._engine = self._open_engine(opening)
        except Refused as refusal:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(refusal))
        except Exception as failure:
            context.abort(grpc.StatusCode.INTERNAL, _reason_of(failure))
        return self._messages["EngineOpenReply"](
            description=self._engine.description, tokens_max=self._engine.tokens_max
        )

    def _run(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        self._check(context)
        engine = self._engine
        if engine is None:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "run before open")
            return
        for batch in requests:
            with self._running:
                yield self._answer(engine, batch)

    def _answer(self, engine: Engine, batch: Any) -> Any:
        items = _cut(batch.data, batch.sizes)
        started = time.perf_counter()
        rows = _rows_of(engine, items)
        result = self._messages["MicroBatchResult"](
            id=batch.id,
            payload=b"".join(row for row in rows if isinstance(row, bytes)),
            sizes=[len(row) if isinstance(row, bytes) else 0 for row in rows],
            busy_seconds=time.perf_counter() - started,
            tokens=len(batch.data),
            padded_tokens=len(batch.data),
        )
        for index, row in enumerate(rows):
            if isinstance(row, Failure):
                result.failures.add(index=index, reason=row.reason, retryable=row.is_retryable)
        return result


def _cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    items = []
    offset = 0
    for size in sizes:
        items.append(data[offset : offset + size])
        offset += size
    return items


def _rows_of(engine: Engine, items: list[bytes]) -> list[bytes | Failure]:
    """Rows of a micro-batch. Where it raises, items run one by one, so that one fails alone."""
    try:
        rows = list(engine.run(items))
        if len(rows) != len(items):
            raise ValueError(f"{len(rows)} rows for {len(items)} items")
    except Exception as failure:
        if len(items) != 1:
            return [row for item in items for row in _rows_of(engine, [item])]
        rows = [Failure(_reason_of(failure))]
    return [row if row != b"" else Failure("the engine made an empty row") for row in rows]


def _reason_of(failure: Exception) -> str:
    text = " ".join(f"{type(failure).__name__}: {failure}".split())
    return text[:REASON_CHARACTERS_MAX]
