"""The media disk fills up: for weeks without a relay, from outside, and while whoever deletes is killed. Nothing
that must stay is ever deleted, what goes is the oldest that may, and alarms go on with a still each."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.retention import eviction as evicting
from agent.retention import plan as planning
from agent.store.footage import Going
from agent.store.footage_rows import FootageRows
from hwlab.broker import Broker
from hwlab.cameras import Cameras, CameraSpec
from hwlab.child import Child
from hwlab.journal import Journal
from hwlab.sensors import Contact
from rules.units import HOUR
from tests.chaos.building_rig import building
from tests.chaos.ledger import Ledger
from tests.integration.agent_process import SITE, USERS, Agent
from tests.unit.retention_rig import Disk, disk

LIMIT = 3_000_000
HIGH, LOW = LIMIT * 90 // 100, LIMIT * 85 // 100


# --- weeks of synthetic footage, judged by somebody who only keeps a list ---------------------------------------------


@dataclass
class Memory:
    """What somebody would remember who saw all that was recorded, synced, held and released."""

    order: list[str] = field(default_factory=list)  # as they were recorded
    synced: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    judged: int = 0

    def must_stay(self, incident: str) -> bool:
        return incident in self.held or incident not in self.synced

    async def judge(self, it: Disk) -> int:
        """How many rules were broken since the last time; what went is forgotten."""
        broken = 0
        went = (await it.gone())[self.judged :]
        self.judged += len(went)
        for incident in went:
            broken += self.must_stay(incident)
            oldest = next((one for one in self.order if not self.must_stay(one)), None)
            broken += incident != oldest
            if incident in self.order:
                self.order.remove(incident)
        files, rows = it.files(), await it.rows()
        broken += sum(not files.issuperset(it.blobs[incident]) for incident in self.order)
        broken += len(files ^ rows)
        used = (await it.retention._rows.total())[1]
        if used > HIGH:
            broken += any(not self.must_stay(incident) for incident in self.order)
        return broken


async def weeks(it: Disk, chance: random.Random, steps: int, *, until_broken: bool = False) -> int:
    """Random incidents, syncs, holds and shared segments; how many rules were broken."""
    memory = Memory()
    broken = 0
    for _ in range(steps):
        match chance.choices(["record", "share", "sync", "hold", "release"], [6, 1, 8, 1, 1])[0]:
            case "record":
                memory.order.append(await it.record(segments=chance.randint(1, 4)))
            case "share" if memory.order:
                segment = it.blobs[memory.order[-1]][1]
                memory.order.append(await it.record(segments=1, again=(segment,)))
            case "sync" if waiting := [one for one in memory.order if one not in memory.synced]:
                await it.sync(chance.choice(waiting))
                memory.synced = {one for one in memory.order if await acknowledged(it, one)}
            case "hold" if memory.order:
                incident = chance.choice(memory.order)
                await it.hold(incident)
                memory.held.add(incident)
            case "release" if memory.held:
                incident = chance.choice(sorted(memory.held))
                await it.release(incident)
                memory.held.discard(incident)
        it.later(HOUR)
        await it.look()
        broken += await memory.judge(it)
        if broken and until_broken:
            break
    return broken


async def acknowledged(it: Disk, incident: str) -> bool:
    """Whether the outlet has all of it; a segment that two share is acknowledged for both."""
    names = it.blobs[incident]
    marks = ",".join("?" * len(names))
    rows = await it.rig.store.database.read(
        f"SELECT count(DISTINCT sha256) FROM outlet_blob WHERE sha256 IN ({marks})",
        names,
    )
    return int(rows[0][0]) == len(set(names))


@pytest.mark.timeout(3600)
async def test_weeks_of_footage_on_a_small_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ledger: Ledger, pick: Callable[..., int]
) -> None:
    steps = pick(quick=60, ci=500, long=3_000)
    async with disk(tmp_path, monkeypatch, limit=LIMIT, seed=ledger.seed, patience=3600) as it:
        broken = await weeks(it, ledger.chance, steps)
        ledger.count("steps", steps)
        ledger.count("incidents evicted", len(await it.gone()))
        ledger.harm("lost", broken)
        assert broken == 0, f"CHAOS_SEED={ledger.seed}"
        assert await it.gone(), "nothing was ever evicted: the test has tested nothing"


@pytest.mark.parametrize("safeguard", ["classes", "order", "shared blobs"])
async def test_the_judge_notices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ledger: Ledger, safeguard: str
) -> None:
    """With a safeguard off the same weeks do harm, and it is seen."""
    with monkeypatch.context() as patch:
        if safeguard == "classes":
            _without_classes(patch)
        elif safeguard == "order":
            patch.setattr(planning, "sorted", lambda found, key: sorted(found, key=key, reverse=True), raising=False)
            patch.setattr(evicting, "PAGE", 500)
            patch.setattr(evicting.Evictor, "_candidates", _all_candidates)
        else:
            patch.setattr(planning, "_unneeded", lambda pieces, gone: list(pieces))
        async with disk(tmp_path, patch, limit=LIMIT, seed=1) as it:
            assert await weeks(it, random.Random(7), 200, until_broken=True) > 0
    ledger.fails_without(safeguard)


def _without_classes(patch: pytest.MonkeyPatch) -> None:
    """Whatever is oldest goes, whether it is held or waits for a relay."""

    async def oldest(self: FootageRows, *, limit: int, after: tuple[int, str] = (-1, "")) -> list[tuple[str, int]]:
        rows = await self._database.read(
            "SELECT incident, newest FROM footage_incident WHERE (newest, incident) > (?, ?)"
            " ORDER BY newest, incident LIMIT ?",
            (*after, limit),
        )
        return [(row[0], row[1]) for row in rows]

    async def held(self: FootageRows) -> dict[str, str]:
        return {}

    async def mark(self: FootageRows, going: Going, shas: list[str]) -> bool:
        async with self._database.transaction() as transaction:
            await transaction.execute_fetchall(
                "INSERT OR REPLACE INTO footage_going VALUES (?, ?, ?, ?, ?, '[]')",
                (going.incident, going.marked, going.reason, going.blobs, going.bytes),
            )
            await transaction.executemany("UPDATE footage SET going = 1 WHERE sha256 = ?", [(name,) for name in shas])
        return True

    patch.setattr(FootageRows, "oldest", oldest)
    patch.setattr(FootageRows, "held", held)
    patch.setattr(FootageRows, "mark", mark)
    patch.setattr(planning, "may_go", lambda _: True)
    patch.setattr(evicting, "may_go", lambda _: True)


async def _all_candidates(self: evicting.Evictor, need: planning.Need) -> list[planning.Holding]:
    held = await self._rows.held()
    found = []
    for incident, newest in await self._rows.oldest(limit=500):
        pieces, unsynced = await self._rows.pieces(incident)
        found.append(
            planning.Holding(
                incident=incident, newest=newest, held=incident in held, unsynced=unsynced, growing=False, pieces=pieces
            )
        )
    return found


# --- killed while it deletes ------------------------------------------------------------------------------------------


class Pair:
    """The real alarm core and the real media worker on a folder in which there is old footage."""

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        media: str = "",
        site: str = SITE,
        outlets: str = "",
        program: list[str] | None = None,
    ) -> None:
        """`program` stands in place of the media worker's own command line."""
        self.agent = Agent(folder=folder, port=port, site=site)
        config = folder / "agent.yaml"
        config.write_text(f"{config.read_text()}media: {{{media}}}\n{outlets}")
        argv = [*(program or [sys.executable, "-m", "nightporter", "agent"]), "media", "--config", str(config)]
        self.worker = Child(name="media", argv=argv, log_file=folder / "media.log")

    @property
    def files(self) -> set[str]:
        return {path.name for path in (self.agent.folder / "media" / "blobs").rglob("*") if path.is_file()}

    @property
    def rows(self) -> set[str]:
        return set(self.agent.query("SELECT sha256 FROM footage"))

    def evicted(self) -> list[str]:
        return [record["body"]["incident"] for record in self.agent.records("media.evicted")]

    async def worker_start(self, failpoint: str = "") -> None:
        await self.worker.start(env={"NIGHTPORTER_FAILPOINT": failpoint})

    async def worker_died(self) -> None:
        async with asyncio.timeout(30):
            assert await self.worker.wait() == -signal.SIGKILL, self.worker.tail(20)

    async def stop(self) -> None:
        await self.worker.stop()
        await self.agent.kill()


