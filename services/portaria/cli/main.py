"""The entry point of `portaria`: finds the command, turns what goes wrong into words and a code."""

import gc
import sys

from portaria.core.collector import collect_seldom


def main() -> None:
    """Runs the command that the arguments name, and exits."""
    collect_seldom()
    try:
        from portaria.cli.app import app
        from portaria.cli.running import run
    except KeyboardInterrupt:
        sys.exit(130)  # Exit.INTERRUPTED, which is not loaded yet
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("portaria"):
            raise
        sys.exit("the portaria command needs the extra \"cli\": pip install 'portaria[cli]'")
    code = run(app, sys.argv[1:])
    gc.freeze()  # or the interpreter looks through all of it once more, to no end
    sys.exit(code)


if __name__ == "__main__":
    main()
