"""A group of commands whose modules are imported only when they are asked for."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A command that is not imported yet."""

    target: str
    """ "module:attribute" of a click command."""
    help: str
    """One line for the list of commands."""
    extra: str
    """The extra of the distribution that brings what it needs."""
    section: str


class LazyGroup(click.Group):
    """A click group over a table of entries; its help imports none of them."""

    def __init__(self, *args: Any, entries: Mapping[str, Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entries = dict(entries)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports a command. Raises ClickException where its extra is not installed."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        try:
            command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as missing:
            if is_ours(missing):
                raise
            raise click.ClickException(lacks(cmd_name, entry)) from None
        assert isinstance(command, click.Command), entry.target
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Fails with the nearest name for one that does not exist."""
        name = args[0]
        near = difflib.get_close_matches(name, self.entries, n=1)
        if near and name not in self.entries and not name.startswith("-"):
            ctx.fail(f'no such command "{name}"; did you mean "{near[0]}"?')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, by section."""
        width = max(map(len, self.entries))
        for section in dict.fromkeys(entry.section for entry in self.entries.values()):
            with formatter.section(section):
                formatter.write_dl(
                    [
                        (name.ljust(width), entry.help)
                        for name, entry in self.entries.items()
                        if entry.section == section
                    ]
                )


def is_ours(missing: ModuleNotFoundError) -> bool:
    """Whether a module is missing that no extra would bring."""
    return (missing.name or "").partition(".")[0] == "portaria"


def lacks(name: str, entry: Entry) -> str:
    """What to do about a command whose libraries are not installed."""
    return (
        f"portaria {name} needs the extra \"{entry.extra}\": pip install 'portaria[{entry.extra}]'"
    )
