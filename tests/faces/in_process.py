"""The command line in this process: the same ``main``, without a second for an interpreter."""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from loguru import logger

from tests.faces.command_line import CommandLine, Said, check_json
from workflow import cli


@dataclass(frozen=True)
class InProcess:
    """Runs a command on one data directory, and says what a process would have said."""

    data_dir: Path

    def __call__(self, *arguments: str) -> Said:
        streams = io.BytesIO(), io.BytesIO()
        out, err = (io.TextIOWrapper(one, "utf-8", write_through=True) for one in streams)
        variables = {**CommandLine(self.data_dir).variables, "COLUMNS": "80"}
        with (
            mock.patch.dict(os.environ, variables),
            mock.patch.object(sys, "argv", ["community-archives", *arguments]),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                cli.main()
                code: object = 0
            except SystemExit as end:
                code = end.code or 0
            finally:
                logger.remove()  # 'run' logs to a stream that is gone now.
        told, noted = (one.getvalue().decode() for one in streams)
        said = Said(told, noted, int(str(code)))
        assert "Traceback" not in said.err, said.err
        assert "\x1b" not in said.out + said.err, "no colour where nobody looks"
        check_json(arguments, said.out)
        return said
