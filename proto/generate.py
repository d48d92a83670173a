"""Regenerates everything that is derived from proto/: `make proto`."""

from pathlib import Path

HERE = Path(__file__).parent


def main(top: Path = HERE.parent) -> None:
    """Writes façades, stubs and hints below `top`, which is laid out like the project."""
    from portaria.codegen.generate import generate, write_validate_stub

    write_validate_stub(top / "services")
    generate(top / "proto", top / "services", under="portaria")
    generate(top / "proto", top / "workers", under="portaria_workers")
    for package in ("acme_jobs", "bank_jobs"):
        generate(top / "tests/fixtures", top / "tests/fixtures", under=package)


if __name__ == "__main__":
    main()
