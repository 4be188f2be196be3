"""Ends with 0 if the service in this container answers: `python docker/healthy.py code|webserver`.

Asked every few seconds by compose.yaml, so it imports no Dagster (which takes a second of CPU each time). The daemon
answers no requests; Dagster's own `dagster-daemon liveness-check` looks at its heartbeats instead.
"""

import sys
import urllib.request

TIMEOUT_S = 4


def code() -> bool:
    """True if the code server says that it serves Dagster's API."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel("127.0.0.1:4000") as channel:
        request = health_pb2.HealthCheckRequest(service="DagsterApi")
        answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=TIMEOUT_S)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def webserver() -> bool:
    """True if the webserver tells its version."""
    with urllib.request.urlopen("http://127.0.0.1:3000/server_info", timeout=TIMEOUT_S) as answer:
        return bool(answer.status == 200)


if __name__ == "__main__":
    checks = {"code": code, "webserver": webserver}
    if len(sys.argv) != 2 or sys.argv[1] not in checks:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(checks)}")
    sys.exit(0 if checks[sys.argv[1]]() else 1)