async def old_footage(pair: Pair, patch: pytest.MonkeyPatch, *, incidents: int, size: int) -> list[str]:
    """Incidents of three segments each, an hour apart; the last of them is an hour old."""
    patch.setattr("tests.unit.retention_rig.SEGMENT", size)
    folder = pair.agent.folder
    made = []
    (folder / "data").mkdir(exist_ok=True)
    async with disk(folder / "data", patch, keeper=False, media=folder / "media", limit=10**9) as it:
        for _ in range(incidents):
            made.append(await it.record())
            it.later(HOUR)
        await it.tell(it.rig.contact(opened=False))  # its gateway time is what the next start goes on from
    return made


async def test_kills_while_it_deletes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ledger: Ledger, pick: Callable[..., int]
) -> None:
    """After any kill, and when the dust has settled: files = rows, everything told once, in the right order."""
    kills = pick(quick=4, ci=20, long=200)
    async with Broker(directory=tmp_path / "broker", users=USERS, kind="nats") as broker:
        pair = Pair(tmp_path / "agent", broker.port, media="limit: 16MB")
        with monkeypatch.context() as patch:
            # Enough that each kill leaves something to do: the low water mark is 13.6 MB.
            made = await old_footage(pair, patch, incidents=40 + kills, size=150_000)
        want = len(made) - 13_600_000 // 452_042
        try:
            for n in range(kills):
                failpoint = "evict.after_mark" if n % 2 else "evict.after_unlink"
                await pair.agent.start(failpoint=failpoint if n % 2 else "")
                await pair.worker_start("" if n % 2 else failpoint)
                await (pair.agent.died(seconds=30) if n % 2 else pair.worker_died())
                ledger.count(f"kills at {failpoint}")
                if n % 2:
                    assert pair.agent.query("SELECT count(*) FROM footage WHERE going IS NOT NULL") != [0]
                await pair.stop()
            await pair.agent.start()
            await pair.worker_start()
            await pair.agent.until(lambda: len(pair.evicted()) >= want, seconds=60, what="all evictions")
            await pair.agent.until(lambda: pair.files == pair.rows, seconds=20, what="files = rows")
            told = pair.evicted()
            ledger.harm("doubled", len(told) - len(set(told)))
            ledger.harm("disordered", int(told != made[: len(told)]))
            assert told == made[: len(told)], "each once, oldest first"
            assert pair.agent.query("SELECT count(*) FROM footage WHERE going IS NOT NULL") == [0]
            assert pair.agent.query("SELECT count(*) FROM footage_going") == [0]
            assert pair.agent.records("blob.lost") == []
            ledger.count("incidents evicted", len(told))
        finally:
            await pair.stop()


