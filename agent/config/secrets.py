"""Secrets by name, and the one the gateway makes for itself: the pepper."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

import structlog

from agent.config.pepper import NotACredential, Pepper
from agent.config.text import read_text
from agent.errors import ConfigError

log = structlog.get_logger()

PEPPER = "pepper"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Secrets:
    """Secrets by name: one file each, readable by nobody else. Values are never logged or put into errors."""

    def __init__(self, *, directory: Path) -> None:
        self._directory = directory
        self._pepper: Pepper | None = None

    def get(self, name: str) -> str:
        """The value, without its final newline. systemd credentials come before the directory."""
        value = self._find(name)
        if value is None:
            raise ConfigError(f"secret {name} is not set; set it with: nightporter agent secret set {name}")
        return value

    def set(self, name: str, value: str) -> None:
        """Write a value atomically, mode 0600."""
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} is not a name for a secret: small letters, digits and single hyphens")
        if name == PEPPER:
            _read_pepper(value)
        try:
            self._write(name, value).replace(self._directory / name)
        except OSError as error:
            raise ConfigError(f"secret {name} cannot be written to {self._directory}: {error.strerror}") from None

    @property
    def has_pepper(self) -> bool:
        """Whether the pepper was made already; codes made before it was are worth nothing."""
        return self._find(PEPPER) is not None

    def pepper(self) -> Pepper:
        """The pepper; made now, if it never was. ConfigError when it cannot be read or kept."""
        if self._pepper is None:
            text = self._find(PEPPER)
            self._pepper = self._make_pepper() if text is None else _read_pepper(text)
        return self._pepper

    def pepper_to_run_with(self, *, digests: bool) -> Pepper:
        """The pepper for a running agent. Nothing else of the building stands still for it: where a new one cannot be
        kept, or where the site has `digests` that were made with one that is gone, there is one for this run, and no
        code is known. ConfigError when there is one that cannot be read."""
        if self._pepper is None and not self.has_pepper:
            if digests:
                log.error("pepper.missing", next="put the secret back, or make every code and card anew: agent code")
                self._pepper, _ = Pepper.fresh()
                return self._pepper
            try:
                return self.pepper()
            except ConfigError as error:
                log.warning("pepper.not_kept", reason=str(error), next="make it: nightporter agent code")
                self._pepper, _ = Pepper.fresh()
        return self.pepper()

    def _find(self, name: str) -> str | None:
        given = os.environ.get("CREDENTIALS_DIRECTORY")
        if given and (Path(given) / name).is_file():  # systemd guards these; an ACL of its own shows as group rights
            return read_text(Path(given) / name, f"secret {name}:").removesuffix("\n")
        path = self._directory / name
        if not path.is_file():
            return None
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigError(f"secret {name}: {path} can be read by others; chmod 600 {path}")
        return read_text(path, f"secret {name}:").removesuffix("\n")

    def _make_pepper(self) -> Pepper:
        made, text = Pepper.fresh()
        target = self._directory / PEPPER
        temporary: Path | None = None
        try:
            temporary = self._write(f"{PEPPER}.{os.urandom(4).hex()}", text)
            os.link(temporary, target)  # unlike a rename, this never replaces one that another process made just now
        except FileExistsError:
            return _read_pepper(self.get(PEPPER))
        except OSError as error:
            raise ConfigError(f"the pepper cannot be written to {self._directory}: {error.strerror}") from None
        finally:
            if temporary is not None:
                with suppress(OSError):
                    temporary.unlink()
        self._sync()
        return made

    def _write(self, name: str, value: str) -> Path:
        """A new file beside its place, on the disk."""
        temporary = self._directory / f".{name}.new"
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        if os.geteuid() == 0:  # set by root, it is still for whoever owns the directory: the agent
            owner = self._directory.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        return temporary

    def _sync(self) -> None:
        """The name is on the disk too: every code of the building hangs on it."""
        with suppress(OSError):
            descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _read_pepper(text: str) -> Pepper:
    try:
        return Pepper.read(text)
    except NotACredential as error:
        raise ConfigError(f"secret {PEPPER}: {error}; put back the one the codes of this site were made with") from None
