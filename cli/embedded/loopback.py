"""Keeps Serve's replicas on loopback.

Every replica starts a gRPC server for calls from other deployments. Ray 2.60 binds it to all
interfaces, without a setting and without authentication, and its messages are pickled objects:
whoever reaches it runs code. On one host, 127.0.0.1 is all that is needed.
"""

from ray._common import tls_utils

_EVERYWHERE = "[::]:"


def bind_servers_to_loopback() -> None:
    """Make this worker's later gRPC servers listen on 127.0.0.1 where Ray asks for everywhere."""
    add_port = tls_utils.add_port_to_grpc_server

    def add_loopback_port(server: object, address: str) -> int:
        return int(add_port(server, address.replace(_EVERYWHERE, "127.0.0.1:")))

    tls_utils.add_port_to_grpc_server = add_loopback_port
