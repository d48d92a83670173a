"""Ids: UUIDv7 for jobs, so that they sort by creation."""

import os
import time
import uuid


def new_job_id() -> str:
    """A UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then randomness."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return str(uuid.UUID(int=value))


def new_request_id() -> str:
    """What a client that was given no request_id uses."""
    return str(uuid.uuid4())


def new_token() -> str:
    """64 random bits in hex: names one incarnation of a process, or one turn."""
    return os.urandom(8).hex()
