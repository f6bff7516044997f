"""What the strict content policy and the house rules ask of templates and static files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from relay.web import assets, templates
from relay.web.headers import POLICY

PAGES = sorted(templates.FOLDER.glob("*.html"))
STATIC = sorted(path for path in assets.FOLDER.iterdir() if path.is_file())


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_nothing_inline_and_nothing_from_elsewhere(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"https?://", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_only_our_own_drawings_are_trusted(page: Path) -> None:
    trusted = re.findall(r"\{\{[^}]*\|\s*safe[^}]*\}\}", page.read_text())
    assert trusted == (["{{ shapes[name] | safe }}"] if page.name == "_icons.html" else [])
    assert "autoescape" not in page.read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_form_that_changes_something_brings_the_token(page: Path) -> None:
    for form in re.findall(r'<form[^>]*method="post"[^>]*>.*?</form>', page.read_text(), re.DOTALL):
        if 'action="/setup"' not in form and 'action="/sign-in"' not in form:
            assert "token()" in form or "visit.form_token" in form


@pytest.mark.parametrize("file", STATIC, ids=lambda path: path.name)
def test_static_files_name_no_other_site(file: Path) -> None:
    text = file.read_text()
    assert not re.search(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text.replace("http://www.w3.org/", ""))
    assert not re.search(r"\beval\(|innerHTML|outerHTML\s*=|document\.write|new Function", text)


def test_the_policy_allows_nothing_inline() -> None:
    assert POLICY.startswith("default-src 'none'")
    assert "unsafe" not in POLICY and "*" not in POLICY and "http" not in POLICY


def test_addresses_of_static_files_change_with_their_content(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("one")
    first = assets.Assets(folder=tmp_path)
    (tmp_path / "a.css").write_text("two")
    second = assets.Assets(folder=tmp_path)
    assert first.address("a.css") != second.address("a.css")
    with pytest.raises(KeyError):
        first.address("b.css")
    old = second.answer(first.version, "a.css")
    assert old is not None and old.headers["cache-control"] == "no-cache" and old.body == b"two"
    assert second.answer(second.version, "../a.css") is None
