"""Templates: complete, in every language, and safe to fill with anything."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from buf.validate import validate_pb2
from portaria.jobs import PermanentError
from portaria_workers.mail.message import Sender
from portaria_workers.mail.preview import sample_variables
from portaria_workers.mail.sources import FALLBACK, TEMPLATES, source, template_names
from portaria_workers.mail.template import Surroundings, load_template
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail, SendEmail

SURROUNDINGS = Surroundings(brand="Portaria", link_base="https://portaria.example")
VARIABLES: dict[str, dict[str, Any]] = {
    "activation": {"name": "Inês", "code": "482913"},
    "alert": {
        "severity": "critical",
        "title": "Parou",
        "text": "Um.\n\nDois.",
        "facts": [["Erro", "<b>500</b>"]],
        "link_path": "x/y?z=1",
    },
    "document": {
        "documents": [
            {"filename": "a.pdf", "size": "1 KB", "url": "https://portaria.example/d?a=1&b=2"}
        ],
        "valid_for": "1 dia",
    },
    "message": {"subject": "Aviso", "message": "Um.\n\nDois."},
    "newsletter": {"title": "Outubro", "body": "Um.\n\nDois."},
    "password_reset": {"name": "Inês", "token": "a/b+c=&d"},
    "welcome": {"name": "Inês"},
}
EVERY_MAIL = [(name, locale) for name in sorted(VARIABLES) for locale in FALLBACK]


@pytest.mark.parametrize("message", [SendEmail, SendBulkEmail])
def test_the_contract_names_the_templates_and_locales_on_disk(
    message: type[SendEmail | SendBulkEmail],
) -> None:
    """What the door lets through is what the worker can render, no more and no less."""
    fields = message.DESCRIPTOR.fields_by_name

    def allowed(field: str) -> list[str]:
        rules = fields[field].GetOptions().Extensions[validate_pb2.field]
        return sorted(getattr(rules.string, "in"))

    # Those of SendNotification and SendDocument have values that are more than text.
    assert template_names() == sorted([*allowed("template"), "alert", "document"])
    assert sorted(["", *FALLBACK]) == allowed("locale")
    assert sorted(VARIABLES) == template_names()


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_every_part_exists_for_every_locale(name: str) -> None:
    """A locale has its own words or falls back; nobody writes European Portuguese to Brazil."""
    for locale in FALLBACK:
        for part in ("subject.txt", "text.txt", "html.mjml"):
            assert source(name, part, locale)
    files = {path.name for path in (TEMPLATES / name).iterdir()}
    assert {f"{part}.{locale}.{ending}" for part, ending in (("text", "txt"), ("html", "mjml"))
            for locale in ("pt-BR", "en")} <= files  # fmt: skip


def test_a_locale_falls_back_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pt-AO, then pt-BR, then en, then what is the same in every language."""
    monkeypatch.setattr("portaria_workers.mail.sources.TEMPLATES", tmp_path)
    (tmp_path / "x").mkdir()
    found = []
    for name in ("text.txt", "text.en.txt", "text.pt-BR.txt", "text.pt-AO.txt"):
        (tmp_path / "x" / name).write_text(name)
        found.append(source("x", "text.txt", "pt-AO"))

    assert found == ["text.txt", "text.en.txt", "text.pt-BR.txt", "text.pt-AO.txt"]
    assert source("x", "text.txt", "en") == "text.en.txt"


@pytest.mark.parametrize(("name", "locale"), EVERY_MAIL)
def test_every_template_renders_in_every_locale(name: str, locale: str) -> None:
    """Subject, text and HTML are filled in completely, and only configured links appear."""
    rendered = load_template(name, locale).render(VARIABLES[name], SURROUNDINGS)

    assert rendered.subject
    assert "Portaria" in rendered.text
    for text in (rendered.subject, rendered.text, rendered.html):
        assert not re.search(
            r"\{\{|\{%|mj-", text.replace("mj-column", "").replace("mj-outlook", "")
        )
    links = re.findall(r'(?:href|src)="([^"]*)"', rendered.html)
    assert all(link.startswith("https://portaria.example/") for link in links)
    assert f'lang="{locale}"' in rendered.html or locale != load_template(name, locale).locale
    assert 'style="' in rendered.html


