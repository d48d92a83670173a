"""What a calling service imports: no Redis, no RQ.

from portaria.client import Client

with Client() as client:
    handle = client.submit(SendEmail(to="ana@example.com", template="welcome"))
    print(handle.id, handle.result())
"""

from portaria.client.acting import Retried
from portaria.client.async_client import AsyncClient
from portaria.client.async_handle import AsyncHandle
from portaria.client.async_workflow_handle import AsyncWorkflowHandle
from portaria.client.client import Client
from portaria.client.composing import chain, chord, group, step
from portaria.client.errors import (
    DoorUnavailable,
    JobCancelled,
    JobExpired,
    JobFailed,
    JobNotSucceeded,
    ResultUnavailable,
    RpcError,
)
from portaria.client.handle import Handle
from portaria.client.tls import Tls
from portaria.client.workflow_handle import WorkflowHandle
from portaria.core.errors import (
    AlreadyBegun,
    AlreadyExists,
    ConfigurationError,
    CursorExpired,
    DeadlineExceeded,
    EtagMismatch,
    InvalidRequest,
    NewerRelease,
    NotFound,
    NotRetryable,
    ParentNotRunning,
    PortariaError,
    QueueNotFound,
    RequestIdReused,
    RunOpen,
    ScheduleBroken,
    ScheduleDeclared,
    ScheduleExists,
    ScheduleNotFound,
    ShuttingDown,
    StoreFull,
    StoreUnavailable,
    Violation,
    WorkflowNotFound,
)
from portaria.v1.workflows_pb2 import Step

__all__ = [
    "AlreadyBegun",
    "AlreadyExists",
    "AsyncClient",
    "AsyncHandle",
    "AsyncWorkflowHandle",
    "Client",
    "ConfigurationError",
    "CursorExpired",
    "DeadlineExceeded",
    "DoorUnavailable",
    "EtagMismatch",
    "Handle",
    "InvalidRequest",
    "JobCancelled",
    "JobExpired",
    "JobFailed",
    "JobNotSucceeded",
    "NewerRelease",
    "NotFound",
    "NotRetryable",
    "ParentNotRunning",
    "PortariaError",
    "QueueNotFound",
    "RequestIdReused",
    "ResultUnavailable",
    "Retried",
    "RpcError",
    "RunOpen",
    "ScheduleBroken",
    "ScheduleDeclared",
    "ScheduleExists",
    "ScheduleNotFound",
    "ShuttingDown",
    "Step",
    "StoreFull",
    "StoreUnavailable",
    "Tls",
    "Violation",
    "WorkflowHandle",
    "WorkflowNotFound",
    "chain",
    "chord",
    "group",
    "step",
]
