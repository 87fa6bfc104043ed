"""A question that an experiment answers."""

from __future__ import annotations

from dataclasses import dataclass

YES, NO, OPEN = "yes", "no", "undecided"


@dataclass(frozen=True)
class Answer:
    """One question and its answer.

    Attributes
    ----------
    question : str
        The question.
    word : str
        The answer, ``yes``, ``no`` or ``undecided`` if that is enough.
    sentence : str
        The reason, with numbers and intervals.
    """

    question: str
    word: str
    sentence: str

    def to_markdown(self) -> str:
        """Return the answer as a point of a list.

        Returns
        -------
        str
            In one line.
        """
        return f"- {self.question} **{self.word.capitalize()}.** {self.sentence}"
