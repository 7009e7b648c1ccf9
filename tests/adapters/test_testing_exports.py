from __future__ import annotations

import subprocess
import sys

import pytest

import workflow.testing


def test_what_is_promised_is_there() -> None:
    assert sorted(workflow.testing.__all__) == workflow.testing.__all__
    for name in workflow.testing.__all__:
        assert getattr(workflow.testing, name).__doc__
    with pytest.raises(AttributeError):
        workflow.testing.NoSuchContract  # noqa: B018 - asking is the test.


def test_only_the_contracts_need_pytest() -> None:
    """Who runs a demo from the wheel has no pytest."""
    program = (
        "import sys, workflow.testing; assert 'pytest' not in sys.modules;"
        "workflow.testing.KeysContract; assert 'pytest' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
