"""Recipients from CSV."""

from __future__ import annotations

from pathlib import Path

import pytest

from portaria.core.errors import InvalidRequest
from portaria_workers.mail.recipients import parse_recipients, read_recipients, sample_recipients
from portaria_workers.mail.sandbox.faults import fault_of


def faults_of(text: str) -> list[str]:
    """What is wrong with a file, each as `where: why`."""
    with pytest.raises(InvalidRequest) as caught:
        parse_recipients(text.splitlines(keepends=True))
    return [f"{each.field}: {each.description}" for each in caught.value.violations]


def test_columns_beside_the_address_become_variables() -> None:
    """Cells are trimmed, an empty one leaves its variable out, blank lines do not count."""
    lines = [
        "name,address,city\n",
        "\n",
        ' Ana , ana@example.com ,"Lisboa, PT"\n',
        ",rui@b.example,\n",
    ]

    ana, rui = parse_recipients(lines)

    assert (
        ana.address,
        dict(ana.variables),
    ) == ("ana@example.com", {"name": "Ana", "city": "Lisboa, PT"})
    assert (rui.address, dict(rui.variables)) == ("rui@b.example", {})


def test_everything_wrong_with_the_rows_is_told_at_once() -> None:
    """Row numbers are those of the file's lines; no value is shown."""
    text = (
        'address,name\nana@,Ana\n\n"rui@b.example","two\nlines"\n,Eva\nu@c.example,Ulisses,more\n'
    )

    assert faults_of(text) == [
        "row 2, column address: is not an e-mail address",
        "row 6, column address: is empty",
        "row 7: has more cells than the header",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 'row 1: there is no column "address"'),
        ("address\n", "row 2: the file names no recipients"),
        ("name,mail\nAna,a@b.example\n", 'row 1: there is no column "address"'),
        ("address,name,name\na@b.example,x,y\n", 'row 1, column 3: there are two columns "name"'),
        ("address" + ",name" * 300_000, "row 1: has more than 64 variables"),
        (
            "address,First Name\na@b.example,Ana\n",
            'row 1, column 2: "First Name" is not named like a_variable, in lower case',
        ),
        (
            "address, name\na@b.example,Ana\n",
            'row 1, column 2: " name" is not named like a_variable, in lower case',
        ),
        (
            "address,a\u202eb\n",
            'row 1, column 2: "a\\u202eb" is not named like a_variable, in lower case',
        ),
        # Without a header, the first row holds somebody's address.
        (
            "address,ana@example.com\n",
            "row 1, column 2: it is not named like a_variable, in lower case",
        ),
        (
            "address;name\na@b.example;Ana\n",
            "row 1: columns are parted by commas, and these by semicolons",
        ),
        (
            "address\tname\na@b.example\tAna\n",
            "row 1: columns are parted by commas, and these by tabs",
        ),
        ('address\n"a@b.example\n', "row 2: unexpected end of data"),
    ],
)
def test_a_file_without_the_right_columns_is_refused(text: str, expected: str) -> None:
    """The header decides what cells mean, so nothing is read past a wrong one."""
    assert [expected] == faults_of(text)


def test_at_most_twenty_violations_are_listed() -> None:
    """A file that is wrong throughout does not make an endless answer."""
    assert len(faults_of("address\n" + "nobody\n" * 500)) == 20


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """Latin-1 would turn names into other names."""
    path = tmp_path / "recipients.csv"
    path.write_bytes("address,name\nines@example.com,Inês\n".encode("latin-1"))

    with pytest.raises(InvalidRequest, match="is not UTF-8"):
        read_recipients(path)


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    """Spreadsheets write one."""
    path = tmp_path / "recipients.csv"
    path.write_text("\ufeffaddress\nana@example.com\n", encoding="utf-8")

    assert [each.address for each in read_recipients(path)] == ["ana@example.com"]


def test_the_sample_has_three_hundred_people_one_of_them_refused() -> None:
    """What the demo sends: invented people at reserved domains, one refused by the sandbox."""
    people = read_recipients(sample_recipients())
    addresses = {person.address for person in people}

    assert 300 == len(people) == len(addresses)
    assert [each for each in addresses if fault_of(each)] == ["refuse+550@example.com"]
    assert all(person.variables["name"] for person in people)
    domains = {address.rpartition("@")[2] for address in addresses}
    assert all(
        domain.endswith(".example") or domain in {"example.com", "example.net", "example.org"}
        for domain in domains
    )
