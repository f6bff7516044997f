"""Documentation that fails the build: what one can type, write or meet is in a README, and what a README shows exists.

A word counts as documented when it stands as code: in backticks, in a code block, or in an example file. Missing
modules and missing READMEs are failures, never skips.
"""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn
from unittest import mock

import pytest
from pydantic import BaseModel

import nightporter

ROOT = Path(__file__).parents[2]
FOLDERS = ("agent", "certs", "hwlab", "packaging", "relay", "rules", "systemd", "tests")
_BLOCK = re.compile(r"^ *```.*?\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_WORD = re.compile(r"[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_COMMAND = re.compile(r"\bnightporter ([a-z]+)(?: ([a-z]+))?")


def documents() -> list[Path]:
    """Every document of the project, as people find them: at the top and in the folders."""
    return sorted([*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))])


def code_in(text: str) -> str:
    """What a Markdown text shows as code."""
    blocks = _BLOCK.findall(text)
    return "\n".join([*blocks, *_SPAN.findall(_BLOCK.sub("", text))])


def documented(*folders: str) -> set[str]:
    """Every word shown as code in these folders' documents and example files."""
    texts = []
    for folder in folders:
        assert list((ROOT / folder).glob("README.md")), f"{folder}/README.md is missing"
        texts += [code_in(path.read_text()) for path in (ROOT / folder).rglob("*.md")]
        if folder == "packaging":
            texts += [path.read_text() for path in (ROOT / folder).rglob("*.yaml")]
    words: set[str] = set()
    for word in (match for text in texts for match in _WORD.findall(text)):
        words |= {word, *re.split(r"[.-]", word)}
    return words


class _Parser(Exception):
    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def parser_of(module: str) -> argparse.ArgumentParser:
    """The parser that a command builds, caught at the moment it would read its words."""

    def caught(self: argparse.ArgumentParser, *words: Any, **named: Any) -> NoReturn:
        raise _Parser(self)

    with mock.patch.object(argparse.ArgumentParser, "parse_args", caught):
        try:
            importlib.import_module(module).main([])
        except _Parser as found:
            return found.parser
    pytest.fail(f"{module}.main builds no argparse parser")


def verbs_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Verb -> its parser; two-word verbs as `issue gateway`."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                deeper = verbs_of(inner)
                found |= {f"{name} {word}": sub for word, sub in deeper.items()} or {name: inner}
    return found


def keys_of(*modules: ModuleType) -> set[str]:
    """Every key that the models of these modules read from a document."""
    found: set[str] = set()
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__:
                found |= {field.alias or name for name, field in value.model_fields.items()}
    return found


COMMANDS = {word: entry[0] for word, entry in nightporter.COMMANDS.items()}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_says_what_it_is_for(folder: str) -> None:
    text = (ROOT / folder / "README.md").read_text()
    assert len(text) > 400, "a README says what the folder is for, shows a drawing and how to add one"
    assert "```" in text or "\n|" in text, "a README has a drawing, an example or a table"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_verb_is_in_a_readme(command: str) -> None:
    shown = "\n".join(code_in(path.read_text()) for path in documents())
    verbs = verbs_of(parser_of(COMMANDS[command]))
    wanted = [f"nightporter {command} {verb}" for verb in verbs] or [f"nightporter {command}"]
    missing = [words for words in wanted if words not in shown]
    assert not missing, f"no README shows: {', '.join(missing)}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_verb_has_a_description_and_an_example(command: str) -> None:
    """The example may stand in the verb's own help or, for all verbs together, in the command's."""
    parser = parser_of(COMMANDS[command])
    whole = parser.format_help()
    for verb, inner in (verbs_of(parser) or {"": parser}).items():
        words = f"nightporter {command} {verb}".strip()
        examples = [line for line in f"{whole}\n{inner.format_help()}".splitlines() if "usage:" not in line]
        assert any(re.search(rf"{words}\b", line) for line in examples), f"{words} --help shows no example"
        assert inner.description or whole, words


def _commands_shown() -> Iterator[tuple[Path, str, str]]:
    for path in documents():
        for command, verb in _COMMAND.findall(code_in(path.read_text())):
            yield path, command, verb


def test_every_command_a_readme_shows_exists() -> None:
    verbs = {word: {verb.split()[0] for verb in verbs_of(parser_of(module))} for word, module in COMMANDS.items()}
    wrong = [
        f"{path.relative_to(ROOT)}: nightporter {command} {verb}".rstrip()
        for path, command, verb in _commands_shown()
        if command not in verbs or (verb and verbs[command] and verb not in verbs[command])
    ]
    assert not wrong, "\n".join(wrong)


def test_every_link_leads_somewhere() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in documents()
        for target in _LINK.findall(path.read_text())
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert not wrong, "\n".join(wrong)


def test_every_make_target_a_document_shows_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    typed = re.compile(r"^(?:\w+=\S+ +)*make ([a-z]+)\b", re.MULTILINE)
    shown = {
        (str(path.relative_to(ROOT)), target)
        for path in documents()
        for target in typed.findall(code_in(path.read_text()))
    }
    wrong = [f"{name}: make {target}" for name, target in sorted(shown) if target not in targets]
    assert not wrong, "\n".join(wrong)


def test_every_kind_of_event_is_in_the_kernels_readme() -> None:
    kinds = set(importlib.import_module("rules.events").EVENTS)
    missing = kinds - documented("rules")
    assert not missing, f"rules/README.md does not name: {', '.join(sorted(missing))}"


def test_every_word_of_the_site_document_is_in_a_readme() -> None:
    keys = keys_of(*(importlib.import_module(f"rules.document.{name}") for name in ("site", "rule")))
    assert keys
    missing = keys - documented("rules", "packaging")
    assert not missing, f"neither rules/ nor packaging/ documents: {', '.join(sorted(missing))}"


@pytest.mark.parametrize(("module", "folder"), [("agent.config.model", "agent"), ("relay.config", "relay")])
def test_every_configuration_key_is_documented(module: str, folder: str) -> None:
    keys = keys_of(importlib.import_module(module))
    assert keys
    missing = keys - documented(folder, "packaging")
    assert not missing, f"neither {folder}/ nor packaging/ documents: {', '.join(sorted(missing))}"


def test_the_readme_is_one_to_act_on() -> None:
    text = (ROOT / "README.md").read_text()
    for word in ("make demo", "make test", "EFFORT=ci", "SECURITY.md", "LICENSE"):
        assert word in text


def test_the_finder_finds() -> None:
    """The test of the test: prose does not count, code does, and a wrong verb would be seen."""
    text = "Say `alpha` and beta.\n```\nnightporter certs frobnicate --x\n```\n"
    assert set(_WORD.findall(code_in(text))) == {"alpha", "nightporter", "certs", "frobnicate", "x"}
    assert _COMMAND.findall(code_in(text)) == [("certs", "frobnicate")]
    assert "frobnicate" not in verbs_of(parser_of("certs.cli"))
    assert set(verbs_of(parser_of("certs.cli"))) == {"init", "issue gateway", "issue relay", "list"}

    class Fake(BaseModel):
        key: str

    module = ModuleType("fake")
    Fake.__module__ = "fake"
    vars(module)["Fake"] = Fake
    assert keys_of(module) == {"key"}
