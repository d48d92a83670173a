"""portaria completion."""

import click
from click.shell_completion import get_completion_class

_WHERE = """\b
Put one of these into your shell's own file:
  ~/.bashrc                   eval "$(portaria completion bash)"
  ~/.zshrc                    eval "$(portaria completion zsh)"
  ~/.config/fish/config.fish  portaria completion fish | source"""


@click.command(epilog=_WHERE)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Prints the script by which SHELL completes commands and options."""
    kind = get_completion_class(shell)
    assert kind is not None, shell
    # Not source(): of bash, it would start one to look at its version.
    script = kind(ctx.find_root().command, {}, "portaria", "_PORTARIA_COMPLETE")
    click.echo(kind.source_template % script.source_vars())
