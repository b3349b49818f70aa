"""What a killed process told is read as far as it was told whole."""

from __future__ import annotations

import io

import pytest
from told_lines import told


def test_a_torn_acknowledgement_is_none_and_the_end_is_heard() -> None:
    output = io.BytesIO(b'{"acked": 1}\n{"acked": [2, 3\n{"exit": -9}\n')
    assert [told(output), told(output), told(output)] == [{"acked": 1}, {"exit": -9}, None]


def test_a_torn_line_of_a_process_that_goes_on_is_an_error() -> None:
    output = io.BytesIO(b'{"acked": [2, 3\n{"acked": 4}\n')
    with pytest.raises(ValueError, match="no JSON"):
        told(output)
