"""A mail as its reader will see it, filled with samples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from portaria.core.seal import KeyRing
from portaria.jobs import PermanentError
from portaria.settings import load_settings
from portaria_workers.mail.outbox import Outbox
from portaria_workers.mail.sources import DEFAULT_LOCALE, source
from portaria_workers.mail.template import Template
from portaria_workers.mail.unsubscribing import Unsubscribing

RECIPIENT = "ana@example.com"


def sample_variables(name: str, locale: str) -> dict[str, Any]:
    """Invented values for all that a template may be given."""
    found: dict[str, Any] = json.loads(source(name, "sample.json", locale))
    return found


def write_preview(
    name: str, locale: str, folder: Path, variables: Mapping[str, Any] | None = None
) -> list[Path]:
    """Writes NAME.LOCALE.html, .txt and .eml; `variables` stand over those of the sample.

    Nothing else is written: a link to leave a list is sealed by a key that no ring has. Raises
    PermanentError TEMPLATE_UNKNOWN, LOCALE_UNKNOWN or TEMPLATE_VARIABLE, ConfigurationError and
    OSError.
    """
    locale = locale or DEFAULT_LOCALE
    outbox = Outbox.open(name, locale)
    sample = sample_variables(name, locale)
    values = {**sample, **(variables or {})}
    wrong = [*outbox.faults(values), *_wrong_types(values, sample)]
    if wrong:
        raise PermanentError("TEMPLATE_VARIABLE", "; ".join(wrong))
    outbox = replace(outbox, unsubscribing=_leaving(outbox.template))
    leave = outbox.unsubscribing.url(RECIPIENT) if outbox.unsubscribing else ""
    rendered = outbox.template.render(values, outbox.surroundings, unsubscribe=leave)
    message = outbox.write(RECIPIENT, values, "0" * 32)
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "html": rendered.html.encode(),
        "txt": f"{rendered.subject}\n\n{rendered.text}".encode(),
        "eml": message.content,
    }
    written = []
    for ending, content in files.items():
        path = folder / f"{name}.{locale}.{ending}"
        path.write_bytes(content)
        written.append(path)
    return written


def _leaving(template: Template) -> Unsubscribing | None:
    """Of a mail that offers to leave a list: those that go to one person never do."""
    base = load_settings().unsubscribe_url
    if not base or "unsubscribe" not in template.text:
        return None
    return Unsubscribing(base, "default", KeyRing([bytes(32)]))


def _wrong_types(values: Mapping[str, Any], sample: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        # What a sample does without is text.
        for place, expected in _unlike(name, value, sample.get(name, "")):
            yield f'variable "{place}" must be {expected}'


def _unlike(place: str, value: Any, sample: Any) -> Iterator[tuple[str, str]]:
    """Where a value is not of the sample's type, and what it must be there."""
    if isinstance(sample, str):
        if not isinstance(value, str):
            yield place, "text"
    elif isinstance(sample, dict):
        if not isinstance(value, dict) or value.keys() != sample.keys():
            yield place, f"an object of {', '.join(sample)}"
        else:
            for name, each in value.items():
                yield from _unlike(f"{place}.{name}", each, sample[name])
    elif not isinstance(value, list):
        yield place, "a list"
    else:
        for number, each in enumerate(value):
            yield from _unlike_item(f"{place}[{number}]", each, sample[0])


def _unlike_item(place: str, value: Any, sample: Any) -> Iterator[tuple[str, str]]:
    """As above, of a list's item; a list within a list has one length."""
    if not isinstance(sample, list):
        yield from _unlike(place, value, sample)
    elif not isinstance(value, list) or len(value) != len(sample):
        yield place, f"a list of {len(sample)}"
    else:
        for number, (each, like) in enumerate(zip(value, sample, strict=True)):
            yield from _unlike(f"{place}[{number}]", each, like)
