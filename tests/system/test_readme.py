"""The commands in README.md and the other pages work as they stand there, and print what is quoted (pages.py)."""
import re
import subprocess

import pages
import pytest
from conftest import BRAMBLE, PRESET, ROOT, WAIT_S

ELSEWHERE = {"docs/results.md": "test_record_readers.py", "docs/exchange.md": "test_exchange.py",
             "notebooks/README.md": "test_notebooks.py", "python/README.md": "test_python.py"}
PAGES = [name for name in pages.pages() if name not in ELSEWHERE]


def test_every_block_is_run_or_says_why():
    assert {"README.md", "docs/experiments.md", "docs/cluster.md", "docs/reliability.md", "docs/plan.md", "jobs/README.md",
            "models/README.md", "CONTRIBUTING.md"} <= set(PAGES)
    bad = []
    for block in (block for page in PAGES for block in pages.blocks(page)):
        known = pages.MARKERS.get(block.kind, ())
        if not (block.marker.startswith(known) if block.marker else block.kind == "sh"):
            bad.append(f"{block}: ```{block.kind} after {block.marker!r}")
    assert bad == []


def is_run(block):
    return block.kind == "sh" and not block.marker.startswith(("not run: ", "run on "))


def put_file(folder, block):
    """The file of a block, and the command that uses it, or an empty one."""
    name, _, command = block.says("file: ").partition("; then: ")
    if (ROOT / name).exists():
        given = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
        assert block.text.splitlines() == given, f"{block} is not {name}"
    else:
        (folder / name).write_text(block.text)
    return command


@pytest.mark.skipif(PRESET != "native", reason="what is quoted was printed by PRESET=native")
@pytest.mark.parametrize("page", [page for page in PAGES if any(
    is_run(block) or block.marker.startswith(("file: ", "printed ")) for block in pages.blocks(page))])
def test_page(page, tmp_path, pictures):
    shell, quoted, last = pages.Shell(tmp_path, pictures), [], None
    for block in pages.blocks(page):
        command = block.says("printed by: ")
        if block.marker.startswith("file: "):
            command = put_file(tmp_path, block)
        if command:
            shell.add_command(command, block)
        elif is_run(block):
            shell.add(block)
            last = block
        if block.marker.startswith("printed "):
            quoted.append((block, block if command else last))
    shell.run(8 * WAIT_S)
    for block, source in quoted:
        printed = shell.printed(source)
        assert pages.is_part(block.text, printed), f"{block} quotes what is not printed:\n{printed}"


def test_options_and_scripts_exist():
    """Of commands that cannot be run here, too: options of the program, scripts and make's targets."""
    bad, helps = [], {}
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    for block in (block for page in PAGES for block in pages.blocks(page) if block.kind == "sh"):
        for line in re.sub(r"#.*", "", block.text.replace("\\\n", " ")).splitlines():
            call = re.search(r"\bbramble (train|doctor|test|info|report|plan|watch|data)\b(.*)", line)
            if call:
                command = call[1]
                helps[command] = helps.get(command) or subprocess.run(
                    [BRAMBLE, command, "--help"], text=True, capture_output=True, timeout=WAIT_S).stdout
                bad += [f"{block}: bramble {command} {option}" for option in re.findall(r"(?<=\s)--[\w-]+", call[2])
                        if not re.search(rf"{option}\b", helps[command])]
            bad += [f"{block}: {path}" for path in re.findall(r"(?<![\w/.-])(?:jobs|tools)/[\w./-]+", line)
                    if not (ROOT / path).exists() and path != "jobs/hostfile"]
            bad += [f"{block}: make {target}" for target in re.findall(r"\bmake ([a-z][\w-]*)(?=\s|$)", line)
                    if target not in targets]
    assert bad == []


def test_the_comparison():
    """Numbers may differ, words and lines may not; what follows the dots is not quoted."""
    printed = "N:C  runs\n1:1     1  0.5\n2:2     1      -\n"
    assert pages.is_part("1:1 3  -12.25\n", printed) and pages.is_part("N:C runs\n...\nmore\n", printed)
    assert not pages.is_part("N:C rans\n", printed) and not pages.is_part("1:1 1 0.5\nN:C runs\n", printed)
    assert not pages.is_part("1:1 1\n", printed)
