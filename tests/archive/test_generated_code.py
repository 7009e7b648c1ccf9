"""The generated code is what the schemas say: run ``make proto`` when this fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ARCHIVE = Path(__file__).parents[2] / "workflow" / "archive"


def test_pb_is_generated_from_proto(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools, which generates the code, is not here")
    pytest.importorskip("mypy_protobuf", reason="mypy-protobuf, which types it, is not here")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"-I{ARCHIVE / 'proto'}",
            f"--python_out={tmp_path}",
            f"--mypy_out={tmp_path}",
            *map(str, sorted((ARCHIVE / "proto").glob("*.proto"))),
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"},
    )
    generated = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_bytes() for path in (ARCHIVE / "pb").glob("*_pb2.py*")}
    assert sorted(generated) == sorted(committed)
    assert generated == committed
