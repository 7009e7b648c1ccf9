from __future__ import annotations

import pytest

from workflow.adapters.keys import forms


@pytest.fixture
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encrypting and opening take a millisecond. ``test_key_forms.py`` has the real rounds."""
    monkeypatch.setattr(forms, "ROUNDS", 1000)
