"""`relay backup` and `relay restore` as a person or a program sees them."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from typing import Any

from relay import backup, restore
from relay.backup import Progress
from relay.config import Config
from relay.restored import shown


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, in sentences and as facts."""

    lines: tuple[str, ...]
    facts: dict[str, Any]


def run(config: Config, arguments: argparse.Namespace, say: Progress) -> Done:
    """The verb in `arguments`. Errors are RelayErrors."""
    if arguments.verb == "backup":
        return _backed_up(config, arguments, say)
    return _restored(config, arguments, say)


def _backed_up(config: Config, arguments: argparse.Namespace, say: Progress) -> Done:
    made = backup.back_up(config, arguments.file.absolute(), media=arguments.media, say=say)
    media = "with" if made.media else "without"
    return Done(
        (
            f"{arguments.file}: relay {made.relay} as of {shown(made.made)}, {media} its {made.blobs} pictures and "
            f"recordings ({made.blob_bytes} bytes)",
            "It holds all accounts and incidents: keep it as you keep a key. relay.yaml, the secrets and the identity "
            "are not in it.",
        ),
        asdict(made),
    )


def _restored(config: Config, arguments: argparse.Namespace, say: Progress) -> Done:
    done = restore.restore(config, arguments.file.absolute(), say=say)
    made = done.manifest
    lines = [f"relay {made.relay} is as it was on {shown(made.made)}; {done.gateways} gateways fill in what came since"]
    if done.kept is not None:
        lines.append(f"what was here is kept as {done.kept}; remove it when all is well")
    lines += [
        f"{done.media} pictures and recordings were put back"
        if made.media
        else "this backup has no pictures and recordings: gateways that still have theirs send them again",
        "Everybody signs in again. Who was disabled or which gateway was locked since then is not any more: look now.",
        "Start the relay; nightporter relay status shows who has come back.",
    ]
    kept = str(done.kept) if done.kept else None
    facts = {
        "relay": made.relay, "made": made.made, "restored": done.restored.until, "kept": kept, "media": done.media,
        "gateways": done.gateways,
    }  # fmt: skip
    return Done(tuple(lines), facts)
