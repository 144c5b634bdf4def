"""Checks of an exported file."""

from __future__ import annotations

import pytest

from training.layers.onnx_export import require_parity


def test_an_export_that_differs_is_refused() -> None:
    with pytest.raises(ValueError, match="'logits'"):
        require_parity({"logits": 0.2}, 0.05)
    with pytest.raises(ValueError, match="nan"):
        require_parity({"logits": float("nan")}, 0.05)
