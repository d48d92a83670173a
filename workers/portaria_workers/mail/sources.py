"""Finds the files of a template and turns its MJML into HTML that Jinja can fill.

A folder under templates/ is a mail; each of its parts is `part.LOCALE.ext`, or `part.ext` where
the words are the same in every language. A locale without a file of its own takes the next one in
FALLBACK. `_layout` holds what all mails share, found in the same way.
"""

from __future__ import annotations

import re
from pathlib import Path

import css_inline
import mjml

TEMPLATES = Path(__file__).parent / "templates"
LAYOUT = "_layout"
DEFAULT_LOCALE = "pt-BR"
FALLBACK = {
    "pt-BR": ("pt-BR", "en"),
    "pt-AO": ("pt-AO", "pt-BR", "en"),
    "en": ("en",),
}

_INCLUDE = re.compile(r'<mj-include path="(?P<path>[a-z.]+)" />')
_EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def template_names() -> list[str]:
    """Every mail that there is, sorted."""
    return sorted(
        path.name for path in TEMPLATES.iterdir() if path.is_dir() and path.name != LAYOUT
    )


def source(folder: str, part: str, locale: str) -> str:
    """The text of a part such as `html.mjml`. Raises FileNotFoundError where no locale has it."""
    stem, _, ending = part.partition(".")
    names = [f"{stem}.{candidate}.{ending}" for candidate in FALLBACK[locale]]
    for name in [*names, part]:
        path = TEMPLATES / folder / name
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(f"template {folder} has no {part} for {locale}")


def text_source(name: str, locale: str) -> str:
    """The plain text of a mail, footer included, still a Jinja template."""
    return source(name, "text.txt", locale) + source(LAYOUT, "footer.txt", locale)


def html_source(name: str, locale: str) -> str:
    """The HTML of a mail with its CSS inlined, still a Jinja template.

    MJML and CSS are worked out here once, so that a recipient costs only the filling in. Raises
    ValueError where MJML or the inliner would have altered an expression (a quote, < or > in it).
    """
    document = source(name, "html.mjml", locale)
    # Included by text: the compiler forgets the page's width in what it includes itself.
    whole = _INCLUDE.sub(lambda found: source(LAYOUT, found["path"], locale), document)
    page = mjml.mjml2html(whole, fonts={}, disable_comments=True)
    inlined: str = css_inline.inline(
        page,
        extra_css=source(LAYOUT, "style.css", locale),
        # The style sheets that MJML wrote are for the clients that read them: they stay.
        inline_style_tags=False,
        keep_style_tags=True,
        load_remote_stylesheets=False,
    )
    lost = set(_EXPRESSION.findall(whole)) - set(_EXPRESSION.findall(inlined))
    if lost:
        raise ValueError(f"template {name} ({locale}): altered in HTML: {', '.join(sorted(lost))}")
    return inlined
