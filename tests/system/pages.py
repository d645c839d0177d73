"""The project's pages of prose: their blocks of commands, and a folder in which these can be run.

A comment right before a block says what is done with it (tests/system/test_readme.py):
  <!-- run with NAME="VALUE" -->    ```sh: run, with that value for a variable that the block, or one before, sets
  <!-- run on emulated hosts -->    ```sh: run as root, with a cluster of its own
  <!-- not run: REASON -->          ```sh
  <!-- printed above -->            ``` : what the last block of commands printed, or a part of it
  <!-- printed by: COMMAND -->      the same, of another command
  <!-- file: NAME -->               ``` or ```ini: this file, which is compared, or written if the project has none
  <!-- file: NAME; then: COMMAND -->  and used
  <!-- not compared: REASON -->     ```
A ```sh without one is run.  <!-- no block is run: REASON --> in a page's first lines holds for all of it.
"""
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from conftest import BRAMBLE, ROOT

BLOCK = re.compile(r"(?:^<!-- ([^\n]*) -->\n)?^```(\w*)\n(.*?)^```$", re.M | re.S)
NO_BLOCK = re.compile(r"^<!-- no block is run: \S[^\n]* -->$", re.M)
NUMBER = re.compile(r"(?<![\w.])-?\d+(\.\d+)?(?![\d.])|(?<!\S)-(?!\S)")
MARKERS = {"sh": ("run with ", "run on emulated hosts", "not run: "), "ini": ("file: ", "not compared: "),
           "": ("printed above", "printed by: ", "file: ", "not compared: ")}


@dataclass
class Block:
    page: str
    line: int
    marker: str
    kind: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"

    def says(self, start):
        """What follows in the marker, or None."""
        return self.marker[len(start):].strip() if self.marker.startswith(start) else None


def all_pages():
    """Names of all pages."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, text=True, capture_output=True).stdout.split()
    return sorted(listed or [str(path.relative_to(ROOT)) for path in ROOT.glob("**/*.md") if "build" not in path.parts])


def pages():
    """Names of those with commands that a reader can give on the spot."""
    return [name for name in all_pages() if blocks(name)]


def blocks(page):
    text = (ROOT / page).read_text()
    if NO_BLOCK.search(text):
        return []
    return [Block(page, text.count("\n", 0, found.start(2)) + 1, found[1] or "", found[2], found[3])
            for found in BLOCK.finditer(text)]


def words(text):
    """Lines as lists of words, numbers and runs of spaces made alike; a command that goes on is one line."""
    text = text.replace("\\\n", " ").replace("--allow-run-as-root ", "")
    return [re.sub(r"\d+", "0", NUMBER.sub("0", line)).split() for line in text.splitlines() if line.strip()]


def is_part(quoted, printed):
    """Whether the lines quoted, up to "...", were printed, one after the other; numbers may differ."""
    lines, all_lines = words(quoted.split("\n...\n")[0] + "\n"), words(printed)
    return any(all_lines[k:k + len(lines)] == lines for k in range(len(all_lines) - len(lines) + 1))


class Shell:
    """Blocks given one after the other to one shell, in a copy of what a reader has in the project's folder."""

    def __init__(self, folder, pictures):
        self.folder, self.said = folder, folder / ".said"
        for name in ("jobs", "models", "tools", "docs", "python"):
            shutil.copytree(ROOT / name, folder / name)
        self.said.mkdir()
        (folder / "bramble").symlink_to(BRAMBLE)
        shutil.copytree(pictures, folder / "data")
        classes = "airplane automobile bird cat deer dog frog horse ship truck".split()
        (folder / "data/batches.meta.txt").write_text("\n".join(classes) + "\n")
        shutil.copy(folder / "jobs/hostfile.example", folder / "jobs/hostfile")
        for name in ("mine", "pis", "study"):
            shutil.copytree(ROOT / "results/paper-emulated", folder / "results" / name)
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("BRAMBLE_", "OMP"))}
        self.env.update(PATH=f"{folder}:{self.env['PATH']}", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_MCA_mpi_yield_when_idle="1",
                        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_btl_vader_single_copy_mechanism="none")
        self.script = "set -eu\n"

    def add(self, block):
        """To be run, its output kept apart from that of others."""
        text, given = block.text, block.says("run with ")
        if given:
            name = given.split("=")[0]
            text, n = re.subn(rf"^{name}=.*$", given, text, flags=re.M)
            text = text if n else f"{given}\n{text}"
        self.add_command(text, block)

    def add_command(self, command, block):
        self.script += f"echo '{block}' >&2\n{{\n{command}\n}} >{self.said}/{block.line} 2>&1\n"

    def run(self, timeout):
        done = subprocess.run(["bash", "-c", self.script], cwd=self.folder, env=self.env, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=timeout)
        print(self.script, *(f"{path.name}: {path.read_text(errors='replace')}" for path in self.said.iterdir()), sep="\n")
        assert done.returncode == 0, f"status {done.returncode} at {done.stdout}"

    def printed(self, block):
        path = self.said / str(block.line)
        return path.read_text(errors="replace") if path.exists() else ""


TOP = "src include docs jobs tools tests models notebooks python containers fuzz bench debian .ci".split()
# By whoever follows the page.
MADE = {"jobs/hostfile", "containers/ssh_key", "debian/changelog", "fuzz/regressions", "fuzz/regressions/TARGET"}


def unknown_paths(text):
    """What looks like a file of the project and is none; words in capitals, and x, stand for any name."""
    found = set(re.findall(rf"(?<![\w/.~$-])(?:{'|'.join(map(re.escape, TOP))})/[\w.*/-]*\w(?!/*[\w*])", text))
    return sorted(path for path in found - MADE if not list(ROOT.glob(re.sub(r"(?<=[/_])([A-Z]{2,}|x)\b", "*", path))))
