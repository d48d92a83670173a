"""Durations and labels on the command line."""

from datetime import timedelta

import click
import pytest

from portaria.cli.parameters import labels_of, parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10s", timedelta(seconds=10)),
        ("1h30m", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("1.5h", timedelta(minutes=90)),
        (" 2d ", timedelta(days=2)),
        ("0s", timedelta()),
    ],
)
def test_durations(text, expected):
    """Numbers with units, added up."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "10", "s", "-5s", "5 s", "1h-5m", "10sec", "1e3s", "٣s x"])
def test_what_is_no_duration_is_told_with_an_example(text):
    """A bare number could be anything."""
    with pytest.raises(ValueError, match=r"expected e\.g\. 10s, 1h30m"):
        parse_duration(text)


def test_a_duration_beyond_time_is_refused():
    """An overflow is an answer, not a crash."""
    with pytest.raises(ValueError, match="is too long"):
        parse_duration("9" * 30 + "d")


def test_labels():
    """The first = separates; a value may be empty or hold another one."""
    context, option = click.Context(click.Command("x")), click.Option(["--label"])

    labels = labels_of(context, option, ("team=billing", "note=a=b", "empty="))

    assert labels == {"team": "billing", "note": "a=b", "empty": ""}
    for wrong, said in [(("team",), "is not KEY=VALUE"), (("a=1", "a=2"), "given twice")]:
        with pytest.raises(click.BadParameter, match=said):
            labels_of(context, option, wrong)
