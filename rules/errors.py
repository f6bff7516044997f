"""What can go wrong in the kernel. Nothing here is worth a retry: the same input fails the same way."""

from __future__ import annotations

from dataclasses import dataclass


class RulesError(Exception):
    """Root of the kernel's errors. `permanent` says that trying again cannot help."""

    permanent = True


class WireError(RulesError):
    """Bytes that are not a wire v1 message; the text says which rule they break, never their content."""


class SnapshotError(RulesError):
    """A snapshot that this engine cannot restore: another version, another site, or damaged."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a document: `line` and `column` count from 1; `path` is dotted (`rules.0.then.1`)."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class DocumentError(RulesError):
    """Every mistake found in one document, in the order of its lines."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.line, problem.column))
        super().__init__("\n".join(str(problem) for problem in self.problems))
