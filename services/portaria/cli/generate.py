"""portaria generate."""

from importlib.util import find_spec
from pathlib import Path

import click

from portaria.cli.exits import Exit, Refused

_NEEDED = ("grpc_tools", "mypy_protobuf", "protovalidate")


@click.command()
@click.argument(
    "root", metavar="PROTO_ROOT", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the Python packages begin. Default: the current folder.",
)
@click.option(
    "--image",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write this one file instead, from which buf generates clients in other languages.",
)
@click.option("--under", default="", metavar="FOLDER", help="Only this folder of PROTO_ROOT.")
def generate(root: Path, out: Path | None, image: Path | None, under: str) -> int:
    """Makes Python stubs, type hints and façades from .proto files.

    Files are named relative to PROTO_ROOT, and a file's folder there is its Python package:
    acme_jobs/stock/v1/stock.proto becomes acme_jobs/stock/v1/stock_pb2.py below --out. Each domain
    gets a typed service, stock_service.proto, beside the messages of its job types.

    An image holds the files of PROTO_ROOT, the API of the door and all that they import.
    """
    if any(find_spec(module) is None for module in _NEEDED):
        words = "portaria generate needs the extra \"codegen\": pip install 'portaria[codegen]'"
        raise Refused(words, Exit.INVALID)
    from portaria.codegen.generate import GenerateError

    if out and image:
        raise Refused("--out is for Python, --image for others: give one of them", Exit.INVALID)
    folder = root / under
    if not folder.is_dir():
        raise Refused(f"{folder}: no such folder", Exit.INVALID)
    if next(folder.rglob("*.proto"), None) is None:
        raise Refused(f"{folder}: holds no .proto file", Exit.INVALID)
    try:
        written = _image(root, image, under) if image else _python(root, out or Path(), under)
    except GenerateError as error:
        raise Refused(f"cannot generate from {folder}:\n{error}", Exit.INVALID) from None
    for path in written:
        click.echo(path)
    return Exit.OK


def _python(root: Path, out: Path, under: str) -> list[Path]:
    from portaria.codegen import generate as write

    out.mkdir(parents=True, exist_ok=True)
    return write(root, out, under=under)


def _image(root: Path, path: Path, under: str) -> list[Path]:
    from portaria.codegen.generate import image

    made = image(root, under=under, for_callers=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(made.SerializeToString(deterministic=True))
    return [path]
