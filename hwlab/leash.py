"""Runs a program that dies with the process that started it: `python -I -S leash.py PARENT PROGRAM ARG...`.

A program of its own, and not a hook between fork and exec, because no Python may run there once a process has threads.
Linux keeps the parent-death signal across exec, so the program replaces this one under the same process id.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> int:
    parent, program = int(argv[0]), argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.stderr.write(f"leash: prctl failed: {os.strerror(ctypes.get_errno())}\n")
        return 71
    if os.getppid() != parent:  # it died before we asked to be told
        return 0
    try:
        os.execvp(program[0], program)  # noqa: S606 - no shell is the point
    except OSError as error:
        sys.stderr.write(f"leash: {program[0]} cannot be run: {error.strerror}\n")
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