# --- a real camera on a disk that somebody else fills -----------------------------------------------------------------

FILMED = """
site: {{id: house, name: The House}}
devices:
  - {{id: door, name: Server room door, type: contact,
     mqtt: {{topic: building/door, field: contact, open: false, closed: true}}}}
  - {{id: hall, type: camera, rtsp: {{url: "{url}", user: {user}, password: {{secret: hall}}}}}}
rules:
  - id: alarm
    name: Door opened
    when: {{event: contact.opened, device: door}}
    storm: {{more_than: 1000, within: 1s}}
    then:
      - open_incident: {{severity: high, title: "{{{{ device.name }}}} opened", group: 0s}}
      - save_clip: {{cameras: [hall], pre: 2s, post: 2s}}
"""
NO_RESERVE = (
    "import sys; from agent.video.reserve import Reserve; Reserve.set_aside = lambda self: False; "
    "from agent.cli import main; sys.exit(main(sys.argv[1:]))"
)


@dataclass
class Filmed:
    """A door, a camera that sees it, and a media disk of 64 MB."""

    pair: Pair
    door: Contact
    media: Path

    def count(self, kind: str) -> int:
        return len(self.pair.agent.records(kind))

    async def alarm(self) -> None:
        """The door opens: an incident, and its still or the refusal of it."""
        pictures = self.count("still.taken") + self.refused("still")
        incidents = self.count("incident.opened")
        await asyncio.sleep(1.2)  # another key picture, or the still is one that is kept already
        await self.door.open()
        await self.door.close()
        await self.pair.agent.until(lambda: self.count("incident.opened") > incidents, seconds=5, what="the incident")
        await self.pair.agent.until(
            lambda: self.count("still.taken") + self.refused("still") > pictures, seconds=15, what="the still's answer"
        )

    def refused(self, what: str) -> int:
        return sum(record["body"]["what"] == what for record in self.pair.agent.records("media.refused"))

    async def refusals(self, what: str, count: int) -> None:
        await self.pair.agent.until(lambda: self.refused(what) >= count, what=f"refusal {count} of a {what}")

    async def clip(self) -> None:
        """An alarm whose clip is kept from its beginning to its end."""
        sealed = self.count("clip.sealed")
        await self.alarm()
        await self.pair.agent.until(lambda: self.count("clip.sealed") > sealed, seconds=20, what="the clip")
        assert self.pair.agent.records("clip.sealed")[-1]["body"]["reason"] == "complete"

    def fill(self, share: float | None) -> None:
        """Take room from outside: up to a share of the disk, or all there is."""
        room = os.statvfs(self.media)
        free = room.f_bavail * room.f_frsize
        size = free if share is None else int(free - (1 - share) * room.f_blocks * room.f_frsize)
        with (self.media / f"greedy-{share}").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)

    def free(self) -> None:
        for path in self.media.glob("greedy-*"):
            path.unlink()


