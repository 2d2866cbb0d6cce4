"""The bridge: raysidue's door into a Ray cluster, a gRPC server that is an ordinary Ray driver.

    RAYSIDUE_TOKEN=... python server.py --listen HOST:PORT [--address auto]

Owns: the gRPC service of bridge.proto, its token and TLS. Prints `bridge://HOST:PORT` when it
answers, and runs until SIGTERM (or, with --with-parent, the end of standard input). It holds no
truth: node agents outlive it, and the next bridge finds them by name.

Needs nothing but what `ray[client]` or `ray[default]` brings: grpcio and protobuf. Messages are
made from the descriptor beside this file, so no generated code ties us to a protobuf version.
"""

from __future__ import annotations

import argparse
import hmac
import os
import signal
import sys
import threading
from concurrent import futures
from pathlib import Path
from typing import Any

# Read at import by gRPC: a Ray driver forks, and gRPC's own hooks then race (ray issue 63202).
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc
import ray
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from operations import OperationError, Operations

HERE = Path(__file__).resolve().parent
SERVICE = "raysidue.v1.Bridge"
MESSAGE_BYTES_MAX = 64 << 20
# Long polls hold a thread each; more drivers than this on one cluster are unheard of.
THREADS = 64
STATUS_OF_CODE = {
    "usage": grpc.StatusCode.INVALID_ARGUMENT,
    "bad-input": grpc.StatusCode.FAILED_PRECONDITION,
    "unavailable": grpc.StatusCode.UNIMPLEMENTED,
    "try-again": grpc.StatusCode.UNAVAILABLE,
}


def _load_service() -> tuple[Any, Any]:
    """The service's descriptor and a function from a message's descriptor to its class."""
    files = descriptor_pb2.FileDescriptorSet()
    files.ParseFromString((HERE / "bridge.binpb").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    if hasattr(message_factory, "GetMessageClass"):
        return pool.FindServiceByName(SERVICE), message_factory.GetMessageClass
    return pool.FindServiceByName(SERVICE), message_factory.MessageFactory(pool).GetPrototype


class Handlers(grpc.GenericRpcHandler):
    """Answers every method of the service by the operation of its name, if the token is right."""

    def __init__(self, operations: Operations, token: str) -> None:
        self._operations = operations
        self._expected = f"Bearer {token}".encode()
        service, class_of = _load_service()
        self._methods = {}
        for method in service.methods:
            request, reply = class_of(method.input_type), class_of(method.output_type)
            self._methods[f"/{SERVICE}/{method.name}"] = grpc.unary_unary_rpc_method_handler(
                self._answer(method.name, reply),
                request_deserializer=request.FromString,
                response_serializer=reply.SerializeToString,
            )

    def service(self, details: Any) -> Any:
        """The handler of a call, by the name gRPC gives."""
        return self._methods.get(details.method)

    def _answer(self, name: str, reply: Any) -> Any:
        method = name[0].lower() + name[1:]

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            given = dict(context.invocation_metadata()).get("authorization", "")
            if not hmac.compare_digest(str(given).encode(), self._expected):
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong or missing token")
            data = b""
            if hasattr(request, "data"):
                data = request.data
                request.ClearField("data")
            try:
                fields = json_format.MessageToDict(request)
                result = self._operations.perform(method, fields, data)
            except OperationError as failure:
                code = STATUS_OF_CODE.get(failure.code, grpc.StatusCode.INTERNAL)
                context.abort(code, str(failure))
            return json_format.ParseDict(result, reply())

        return answer


def _token() -> str:
    """RAYSIDUE_TOKEN, or the user's token file: the one that schedulers use too."""
    token = os.environ.get("RAYSIDUE_TOKEN", "")
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    path = Path(config) / "raysidue" / "token"
    if not token and path.is_file():
        token = path.read_text(encoding="utf-8").strip()
    if not token:
        sys.exit(f"bridge: no token: set RAYSIDUE_TOKEN or write one to {path}")
    return token


def _credentials(options: argparse.Namespace) -> Any:
    if not options.tls_cert:
        return None
    pair = (Path(options.tls_key).read_bytes(), Path(options.tls_cert).read_bytes())
    authority = Path(options.tls_client_ca).read_bytes() if options.tls_client_ca else None
    return grpc.ssl_server_credentials([pair], authority, authority is not None)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bridge", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--listen", default="127.0.0.1:7471", help="HOST:PORT; port 0: any")
    parser.add_argument(
        "--address", default="auto", help="of the Ray cluster, as ray.init takes it"
    )
    parser.add_argument("--tls-cert", help="PEM; with --tls-key: TLS")
    parser.add_argument("--tls-key")
    parser.add_argument("--tls-client-ca", help="PEM; clients must have a certificate of it")
    parser.add_argument("--with-parent", action="store_true", help="end with standard input")
    return parser.parse_args()


def main() -> None:
    """Serves until told to end."""
    options, token = _options(), _token()
    if tuple(int(part) for part in ray.__version__.split(".")[:2]) < (2, 10):
        too_old = f"Ray {ray.__version__} is too old; 2.10 is the oldest that will do"
        sys.exit(f"bridge: {too_old}; upgrade it")
    try:
        ray.init(address=options.address, namespace="raysidue", log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as thrown:
        sys.exit(f"bridge: no Ray cluster at {options.address}: {thrown}")
    source = (HERE / "agent.py").read_text(encoding="utf-8")
    pool = futures.ThreadPoolExecutor(THREADS)
    limits = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.server(pool, handlers=[Handlers(Operations(source), token)], options=limits)
    credentials = _credentials(options)
    try:
        if credentials is None:
            port = server.add_insecure_port(options.listen)
        else:
            port = server.add_secure_port(options.listen, credentials)
    except RuntimeError:
        port = 0
    if port == 0:
        sys.exit(f"bridge: cannot listen on {options.listen}; is the port taken?")
    server.start()
    host = options.listen.rpartition(":")[0]
    print(f"{'bridges' if credentials else 'bridge'}://{host}:{port}", flush=True)

    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_ignored: end.set())
    if options.with_parent:
        threading.Thread(target=lambda: (sys.stdin.read(), end.set()), daemon=True).start()
    end.wait()
    server.stop(grace=0.5).wait()
    ray.shutdown()


if __name__ == "__main__":
    main()
