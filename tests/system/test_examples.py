"""Examples teach something true (test_readme.py runs the commands of all pages)."""
import re

from conftest import ROOT

TEXT = (ROOT / "models" / "README.md").read_text()


def example():
    return re.search(r"^```ini\n(.*?)^```", TEXT, re.S | re.M)[1]


def test_file_of_the_readme(bramble, tmp_path):
    """It learns something: better than chance on images of ten classes."""
    (tmp_path / "my.ini").write_text(example())
    words = re.search(r"^bramble (train --model ./my.ini .*?)(?: +#.*)?$", TEXT, re.M)[1].split()
    done = bramble(1, *words, "--threads", 1, "--quiet")
    accuracy = re.search(r"test accuracy +([\d.]+) %", done.stdout)
    assert done.returncode == 0 and float(accuracy[1]) > 25, done.stdout + done.stderr
