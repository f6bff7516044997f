"""`relay bundle key | import`: what the person with the USB stick does."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from certs import envelope
from certs.errors import CertsError
from relay.bundles.errors import BundleError
from relay.bundles.mailbox import answers, incoming
from relay.errors import ConfigError

_LOOK = 0.2


class NotYet(BundleError):
    """It is laid ready, and nobody took it up: the relay does not run."""

    permanent = False


def key(data: Path) -> int:
    """Print the recipient that gateways encrypt their bundles for; made at first need."""
    try:
        print(envelope.recipient_of(data))
    except CertsError as error:
        raise ConfigError(str(error)) from None
    except OSError as error:
        raise ConfigError(f"the key cannot be kept in {data}: {error.strerror}") from None
    return 0


def bring(data: Path, bundle: Path, *, patience: float) -> int:
    """Lay a bundle ready for the running relay, wait for its answer, and put the receipt beside the bundle. Exit 0, or
    1 when not all of it was good. NotYet after `patience` seconds without anybody taking it up."""
    folder = data / "bundles"
    if not incoming(folder).is_dir():
        raise ConfigError(
            f"{incoming(folder)} is not there: the relay has not run with a gateways' listener over TLS, or this is "
            "not its user"
        )
    problem, receipt = (answers(folder) / f"{bundle.name}{ending}" for ending in (".problem", ".receipt"))
    try:
        for old in (problem, receipt):
            old.unlink(missing_ok=True)
        _lay(bundle, incoming(folder))
    except OSError as error:
        raise ConfigError(f"{error.filename or bundle}: {error.strerror}; run this as the relay's user") from None
    waiting = incoming(folder) / bundle.name
    end = time.monotonic() + patience
    while waiting.exists():
        if time.monotonic() > end:
            raise NotYet(
                f"{bundle.name} is laid ready; it is taken in, and answered in {answers(folder)}, when the relay runs"
            )
        time.sleep(_LOOK)
    if receipt.exists():
        back = bundle.with_name(f"{bundle.name}.receipt")
        try:
            shutil.copyfile(receipt, back)
        except OSError:  # a medium that cannot be written: it stays where it is
            back = receipt
        print(f"carry this back to the gateway: {back}")
        print(f"and there: nightporter agent bundle receipt {back.name}")
    if problem.exists():
        print(problem.read_text(), file=sys.stderr)
        return 1
    return 0


def _lay(bundle: Path, folder: Path) -> None:
    aside = folder / f".{bundle.name}.part"
    try:
        with bundle.open("rb") as source, aside.open("wb") as target:
            shutil.copyfileobj(source, target, 1_048_576)
            target.flush()
            os.fsync(target.fileno())
        aside.rename(folder / bundle.name)
    finally:
        aside.unlink(missing_ok=True)
