"""A mail in one language, ready to be filled in for each recipient."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any
from urllib.parse import urlsplit

import jinja2
from jinja2 import meta, nodes
from markupsafe import Markup, escape

from portaria.jobs import PermanentError
from portaria_workers.mail.sources import (
    DEFAULT_LOCALE,
    FALLBACK,
    html_source,
    source,
    template_names,
    text_source,
)

LONGEST_SUBJECT = 200

_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Which way text runs: whoever sets these makes it read as other than it is.
_DIRECTIONS = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every template may use besides its variables. From the settings, never a payload."""

    brand: str
    link_base: str

    def as_variables(self) -> dict[str, str]:
        """Under the names by which templates know them."""
        site = urlsplit(self.link_base).hostname or self.link_base
        return {"brand": self.brand, "link_base": self.link_base, "site": site}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail as its reader sees it."""

    subject: str
    """One line, at most 200 characters."""
    text: str
    html: str


@dataclass(frozen=True)
class Template:
    """One mail in one language. `load_template` makes it."""

    name: str
    locale: str
    subject: str
    text: str
    html: str

    @cached_property
    def _compiled(self) -> tuple[jinja2.Template, jinja2.Template, jinja2.Template]:
        return (
            _PLAIN.from_string(self.subject),
            _PLAIN.from_string(self.text),
            _HTML.from_string(self.html),
        )

    @cached_property
    def _of_subject(self) -> tuple[set[str], set[str]]:
        return _variables(_PLAIN, self.subject)

    @cached_property
    def _of_body(self) -> tuple[set[str], set[str]]:
        of_text, of_html = _variables(_PLAIN, self.text), _variables(_HTML, self.html)
        # Here `subject` is the subject line as it is sent, not a variable.
        return (of_text[0] | of_html[0]) - {"subject"}, of_text[1] | of_html[1]

    def required(self, *, own_subject: bool = True) -> set[str]:
        """The variables that must be given; fewer where the template's subject is not used."""
        return self._of_body[0] | (self._of_subject[0] if own_subject else set())

    def optional(self) -> set[str]:
        """The variables that may be given: the templates ask whether they are defined."""
        return (self._of_body[1] | self._of_subject[0] | self._of_subject[1]) - self.required()

    def faults(self, variables: Mapping[str, Any], *, own_subject: bool = True) -> list[str]:
        """What is missing and what is unknown, by name and without values."""
        missing = self.required(own_subject=own_subject) - variables.keys()
        unknown = variables.keys() - self.required() - self.optional()
        return [f'variable "{name}" is missing' for name in sorted(missing)] + [
            f'variable "{name}" is unknown' for name in sorted(unknown)
        ]

    def render(
        self,
        variables: Mapping[str, Any],
        surroundings: Surroundings,
        *,
        subject: str = "",
        unsubscribe: str = "",
    ) -> Rendered:
        """Fills the template in. `subject`, if given, stands instead of the template's own;
        `unsubscribe` is the address at which this recipient leaves the list.

        Values are text, or lists and dicts of it. Raises PermanentError TEMPLATE_VARIABLE that
        names what is missing and unknown.
        """
        faults = self.faults(variables, own_subject=not subject)
        if faults:
            raise PermanentError("TEMPLATE_VARIABLE", "; ".join(faults))
        own_subject, text, html = self._compiled
        fixed = {**surroundings.as_variables(), "unsubscribe": unsubscribe}
        line = one_line(subject or own_subject.render({**variables, **fixed}))
        values = {name: _cleaned(value) for name, value in variables.items()}
        values |= {**fixed, "subject": line}
        return Rendered(line, text.render(values).strip() + "\n", html.render(values))


@cache
def load_template(name: str, locale: str = "") -> Template:
    """The template in that language, or the nearest that there is; compiled once per process.

    Raises PermanentError TEMPLATE_UNKNOWN or LOCALE_UNKNOWN.
    """
    locale = locale or DEFAULT_LOCALE
    if name not in template_names():
        raise PermanentError("TEMPLATE_UNKNOWN", f'no template "{name}"')
    if locale not in FALLBACK:
        raise PermanentError("LOCALE_UNKNOWN", f'no locale "{locale}"')
    return Template(
        name=name,
        locale=locale,
        subject=source(name, "subject.txt", locale),
        text=text_source(name, locale),
        html=html_source(name, locale),
    )


def one_line(text: str) -> str:
    """Text as a header may hold it: no line breaks or control characters, none that turn its
    direction, at most 200 long."""
    line = _LINE_BREAKS.sub(" ", _DIRECTIONS.sub("", text)).strip()
    return line if len(line) <= LONGEST_SUBJECT else line[: LONGEST_SUBJECT - 1].rstrip() + "…"


def clean(value: str) -> str:
    """A variable's value with plain line feeds, and no control characters besides them and tabs:
    none that turn its direction either."""
    lines = value.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub(" ", _DIRECTIONS.sub("", lines))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {key: _cleaned(each) for key, each in value.items()}
    return [_cleaned(each) for each in value]


def _paragraphs(text: str) -> list[Markup]:
    """Paragraphs are parted by blank lines; a single line break stays one."""
    parts = [part for part in _BLANK_LINES.split(text.strip()) if part]
    return [Markup("<br>").join(escape(line) for line in part.split("\n")) for part in parts]


def _environment(*, autoescape: bool) -> jinja2.Environment:
    made = jinja2.Environment(
        autoescape=autoescape,  # noqa: S701 # off only for plain text, which has nothing to escape
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["paragraphs"] = _paragraphs
    return made


def _variables(environment: jinja2.Environment, text: str) -> tuple[set[str], set[str]]:
    """Which variables a template must and may be given, as its expressions say."""
    tree = environment.parse(text)
    asked = (test.node for test in tree.find_all(nodes.Test) if test.name == "defined")
    optional = {node.name for node in asked if isinstance(node, nodes.Name)}
    reserved = {"brand", "link_base", "site", "unsubscribe"}
    return meta.find_undeclared_variables(tree) - optional - reserved, optional


_PLAIN = _environment(autoescape=False)
_HTML = _environment(autoescape=True)