@pytest.mark.parametrize("locale", list(FALLBACK))
def test_codes_and_tokens_are_quoted_in_links(locale: str) -> None:
    """A token with signs of its own stays one token."""
    rendered = load_template("password_reset", locale).render(
        VARIABLES["password_reset"], SURROUNDINGS
    )

    link = "https://portaria.example/reset-password?token=a/b%2Bc%3D%26d"
    assert f'href="{link}"' in rendered.html
    assert link in rendered.text


def test_markup_in_a_variable_is_text() -> None:
    """HTML is escaped where HTML is written, and left alone where it is not."""
    rendered = load_template("welcome", "en").render(
        {"name": "<b>Zé</b> & {{ 7*7 }}"}, SURROUNDINGS
    )

    assert "<b>Zé" not in rendered.html
    assert "&lt;b&gt;Zé&lt;/b&gt; &amp; {{ 7*7 }}" in rendered.html
    assert "<b>Zé</b> & {{ 7*7 }}" in rendered.text


def test_paragraphs_and_line_breaks_are_kept_in_html() -> None:
    """Blank lines part paragraphs; whatever ended the lines, none of it is markup."""
    values = {"title": "t", "body": "um & <i>\r\ndois\r\n\r\n\r\ntrês"}

    html = load_template("newsletter", "pt-BR").render(values, SURROUNDINGS).html

    assert re.search(r"<p [^>]*>um &amp; &lt;i&gt;<br>dois</p><p [^>]*>três</p>", html)


@pytest.mark.parametrize("line_break", ["\r\n", "\n", "\r", "\x00", "\x0b", "\x85", "\u2028", "\t"])
def test_a_line_break_in_a_subject_becomes_a_space(line_break: str) -> None:
    """A variable cannot end the subject's line."""
    values = {"title": f"Oi{line_break}{line_break}Bcc: eve@example.com", "body": "x"}

    rendered = load_template("newsletter", "en").render(values, SURROUNDINGS)

    assert rendered.subject == "Oi Bcc: eve@example.com"


@pytest.mark.parametrize("turn", [*"\u061c\u200e\u200f\u202a\u202e\u2066\u2069"])
def test_nothing_turns_the_direction_of_a_text(turn: str) -> None:
    """Subjects, names and bodies read as they are; a domain is not written backwards."""
    values = {"title": f"Oi{turn}moc", "body": f"a{turn}b", "name": f"Ana{turn}"}
    surroundings = Surroundings(
        brand=Sender.parse(f"Porta{turn}ria <a@b.cd>").brand, link_base="https://portaria.example"
    )

    rendered = load_template("newsletter", "en").render(values, surroundings)

    assert rendered.subject == "Oimoc"
    assert "Hello, Ana!" in rendered.text
    assert turn not in rendered.text + rendered.html


def test_a_reset_promises_nothing_that_the_platform_does_not_know() -> None:
    """Whether a token works twice is the business of whoever takes it."""
    for locale in FALLBACK:
        rendered = load_template("password_reset", locale).render(
            VARIABLES["password_reset"], SURROUNDINGS
        )
        words = " ".join((rendered.text + rendered.html).split())
        assert not re.search(r"uma (só )?vez|\bonce\b", words)


def test_a_long_subject_is_shortened() -> None:
    """At most 200 characters, and it shows that there was more."""
    rendered = load_template("newsletter", "en").render(
        {"title": "á" * 500, "body": "x"}, SURROUNDINGS
    )

    assert rendered.subject == "á" * 199 + "…"


def test_a_missing_and_an_unknown_variable_are_named_without_values() -> None:
    """Both at once; the values may be secrets."""
    with pytest.raises(PermanentError) as caught:
        load_template("activation", "en").render({"name": "Ana", "kode": "482913"}, SURROUNDINGS)

    assert caught.value.reason == "TEMPLATE_VARIABLE"
    assert str(caught.value) == 'variable "code" is missing; variable "kode" is unknown'


@pytest.mark.parametrize("name", ["link_base", "brand", "site"])
def test_a_payload_cannot_set_where_links_lead(name: str) -> None:
    """What the settings say is no variable."""
    with pytest.raises(PermanentError, match=f'"{name}" is unknown'):
        load_template("welcome", "en").render({"name": "Ana", name: "evil.example"}, SURROUNDINGS)


def test_a_subject_of_the_payload_takes_the_place_of_the_variable() -> None:
    """Then the mail is headed by it, and needs no variable of that name."""
    template = load_template("message", "en")

    rendered = template.render({"message": "Hi."}, SURROUNDINGS, subject="On  Monday")

    assert rendered.subject == "On  Monday"
    assert "On  Monday" in rendered.html
    assert {"message"} == template.required(own_subject=False)
    assert {"message", "subject"} == template.required()


