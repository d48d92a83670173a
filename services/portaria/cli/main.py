"""The entry point of `portaria`: finds the command, turns what goes wrong into words and a code."""

import sys


def main() -> None:
    """Runs the command that the arguments name, and exits."""
    try:
        from portaria.cli.app import app
        from portaria.cli.running import run
    except KeyboardInterrupt:
        sys.exit(130)  # Exit.INTERRUPTED, which is not loaded yet
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("portaria"):
            raise
        sys.exit("the portaria command needs the extra \"cli\": pip install 'portaria[cli]'")
    sys.exit(run(app, sys.argv[1:]))


if __name__ == "__main__":
    main()
