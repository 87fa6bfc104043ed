"""What the summaries of all reproductions promise."""

from typing import Any


def check_it_fits_a_terminal(result: Any) -> None:
    """Tables of at most 80 columns; the answers, which the terminal shows, are the verdicts without a table."""
    bars = dict.fromkeys(map(ord, "\u0304\u0303"))  # over a letter, where they take no room
    lines = [line.translate(bars) for line in result.summary.splitlines() if line.startswith("|")]
    assert lines
    assert [line for line in lines if len(line) > 80] == []
    head = result.answers
    assert "|\n" not in head
    assert head.rstrip().splitlines()[-1].startswith("- ")  # the last of the verdicts
