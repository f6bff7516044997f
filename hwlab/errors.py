"""What can go wrong in the lab."""

from __future__ import annotations


class LabError(Exception):
    """Root of the lab's errors: what happened, where, what to do next. `permanent`: trying again cannot help."""

    permanent = True


class NotReady(LabError):
    """A part of the lab did not answer in time; trying again may help."""

    permanent = False


class MissingProgram(LabError):
    """A program that the lab drives is not installed here."""


class DocumentError(LabError):
    """Mistakes in a document, one `file:line:column: path: what` a line."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))
