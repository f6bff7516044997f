"""`nightporter rules …` as a person or a program meets it: sentences, JSON and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nightporter
from agent.cli.rules.files import Progress
from agent.rows import row
from agent.store import sites, snapshots
from agent.store.opening import open_store
from agent.store.sites import SiteVersion
from rules import wire
from rules.engine import Engine
from rules.events import Boot, SiteApplied
from rules.scenario import GATEWAY
from rules.schema import registry
from rules.walk import Recorded, Walk
from rules.wire.stored import fact
from tests.unit import nights

WIDER = nights.SITE.replace("from: 22:00", "from: 21:00")


class Run:
    """What a command said, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def data(self) -> Any:
        """What a program reads."""
        return json.loads(self.out)


@pytest.fixture
def rules(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `nightporter rules` in a folder with the night's site, scenario and log."""
    monkeypatch.chdir(tmp_path)
    Path("site.yaml").write_text(nights.SITE)
    Path("wider.yaml").write_text(WIDER)
    Path("sites").mkdir()
    Path("sites/night.yaml").write_text(nights.SITE)
    Path("scenarios").mkdir()
    Path("scenarios/night.yaml").write_text(nights.NIGHT)
    Path("night.jsonl").write_bytes(b"\n".join(nights.log()) + b"\n")

    def run(*words: str) -> Run:
        try:
            code = nightporter.main(["rules", *words])
        except SystemExit as error:
            code = int(error.code or 0)
        said = capsys.readouterr()
        return Run(code, said.out, said.err)

    return run


# --- check, test ---


def test_a_good_document_is_counted(rules: Any) -> None:
    done = rules("check", "site.yaml")
    assert (done.code, done.out) == (0, "site.yaml: good (4 devices, 1 partition, 2 zones, 1 schedule, 1 rule)\n")


def test_each_mistake_is_said_with_its_place(rules: Any) -> None:
    Path("site.yaml").write_text(nights.SITE.replace("device: hall, is", "device: hal, is"))
    done = rules("check", "site.yaml", "wider.yaml")
    assert done.code == 1
    assert "site.yaml:17:45: rules.0.if.1.state.device: 'hal' is no device of this site; did you mean hall?" in done.out
    assert "wider.yaml: good" in done.out
    (mistake,) = rules("check", "--json", "site.yaml").data["mistakes"]
    assert (mistake["line"], mistake["path"]) == (17, "rules.0.if.1.state.device")


def test_a_file_that_is_not_there_is_configuration(rules: Any) -> None:
    done = rules("check", "none.yaml")
    assert (done.code, done.err) == (78, "site document none.yaml does not exist\n")
    assert rules("check").code == 2
    assert rules("frobnicate").code == 2


def test_scenarios_are_found_in_folders_and_their_sites_above(rules: Any) -> None:
    done = rules("test", "scenarios")
    assert (done.code, done.out) == (0, "1 of 1 scenarios go as expected\n")
    shown = rules("test", "--show", "--trace", "scenarios/night.yaml")
    assert "  begins 2026-01-14 21:00:00" in shown.out
    assert ". rule late-visit: fired by contact.opened of door" in shown.out


def test_a_scenario_that_fails_prints_its_transcript(rules: Any) -> None:
    Path("scenarios/night.yaml").write_text(nights.NIGHT.replace("1h10m, do", "1h10m, expect: [], do"))
    done = rules("test", "scenarios")
    assert done.code == 1
    assert "          >>> found:    opened A late visit (low)" in done.out
    assert done.out.endswith("0 of 1 scenarios go as expected\n")
    assert rules("test", "--json", "scenarios").data["scenarios"][0]["failures"] == [
        "step 5: other things became visible than expected"
    ]


def test_a_fault_of_the_program_is_said_with_the_scenario(rules: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(_: Engine, one: Any) -> Any:
        raise KeyError(one)

    monkeypatch.setattr(Engine, "step", faulty)
    done = rules("test", "scenarios")
    assert done.code == 1
    assert done.out.startswith("scenarios/night.yaml: the program failed while it was played: KeyError in tests/unit/")
    assert done.out.endswith("0 of 1 scenarios go as expected\n")


def test_a_scenario_with_mistakes_says_them(rules: Any) -> None:
    Path("scenarios/night.yaml").write_text(nights.NIGHT.replace("uses: night", "uses: day"))
    done = rules("test", "scenarios/night.yaml")
    assert done.code == 1
    assert "night.yaml:4:7: uses: there is no site document day or day.yaml in sites/ there or above" in done.out
    assert rules("test", "--sites", "sites", "scenarios/night.yaml").code == 1


def test_a_folder_without_scenarios_is_no_success(rules: Any) -> None:
    Path("empty").mkdir()
    assert rules("test", "empty").code == 78


# --- replay, explain: an exported log ---


def test_bare_records_are_replayed(rules: Any) -> None:
    done = rules("replay", "night.jsonl", "--site", "site.yaml")
    assert done.code == 0
    assert "9 inputs stepped; compared 2026-01-14 21:00 to 2026-01-14 23:00:05 (Europe/Zurich)" in done.out
    assert "nothing would have been different" in done.out


def test_what_would_have_been_is_a_line_and_a_count(rules: Any) -> None:
    done = rules("replay", "night.jsonl", "--site", "wider.yaml")
    assert done.code == 1
    assert "late-visit: incident        1        2  +1" in done.out
    assert "+ 2026-01-14 21:50  opened A late visit (low)" in done.out
    assert "\033[" not in done.out
    found = rules("replay", "night.jsonl", "--site", "wider.yaml", "--json").data
    assert found["counts"] == {"late-visit: incident": {"log": 1, "replay": 2}}
    assert [(each["only_in"], each["line"]) for each in found["differences"]] == [
        ("replay", "opened A late visit (low)")
    ]


def test_a_span_is_given_in_local_time(rules: Any) -> None:
    assert rules("replay", "night.jsonl", "--site", "wider.yaml", "--since", "2026-01-14 22:00").code == 0
    assert rules("replay", "night.jsonl", "--site", "wider.yaml", "--until", "2026-01-14T21:00:00Z").code == 1
    done = rules("replay", "night.jsonl", "--site", "wider.yaml", "--since", "ten")
    assert (done.code, done.err) == (
        78, "'ten' is not a time; write '2026-01-14 22:31:05', a date, or 2026-01-14T22:31:05+01:00\n"
    )  # fmt: skip


def test_a_file_that_is_no_log_is_said(rules: Any) -> None:
    Path("night.jsonl").write_text("hello\n")
    assert rules("replay", "night.jsonl", "--site", "site.yaml").code == 78
    Path("night.jsonl").write_text('{"nightporter_log":1}\n')
    assert "is not that of an exported log" in rules("replay", "night.jsonl").err
    assert rules("replay", "none.jsonl").err == "log none.jsonl does not exist\n"


def test_why_and_why_not(rules: Any) -> None:
    log = ("--log", "night.jsonl", "--site", "site.yaml")
    done = rules("explain", "--rule", "late-visit", "--at", "2026-01-14 22:10", *log)
    assert done.code == 0
    assert "it rang: contact.opened door: opened A late visit (low)" in done.out
    done = rules("explain", "--rule", "late-visit", "--at", "2026-01-14 21:50:00", *log)
    assert done.code == 1
    assert "it did not ring: if.0 did not hold" in done.out
    found = rules("explain", "--rule", "late-visit", "--at", "2026-01-14 23:00", "--json", *log).data
    assert found["because"].startswith("if.1 did not hold")
    assert rules("explain", "--zone", "hal", "--at", "2026-01-14", *log).code == 2
    assert rules("explain", "--at", "2026-01-14", *log).code == 2


def test_a_minute_is_asked_for_as_a_whole_and_a_fraction_as_one(rules: Any) -> None:
    log = ("--log", "night.jsonl", "--site", "site.yaml")
    found = rules("explain", "--rule", "late-visit", "--at", "2026-01-14 22:10", "--json", *log).data
    assert [moment["happened"] for moment in found["moments"]] == ["contact.opened door"]
    found = rules("explain", "--zone", "front-door", "--at", "2026-01-14T22:10+01:00", "--json", *log).data
    assert [moment["happened"] for moment in found["moments"]] == ["contact.opened door", "contact.closed door"]
    found = rules("explain", "--zone", "front-door", "--at", "2026-01-14 22:10:00", "--json", *log).data
    assert len(found["moments"]) == 1
    found = rules("explain", "--rule", "late-visit", "--at", "2026-01-14 22:10:00.5", "--json", *log).data
    assert found["moments"] == []


def test_a_log_without_its_document_says_what_is_missing(rules: Any) -> None:
    hint = "this log has no site document in it; name one with --site\n"
    assert rules("explain", "--zone", "hall", "--at", "2026-01-14 22:10", "--log", "night.jsonl").err.endswith(hint)
    assert rules("replay", "night.jsonl").err == hint
    assert rules("replay", "night.jsonl", "--site", "site.yaml").err == ""


def test_a_span_without_anything_says_how_far_the_log_goes(rules: Any) -> None:
    log = ("night.jsonl", "--site", "site.yaml")
    late = rules("replay", *log, "--since", "2026-02-01")
    assert late.out == "nothing in the log at that time: it ends at 2026-01-14 23:00:05 (Europe/Zurich)\n"
    early = rules("replay", *log, "--until", "2026-01-01")
    assert early.out == "nothing in the log at that time: it begins at 2026-01-14 21:00 (Europe/Zurich)\n"
    turned = rules("replay", *log, "--since", "2026-02-01", "--until", "2026-01-01")
    assert (turned.code, turned.err) == (2, "--since is later than --until\n")


def test_a_fault_of_the_program_is_a_sentence_and_the_replay_goes_on(
    rules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Engine.step

    def faulty(engine: Engine, one: Any) -> Any:
        if one.kind == "motion.started":
            raise KeyError("1234")
        return step(engine, one)

    monkeypatch.setattr(Engine, "step", faulty)
    done = rules("replay", "night.jsonl", "--site", "site.yaml")
    assert done.code == 1
    assert "the program failed at 2026-01-14 22:11:05, motion.started hall: KeyError in tests/unit/" in done.out
    assert "Traceback" not in done.err
    (fault,) = rules("replay", "night.jsonl", "--site", "site.yaml", "--json").data["faults"]
    assert (fault["kind"], fault["timer"]) == ("motion.started", None)


# --- replay, explain: a gateway's store ---


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    """A gateway's store of that night, with its document and a snapshot before eleven; its agent.yaml."""
    (tmp_path / "agent.yaml").write_text(
        "gateway: {id: gw-1, tenant: t, site: house}\n"
        "paths: {data: data, media: media, run: run, secrets: secrets}\n"
    )
    (tmp_path / "data").mkdir()
    version = nights.version()
    first = wire.read(nights.log()[0])
    header: dict[str, Any] = {"gt": (first.gt or 0) - 10, "wall": first.wall - 10}
    ids = [f"00000000-0000-7000-8000-00000000000{n}" for n in range(2)]
    start = Boot(id=ids[0], software="s", epoch="e", off_time=0, clean=True, **header)
    applied = SiteApplied(id=ids[1], version=1, sha256=version.sha256, who="ada", why="first", **header)
    engine = Engine(site=version.site, site_sha256=version.sha256, origin=GATEWAY)
    opened = await open_store(tmp_path / "data" / "log.db", gateway=GATEWAY)
    async with opened.database.transaction() as transaction:
        await sites.add(transaction, SiteVersion(1, version.sha256, nights.SITE, "ada", "first"), wall=first.wall)
    walk = Walk(engine=engine, version=version, gateway=GATEWAY)
    wall = 0
    for data in [wire.encode(start), wire.encode(applied), *nights.log()]:
        if b'"kind":"motion.started"' in data:  # a state to begin from
            async with opened.database.transaction() as transaction:
                await snapshots.save(
                    transaction, data=engine.snapshot(), site_sha256=version.sha256, wall=wall
                )
        stored = fact(data)
        assert stored is not None
        wall = stored.wall
        made = not any(not isinstance(one, Recorded) for one in walk.through([data], expected=lambda _: False))
        async with opened.database.transaction() as transaction:
            await opened.log.append(transaction, [row(stored, data=data, is_input=not made)])
        opened.log.committed()
    await opened.database.close()
    return tmp_path / "agent.yaml"


def test_a_store_is_replayed_as_it_was(rules: Any, store: Path) -> None:
    done = rules("replay", "--config", str(store))
    assert done.code == 0, done.out + done.err
    assert "11 inputs stepped" in done.out
    assert rules("replay", "--config", str(store), "--site", "wider.yaml").code == 1


def test_a_replay_begins_at_the_snapshot_before(rules: Any, store: Path) -> None:
    found = rules("replay", "--config", str(store), "--since", "2026-01-14 22:30", "--json").data
    assert found["inputs"] == 3
    assert found["differences"] == []


def test_an_export_holds_all_that_a_replay_needs(rules: Any, store: Path) -> None:
    done = rules("replay", "--config", str(store), "--export", "out.jsonl")
    assert (done.code, done.out) == (0, f"out.jsonl: {len(nights.log()) + 2} records of gw-1\n")
    assert Path("out.jsonl").stat().st_mode & 0o777 == 0o600
    assert rules("replay", "out.jsonl").code == 0
    rules("replay", "--config", str(store), "--since", "2026-01-14 22:30", "--export", "late.jsonl")
    late = rules("replay", "late.jsonl", "--json")
    assert (late.code, late.data["inputs"]) == (0, 3)


def test_a_store_is_asked_why(rules: Any, store: Path) -> None:
    done = rules("explain", "--rule", "late-visit", "--at", "2026-01-14 22:10", "--config", str(store))
    assert done.code == 0, done.err
    assert "document version 1" in done.out


def test_without_a_store_one_can_try_again_later(rules: Any, store: Path) -> None:
    (store.parent / "data" / "log.db").unlink()
    assert rules("replay", "--config", str(store)).code == 75
    assert rules("replay", "--config", "none.yaml").code == 78


# --- schema ---


def test_the_register_is_printed_whole_or_in_part(rules: Any) -> None:
    assert list(rules("schema", "--json").data) == list(registry())
    assert rules("schema").out.splitlines()[0].startswith("access.denied")
    assert json.loads(rules("schema", "contact.opened").out)["title"] == "contact.opened"
    done = rules("schema", "contact.opend")
    assert (done.code, done.err) == (2, "'contact.opend' is no kind of this version; did you mean contact.opened?\n")


def test_two_versions_are_compared(rules: Any) -> None:
    Path("old").mkdir()
    for kind, text in registry().items():
        Path("old", f"{kind}.json").write_text(text)
    assert rules("schema", "--old", "old").code == 0
    Path("old", "novel.kind.json").write_text(registry()["boot"])
    done = rules("schema", "--old", "old")
    assert done.code == 1
    assert "novel.kind: the kind is gone; older peers still send it" in done.out
    Path("new.json").write_text(rules("schema", "--json").out)
    compared = rules("schema", "--old", "new.json", "--new", "old", "--json")
    assert compared.data == {"breaking": [], "new": ["novel.kind"]}
    assert rules("schema", "--new", "old").code == 78
    assert rules("schema", "--old", "site.yaml").code == 78


# --- lint ---


def test_advice_has_a_place_and_says_whose_figures_it_follows(rules: Any) -> None:
    Path("site.yaml").write_text(nights.SITE.replace("exit_delay: 60s", "exit_delay: 10s"))
    done = rules("lint", "site.yaml")
    assert done.code == 1
    assert "site.yaml:9:" in done.out
    assert "keep 250, 500 or 1000 events by grade and 30 days of them" in done.out
    assert done.out.endswith("none is a claim of compliance with any standard\n")
    first = rules("lint", "site.yaml", "--json").data["advice"][0]
    assert set(first) == {"file", "line", "column", "path", "topic", "after", "says"}


def test_a_document_with_mistakes_gets_those_and_no_advice(rules: Any) -> None:
    Path("site.yaml").write_text(nights.SITE.replace("device: hall, is", "device: hal, is"))
    done = rules("lint", "site.yaml")
    assert (done.code, done.out) == (1, "")
    assert "did you mean hall?" in done.err
    found = rules("lint", "site.yaml", "--json").data
    assert found["advice"] == []
    assert found["mistakes"] == rules("check", "site.yaml", "--json").data["mistakes"] != []


# --- for the eye ---


@pytest.mark.parametrize(
    ("terminal", "no_color", "coloured"), [(True, "", True), (True, "1", False), (False, "", False)]
)
def test_colours_are_for_terminals_whose_owner_wants_them(
    rules: Any, monkeypatch: pytest.MonkeyPatch, terminal: bool, no_color: str, coloured: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    assert ("\033[32m" in rules("replay", "night.jsonl", "--site", "wider.yaml").out) is coloured


def test_progress_is_for_who_waits_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for terminal in (False, True):
        monkeypatch.setattr("sys.stderr.isatty", lambda shown=terminal: shown, raising=False)
        progress = Progress("inputs stepped")
        progress(20_000)
        progress.done()
        assert ("20,000 inputs stepped" in capsys.readouterr().err) is terminal
