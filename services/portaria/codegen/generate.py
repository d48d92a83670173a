"""Runs protoc: façades first, then messages, gRPC stubs and their type hints."""

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from portaria.codegen import dependencies
from portaria.codegen.facade import facades, is_facade

# What no job type imports, and every caller has a use for.
_FOR_CALLERS = (
    "google/rpc/error_details.proto",
    "portaria/v1/errors.proto",
    "portaria/v1/jobs_service.proto",
)


class GenerateError(Exception):
    """protoc refused the input; the text is its own."""


def generate(root: Path, out: Path, *, under: str = "") -> list[Path]:
    """Writes façade protos into `root` and Python stubs into `out`; answers what it wrote.

    `root` is an import root: files are named relative to it, and a file's folder is its Python
    package. `under` narrows the work to one folder of it. Packages get an `__init__.py` where they
    have none. Raises GenerateError with protoc's words.
    """
    platform = not (root / "portaria/v1/job_type.proto").exists()
    with tempfile.TemporaryDirectory() as scratch:
        known = Path(scratch) / "known.binpb"
        dependencies.write(known, platform=platform)
        names = [path for path in _protos(root, under) if not _is_facade(root, path)]
        written = _write_facades(root, names, known)
        names = _protos(root, under)
        with_service = [name for name in names if _has_service(root / name)]
        _protoc(root, known, [f"--python_out={out}", f"--mypy_out={out}"], names)
        if with_service:
            _protoc(
                root, known, [f"--grpc_python_out={out}", f"--mypy_grpc_out={out}"], with_service
            )
    written += _packages(out, names)
    for name in names:
        stem = out / name.removesuffix(".proto")
        suffixes = ["_pb2.py", "_pb2.pyi"]
        suffixes += ["_pb2_grpc.py", "_pb2_grpc.pyi"] if name in with_service else []
        written += [stem.with_name(stem.name + suffix) for suffix in suffixes]
    return written


def image(root: Path, *, under: str = "", for_callers: bool = False) -> FileDescriptorSet:
    """All files under `root` with their imports and comments, as buf reads them.

    `for_callers` adds what a client needs besides job types, and leaves out what is internal.
    Raises GenerateError with protoc's words.
    """
    names = _protos(root, under)
    if for_callers:
        public = (name for name in names if not name.startswith("portaria/internal/"))
        names = sorted({*public, *_FOR_CALLERS})
    with tempfile.TemporaryDirectory() as scratch:
        known, target = Path(scratch) / "known.binpb", Path(scratch) / "image.binpb"
        dependencies.write(known, platform=not (root / "portaria/v1/job_type.proto").exists())
        flags = [f"--descriptor_set_out={target}", "--include_imports", "--include_source_info"]
        _protoc(root, known, flags, names)
        return FileDescriptorSet.FromString(target.read_bytes())


def write_validate_stub(out: Path) -> None:
    """Generates buf/validate/validate_pb2.py, which every generated stub imports."""
    with tempfile.TemporaryDirectory() as scratch:
        known = Path(scratch) / "known.binpb"
        dependencies.write(known, platform=False)
        flags = [f"--python_out={out}", f"--mypy_out={out}"]
        _protoc(Path(scratch), known, flags, ["buf/validate/validate.proto"])


def _protos(root: Path, under: str) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in (root / under).rglob("*.proto"))


def _is_facade(root: Path, name: str) -> bool:
    return is_facade(name, (root / name).read_text())


def _has_service(path: Path) -> bool:
    return any(line.startswith("service ") for line in path.read_text().splitlines())


def _write_facades(root: Path, names: list[str], known: Path) -> list[Path]:
    written = []
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "types.binpb"
        flags = [f"--descriptor_set_out={target}", "--include_imports"]
        _protoc(root, known, flags, names)
        files = FileDescriptorSet.FromString(target.read_bytes()).file
    pool = _pool(files)
    for name, text in facades(pool.FindFileByName(name) for name in names).items():
        path = root / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
        written.append(path)
    return written


def _pool(files: Iterable[FileDescriptorProto]) -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in files:
        pool.Add(file)
    return pool


def _packages(out: Path, names: list[str]) -> list[Path]:
    """An __init__.py in each folder that received stubs, down from the outermost package."""
    made = []
    for folder in sorted({parent for name in names for parent in Path(name).parents}):
        init = out / folder / "__init__.py"
        if str(folder) != "." and not init.exists():
            init.touch()
            made.append(init)
    return made


def _protoc(root: Path, known: Path, flags: list[str], names: list[str]) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--descriptor_set_in={known}"]
    if root.exists() and any(root.iterdir()):
        command.append(f"-I{root}")
    plugins = Path(sys.executable).parent
    command += [
        f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
    ]
    done = subprocess.run(  # noqa: S603 - our own interpreter, names from the file system
        [*command, *flags, *names], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise GenerateError(done.stderr.strip())
