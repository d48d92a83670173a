"""What a caller calls the parts of a submission: the core RPC and the façades differ."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from portaria.core.errors import Violation

_LONGEST_KEY = 64


@dataclass(frozen=True, slots=True)
class Names:
    """The paths under which a caller gave payload and options."""

    payload: str
    options: str

    def translate(self, violation: Violation) -> Violation:
        """A violation of SubmitJobRequest as this caller knows it."""
        path = violation.field
        for ours, theirs in (("spec.payload", self.payload), ("spec.options", self.options)):
            if path == ours or path.startswith((f"{ours}.", f"{ours}[")):
                return replace(violation, field=theirs + path.removeprefix(ours))
        return violation


CORE = Names(payload="spec.payload", options="spec.options")
FACADE = Names(payload="job", options="options")


def below(prefix: str, violation: Violation) -> Violation:
    """The violation of a part, with its path from the whole."""
    path = f"{prefix}.{violation.field}" if violation.field else prefix
    return replace(violation, field=path)


def shown_key(key: object) -> str:
    """A map's key in a path: long ones are cut, control characters escaped."""
    if not isinstance(key, str):
        return str(key).lower()
    return json.dumps(key[:_LONGEST_KEY] + ("…" if len(key) > _LONGEST_KEY else ""))
