"""The local Kafka and Elasticsearch: child processes in one work folder, started and stopped."""

from .config import Progress, ServiceError, ServiceName, ServicesConfig, silent
from .local import RunningServices, ServiceStatus, erase, start, status, stop

__all__ = [
    "Progress",
    "RunningServices",
    "ServiceError",
    "ServiceName",
    "ServiceStatus",
    "ServicesConfig",
    "erase",
    "silent",
    "start",
    "status",
    "stop",
]
