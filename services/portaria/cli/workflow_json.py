"""A workflow from JSON: the steps of the contract, job types by any of their names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format

from portaria.cli.payload import fault, faults_of, load
from portaria.core.errors import InvalidRequest, Violation
from portaria.core.job_type import JobTypes
from portaria.v1.workflows_pb2 import Step

ROOT = "root"
_TYPE = "@type"
_URL = "type.googleapis.com/"


def step_from_json(text: str, types: JobTypes) -> Step:
    """Parses a Step as protobuf's JSON, "@type" also SendEmail or mail.SendEmail.

    Raises InvalidRequest with every fault; values are not repeated.
    """
    data = load(text, ROOT)
    faults = list(_resolve(data, ROOT, types))
    told = {each.field for each in faults}
    faults += [each for each in faults_of(Step.DESCRIPTOR, data, ROOT) if each.field not in told]
    if faults:
        raise InvalidRequest(faults)
    try:
        return json_format.ParseDict(data, Step())
    except json_format.ParseError:
        # What the walk does not know; protobuf's own words would repeat values.
        raise InvalidRequest([fault(ROOT, "is no step in JSON")]) from None


def _resolve(data: Any, path: str, types: JobTypes) -> Iterator[Violation]:
    """Puts whole names into all payloads; tells of those that name nothing."""
    if isinstance(data, list):
        for index, each in enumerate(data):
            yield from _resolve(each, f"{path}[{index}]", types)
    elif isinstance(data, dict) and isinstance(name := data.get(_TYPE), str):
        # A payload may hold whatever it likes.
        try:
            data[_TYPE] = _URL + types.find(name.rpartition("/")[2]).name
        except LookupError as error:
            yield fault(f"{path}.{_TYPE}", str(error.args[0]))
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _resolve(value, f"{path}.{key}", types)