@contextlib.asynccontextmanager
async def filmed(
    folder: Path, capability: Callable[[str, bool], None], *, program: list[str] | None = None
) -> AsyncIterator[Filmed]:
    media = folder / "agent" / "media"
    media.mkdir(parents=True)
    mounted = os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(media))
    capability("mounting a small file system (root)", mounted)
    journal = Journal(path=folder / "journal.jsonl")
    journal.open()
    cameras = Cameras(
        specs=(CameraSpec(name="hall", title="Hall", fps=10, gop=1.0),),
        passwords={"hall": "camera-password-1"},
        directory=folder,
        journal=journal,
    )
    try:
        async with Broker(directory=folder / "broker", users=USERS, kind="nats") as broker, cameras:
            hall = cameras["hall"]
            pair = Pair(
                folder / "agent",
                broker.port,
                site=FILMED.format(url=hall.url, user=hall.user),
                outlets="outlets:\n  - {name: cloud, socket: run/nobody.sock}\n",
                program=program,
            )
            secret = folder / "agent" / "secrets" / "hall"
            secret.touch(mode=0o600)
            secret.write_text(hall.password)
            await pair.agent.start()
            await pair.worker_start()
            try:
                async with building(folder, broker) as talking:
                    made = Filmed(pair=pair, door=talking.door, media=media)
                    await pair.agent.until(lambda: made.count("camera.restored"), seconds=30, what="a live camera")
                    await asyncio.sleep(4)
                    yield made
            finally:
                await pair.stop()
    finally:
        journal.close()
        _run("umount", str(media))


def _run(*argv: str) -> bool:
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


async def test_a_disk_filled_from_outside(
    tmp_path: Path, capability: Callable[[str, bool], None], ledger: Ledger
) -> None:
    """With the relay off nothing may go: clips are refused with a sentence, alarms go on with a still each, even when
    not a byte is left for anybody else; and with room again there are clips again."""
    async with filmed(tmp_path, capability) as it:
        agent = it.pair.agent
        await it.clip()
        await agent.until(lambda: it.count("key.pictures") == 1, what="the key pictures")
        (strip,) = agent.records("key.pictures")
        assert strip["body"]["bytes"] < 60_000 and 2 <= len(strip["body"]["taken"]) <= 5
        assert it.pair.files == it.pair.rows

        it.fill(0.91)
        await agent.until(lambda: it.count("storage.full"), seconds=20, what="storage.full")
        waiting = agent.records("storage.full")[0]["body"]
        assert waiting["waiting"] > 0 and waiting["held"] == 0
        for _ in range(3):
            stills, refused = it.count("still.taken"), it.refused("clip")
            await it.alarm()
            assert it.count("still.taken") == stills + 1
            await it.refusals("clip", refused + 1)
            ledger.count("alarms with the disk full")
        assert "nothing on it may be deleted" in agent.records("media.refused")[-1]["body"]["reason"]
        titles = [record["body"]["title"] for record in agent.records("incident.opened")]
        assert titles.count("No room for new clips: the media disk is full") == 1

        it.fill(None)  # now there is not a byte left
        for _ in range(3):
            stills = it.count("still.taken")
            await it.alarm()
            assert it.count("still.taken") == stills + 1, "the reserve is for stills"
            ledger.count("alarms without a free byte")
        assert "media.reserve_given_up" in it.pair.worker.log_file.read_text()
        assert it.count("media.evicted") == 0 and it.pair.files == it.pair.rows

        it.free()
        await agent.until(lambda: it.count("storage.ample"), seconds=20, what="storage.ample")
        await it.clip()
        assert it.pair.files == it.pair.rows
        ledger.harm("lost", 0)


async def test_without_the_reserve_a_still_is_lost(
    tmp_path: Path, capability: Callable[[str, bool], None], ledger: Ledger
) -> None:
    """The safeguard off."""
    async with filmed(tmp_path, capability, program=[sys.executable, "-c", NO_RESERVE]) as it:
        await it.clip()
        it.fill(None)
        stills = it.count("still.taken")
        for _ in range(3):
            await it.alarm()
        assert it.refused("still") > 0 and it.count("still.taken") < stills + 3
    ledger.fails_without("the reserve of the media disk")
