"""A schedule as it is kept: sealed, so that schedulers fire what was accepted and nothing else."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from portaria.core.errors import PortariaError
from portaria.core.ids import new_token
from portaria.core.seal import KeyRing, SealBroken
from portaria.internal.v1.schedule_pb2 import ScheduleDefinition
from portaria.store.schedule_records import ScheduleRecord
from portaria.store.schedules import Definition
from portaria.v1.schedules_service_pb2 import Schedule


class NotBelieved(PortariaError):
    """The definition was not written by us, or changed since, or belongs elsewhere."""

    reason = "NOT_BELIEVED"


class Definitions:
    """Seals definitions, and opens those that are ours."""

    def __init__(self, keys: KeyRing, namespace: str) -> None:
        self._keys = keys
        self._namespace = namespace

    def write(
        self,
        schedule: Schedule,
        *,
        content_hash: str,
        created_by: str,
        next_ms: int,
        owner: str = "",
        release: str = "",
    ) -> Definition:
        """What the store takes of a schedule that was checked, with a new revision."""
        revision = new_token()
        definition = ScheduleDefinition(
            namespace=self._namespace, revision=revision, schedule=schedule, created_by=created_by
        )
        return Definition(
            revision=revision,
            sealed=self._keys.seal(self._purpose, definition.SerializeToString()),
            content_hash=content_hash,
            owner=owner,
            release=release,
            next_ms=next_ms,
        )

    def read(self, record: ScheduleRecord) -> ScheduleDefinition:
        """Raises NotBelieved."""
        try:
            body = self._keys.unseal(self._purpose, record.definition)
            definition = ScheduleDefinition.FromString(body)
        except SealBroken as error:
            raise NotBelieved(f"its definition is not believed: {error}") from None
        except DecodeError:
            raise NotBelieved("its definition cannot be read") from None
        stands_for = (definition.namespace, definition.schedule.schedule_id, definition.revision)
        if stands_for != (record.namespace, record.schedule_id, record.revision):
            raise NotBelieved("its definition is not believed: it belongs to another schedule")
        return definition

    @property
    def _purpose(self) -> str:
        return f"schedules/{self._namespace}"
