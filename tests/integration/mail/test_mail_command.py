"""`portaria mail`."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from portaria.cli.app import app
from portaria_workers.mail.sources import FALLBACK, template_names


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine's."""
    monkeypatch.setenv("PORTARIA_DATA_DIR", str(tmp_path / "data"))


def portaria(*words: str) -> Result:
    return CliRunner().invoke(app, ["mail", *words])


def test_a_list_names_the_mails_and_their_variables() -> None:
    """Optional ones in brackets."""
    lines = portaria("list").output.splitlines()

    assert [line.split()[0] for line in lines] == template_names()
    assert "activation      code name [user_id] [valid_for]" in lines


@pytest.mark.parametrize("locale", list(FALLBACK))
def test_a_preview_is_written_of_every_mail(locale: str, tmp_path: Path) -> None:
    """As page, as text, and as the message that would be sent."""
    for name in template_names():
        result = portaria("preview", name, "--locale", locale, "--out", str(tmp_path / "out"))
        assert result.exit_code == 0, result.output

    assert len(list((tmp_path / "out").iterdir())) == 3 * len(template_names())
    page = (tmp_path / "out" / f"activation.{locale}.html").read_text()
    assert "482913" in page
    assert not re.search(r"\{\{|\{%", page)
    mail = message_from_bytes(
        (tmp_path / "out" / f"welcome.{locale}.eml").read_bytes(), policy=policy.default
    )
    assert mail["Subject"].startswith("Ana")


def test_variables_stand_over_the_samples(tmp_path: Path) -> None:
    """For trying out a long name."""
    out = ("--out", str(tmp_path))
    result = portaria("preview", "welcome", *out, "--variables", '{"name": "Zé <b>"}')

    assert result.exit_code == 0, result.output
    assert "Zé &lt;b&gt;" in (tmp_path / "welcome.pt-BR.html").read_text()
    assert (tmp_path / "welcome.pt-BR.txt").read_text().startswith("Zé <b>")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["wellcome"], "there are activation, alert, "),
        (["welcome", "--locale", "fr"], "'fr' is not one of"),
        (["welcome", "--variables", "{"], "is no JSON"),
        (["welcome", "--variables", "[]"], "is no JSON object"),
        (["welcome", "--variables", '{"x": "y"}'], '"x" is unknown'),
        (["welcome", "--variables", '{"name": 5}'], 'variable "name" must be text'),
        (["welcome", "--variables", '{"name": null}'], 'variable "name" must be text'),
        (["newsletter", "--variables", '{"body": ["x"]}'], 'variable "body" must be text'),
        (["alert", "--variables", '{"facts": "x"}'], 'variable "facts" must be a list'),
        (["alert", "--variables", '{"facts": [["a"]]}'], '"facts[0]" must be a list of 2'),
        (["alert", "--variables", '{"facts": [["a", 1]]}'], '"facts[0][1]" must be text'),
        (["document", "--variables", '{"documents": ["x"]}'], '"documents[0]" must be an object'),
        (["document", "--variables", '{"message": {}}'], 'variable "message" must be text'),
    ],
)
def test_what_is_wrong_is_said(words: list[str], text: str, tmp_path: Path) -> None:
    """Without a trace, and without files."""
    result = portaria("preview", *words, "--out", str(tmp_path / "out"))

    assert result.exit_code == 2
    assert text in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_a_preview_makes_no_key_and_touches_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mail that goes to a list shows how it is left all the same; no other one is left."""
    monkeypatch.setenv("PORTARIA_UNSUBSCRIBE_URL", "https://portaria.example/u")
    for name in template_names():
        assert portaria("preview", name, "--out", str(tmp_path / "out")).exit_code == 0

    assert not (tmp_path / "data").exists()
    leaving = [
        path.name.partition(".")[0]
        for path in (tmp_path / "out").glob("*.eml")
        if message_from_bytes(path.read_bytes())["List-Unsubscribe"]
    ]
    assert leaving == ["newsletter"]
    assert "https://portaria.example/u/" in (tmp_path / "out/newsletter.pt-BR.html").read_text()
