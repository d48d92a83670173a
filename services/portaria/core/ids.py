"""Ids: UUIDv7 for jobs, so that they sort by creation."""

import os
import re
import time
import uuid

_JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def new_job_id() -> str:
    """A UUIDv7 (RFC 9562 §5.7, §6.2 method 3): 48 bits of milliseconds and 12 of their fraction,
    so that jobs of one door sort as they came, then randomness."""
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    value = (milliseconds << 80) | (fraction << 64) | int.from_bytes(os.urandom(8), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return _text(value)


def is_job_id(text: str) -> bool:
    """Whether a job of ours may be called so."""
    return _JOB_ID.fullmatch(text) is not None


def id_floor(milliseconds: int) -> str:
    """Sorts before every job id of this millisecond, and after all of the one before."""
    return _text(max(0, min(milliseconds, 2**48 - 1)) << 80)


def new_workflow_id() -> str:
    """A UUIDv7, too; no job's, but those of its members follow from it: see member_id."""
    value = new_job_id()
    return f"{value[:15]}fff{value[18:]}"


def member_id(workflow_id: str, number: int) -> str:
    """The job at a place in a batch or workflow, from 0 to 65,519: a UUIDv7.

    The twelve bits that make ids of one millisecond differ hold the place modulo 4,095, so that the
    first 4,095 sort in that order; the last digit is moved on by the rest. prelude.lua has it, too.
    """
    high, low = divmod(number, 4095)
    last = f"{(int(workflow_id[-1], 16) + high) % 16:x}"
    return f"{workflow_id[:15]}{low:03x}{workflow_id[18:-1]}{last}"


def is_member(family_id: str, job_id: str) -> bool:
    """Whether a job is one of those whose ids follow from a workflow's; see member_id."""
    return (
        is_job_id(job_id)
        and job_id[15:18] != "fff"
        and (job_id[:15], job_id[18:-1]) == (family_id[:15], family_id[18:-1])
    )


def new_request_id() -> str:
    """What a client that was given no request_id uses."""
    return str(uuid.uuid4())


def new_token() -> str:
    """64 random bits in hex: names one incarnation of a process, or one turn."""
    return os.urandom(8).hex()


def _text(value: int) -> str:
    # As str(uuid.UUID(int=value)), in a third of its time.
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