def test_a_name_is_greeted_where_it_is_known() -> None:
    """Newsletters and messages take a name, and do without."""
    template = load_template("message", "pt-BR")
    values = {"subject": "s", "message": "m"}

    with_name = template.render({**values, "name": "Rui"}, SURROUNDINGS)
    without = template.render(values, SURROUNDINGS)

    assert {"name"} == template.optional()
    assert "Olá, Rui!" in with_name.text
    assert "Olá" not in without.text + without.html


@pytest.mark.parametrize("name", ["../welcome", "_layout", "", "wellcome"])
def test_a_template_that_does_not_exist_is_a_permanent_error(name: str) -> None:
    """A name is looked up in a list, never in the file system."""
    with pytest.raises(PermanentError) as caught:
        load_template(name, "en")

    assert caught.value.reason == "TEMPLATE_UNKNOWN"


def test_an_expression_that_markup_would_alter_is_found_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quote inside an attribute's expression would reach Jinja as an entity."""
    monkeypatch.setattr("portaria_workers.mail.sources.TEMPLATES", tmp_path)
    (tmp_path / "x").mkdir()
    (tmp_path / "_layout").mkdir()
    (tmp_path / "_layout" / "style.css").write_text("")
    (tmp_path / "x" / "subject.txt").write_text("s")
    (tmp_path / "x" / "text.txt").write_text("t")
    (tmp_path / "_layout" / "footer.txt").write_text("f")
    (tmp_path / "x" / "html.mjml").write_text(
        "<mjml><mj-body><mj-section><mj-column><mj-text>{{ 1 > 0 }}</mj-text></mj-column>"
        "</mj-section></mj-body></mjml>"
    )

    with pytest.raises(ValueError, match="altered in HTML"):
        load_template.__wrapped__("x", "en")


@pytest.mark.parametrize(("name", "locale"), EVERY_MAIL)
def test_samples_fill_every_template_in_every_locale(name: str, locale: str) -> None:
    """All that a preview shows, optional variables included."""
    template, sample = load_template(name, locale), sample_variables(name, locale)

    assert template.faults(sample) == []
    assert template.render(sample, SURROUNDINGS).html


@pytest.mark.parametrize(
    ("severity", "word"), [("info", "Aviso"), ("warning", "Atenção"), ("critical", "Crítico")]
)
def test_an_alert_says_how_bad_it_is(severity: str, word: str) -> None:
    """In the subject and in both bodies, with the facts; markup in them is text."""
    values = {**VARIABLES["alert"], "severity": severity}

    rendered = load_template("alert", "pt-BR").render(values, SURROUNDINGS)

    assert rendered.subject == f"[{word}] Parou"
    assert f">{word}</span>" in rendered.html
    assert "&lt;b&gt;500&lt;/b&gt;" in rendered.html
    assert "Erro: <b>500</b>" in rendered.text
    assert 'href="https://portaria.example/x/y?z=1"' in rendered.html


def test_an_account_mail_has_the_user_in_its_link_where_it_is_known() -> None:
    """And the time that the code is good for."""
    values = {"name": "Inês", "code": "1", "user_id": "a&b", "valid_for": "30 minutos"}

    rendered = load_template("activation", "pt-BR").render(values, SURROUNDINGS)

    assert "https://portaria.example/activate?code=1&user=a%26b\n" in rendered.text
    assert 'href="https://portaria.example/activate?code=1&amp;user=a%26b"' in rendered.html
    assert "O código vale por 30 minutos." in rendered.text


def test_a_newsletter_has_a_way_out_where_there_is_one() -> None:
    """In both bodies."""
    template, values = load_template("newsletter", "pt-BR"), VARIABLES["newsletter"]

    rendered = template.render(values, SURROUNDINGS, unsubscribe="https://portaria.example/u/t")

    assert rendered.text.count("https://portaria.example/u/t") == 1
    assert 'href="https://portaria.example/u/t"' in rendered.html
    assert "Cancelar" not in template.render(values, SURROUNDINGS).html


def test_nothing_that_a_reader_would_not_see_is_left_in_a_text() -> None:
    """Three line breaks in a row would be a hole where a part was left out."""
    for name, locale in EVERY_MAIL:
        for values in (VARIABLES[name], sample_variables(name, locale)):
            assert "\n\n\n" not in load_template(name, locale).render(values, SURROUNDINGS).text
