"""What the pages of prose, the manual and the texts of help owe the reader: links lead somewhere, what they name is there."""
import os
import re
import shutil
import subprocess
import sys

import pages
import pytest
from conftest import ROOT
from pages import unknown_paths

sys.path.insert(0, str(ROOT / "tools"))
import rooms  # noqa: E402

MAN = (ROOT / "docs" / "bramble.1").read_text()


def prose(page):
    """The text of a page, without what stands in blocks of commands and output."""
    return pages.BLOCK.sub("", (ROOT / page).read_text())


def links(page):
    """(path from the project's folder, anchor) of the links of a page to others."""
    found = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", prose(page))
    return [(os.path.normpath(os.path.join(os.path.dirname(page), name)) if name else page, anchor) for name, anchor in found]


def anchors(page):
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_is_read_in_five_minutes():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def test_links_lead_somewhere():
    bad = [f"{page}: {name}#{anchor}" for page in pages.all_pages() for name, anchor in links(page)
           if not (ROOT / name).exists() or anchor and anchor not in anchors(name)]
    assert bad == []


def test_pages_are_found_from_readme_and_lead_back():
    seen, todo = set(), ["README.md"]
    while todo:
        page = todo.pop()
        seen.add(page)
        todo += {name for name, _ in links(page) if name.endswith(".md") and (ROOT / name).exists()} - seen
    assert set(pages.all_pages()) - seen == {"tests/data/plan/README.md"}
    assert [page for page in seen if page.startswith("docs/") and ("README.md", "") not in
            {(name, "") for name, _ in links(page)}] == []


@pytest.mark.parametrize("page", pages.all_pages())
def test_files_that_a_page_names_exist(page):
    text = (ROOT / page).read_text()
    bad = unknown_paths(text)
    defined = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.*") if path.suffix in (".py", ".c")}
    for name, function in re.findall(r"\b(test_\w+\.(?:py|c))(?:::(\w+))?", text):
        if "THING" not in name and name not in defined or function and not re.search(rf"\b{function}\b", defined[name]):
            bad.append(f"{name}::{function}")
    assert bad == []


def test_names_in_the_map_exist():
    """Functions, types and fields that docs/architecture.md names stand in the code, or in what builds and tests it."""
    code = "".join(path.read_text() for path in rooms.sources()) + (ROOT / "Makefile").read_text()
    names = set(re.findall(r"`(\w+_\w+)`", prose("docs/architecture.md")))
    assert len(names) > 20
    assert sorted(name for name in names if not re.search(rf"\b{name.rstrip('_')}", code)) == []
    files = {path.name for folder in ("src", "include", "tests") for path in (ROOT / folder).rglob("*.[ch]")}
    named = set(re.findall(r"(?<![\w/*_])([a-z]\w+\.[ch])\b", prose("docs/architecture.md")))
    assert named - files - {"mpi.h", "hdf5.h", "omp.h"} == set()


# ---- commands, options, targets ---------------------------------------------------------------------------

COMMANDS = ["train", "test", "predict", "report", "plan", "watch", "info", "data", "export", "import", "doctor"]


def manual_of(command):
    return re.search(rf"^\.Ss {command}$(.*?)^\.S[sh] ", MAN, re.M | re.S)[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_the_options_of_the_manual(bramble, command):
    done = bramble(1, command, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert re.search(rf"^Usage: bramble {command}\b", done.stdout)
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    helped = set(re.findall(r"^ +(?:-\w, )?--([a-z][a-z0-9-]*)", done.stdout, re.M)) - {"help"}
    assert helped and helped == set(re.findall(r"^\.It Fl -([a-z0-9-]+)", manual_of(command), re.M))
    assert bramble(1, "help", command).stdout == done.stdout


def test_help_names_the_commands(bramble):
    for words in (["--help"], ["help"]):
        done = bramble(1, *words)
        assert done.returncode == 0
        assert re.findall(r"^  (\w+)  +[a-z]", done.stdout, re.M) == COMMANDS
    assert set(re.findall(r"^\.Ss (\w+)$", MAN, re.M)) == set(COMMANDS)


def test_manual_is_well_formed():
    assert shutil.which("mandoc"), "install mandoc"
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", ROOT / "docs" / "bramble.1"], text=True,
                          capture_output=True)
    assert done.stdout == ""


def test_version(bramble):
    done = bramble(1, "--version")
    assert done.returncode == 0 and (ROOT / "VERSION").read_text().strip() in done.stdout


def test_make_help_lists_the_targets():
    rules = (ROOT / "Makefile").read_text()
    phony = {name for line in re.findall(r"^\.PHONY:(.*)$", rules, re.M) for name in line.split()}
    done = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0
    listed = dict(re.findall(r"^  ([a-z0-9-]+) +(\S.*)$", done.stdout, re.M))
    assert {"all", "demo", "test", "data", "bench", "install", "clean"} <= set(listed)
    assert set(listed) - phony == set(), "targets that are no files"
    assert phony - set(listed) - {"force"} == set(), "every target is worth a word"
