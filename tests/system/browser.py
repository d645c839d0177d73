"""Chromium without a window, for pages as a reader has them; skipped where there is none."""
import shutil
import subprocess

import pytest
from conftest import WAIT_S

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no chromium: tools/install-packages browser")
DARK, LIGHT = 0, 1  # as Chromium counts them


def browse(folder, *words):
    """What it prints."""
    line = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            f"--user-data-dir={folder}/chromium", *map(str, words)]
    done = subprocess.run(line, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT_S)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def document(folder, address, word, attempts=20):
    """The page's elements once its script has put a word there, which comes soon after the page."""
    for _ in range(attempts):
        text = browse(folder, "--dump-dom", address)
        if word in text:
            return text
    raise AssertionError(f"no {word!r} in {text}")


def shows_something(seen):
    return (abs(seen - seen[0, 0]).max(axis=2) > 0.3).mean() > 0.01


def picture(folder, address, width, colours=LIGHT, attempts=20):
    """The page in a window of this width, [rows][columns][3] from 0 to 1, once its script has drawn something."""
    from matplotlib.image import imread
    for _ in range(attempts):
        browse(folder, f"--window-size={width},1500", f"--blink-settings=preferredColorScheme={colours}",
               f"--screenshot={folder}/seen.png", address)
        seen = imread(folder / "seen.png")[:, :, :3]
        if shows_something(seen):
            return seen
    raise AssertionError("hardly anything is there")


def check_narrow(folder, address):
    """400 pixels wide nothing is cut off at the right; the ground is light, or dark where the reader's system is."""
    light, dark = (picture(folder, address, 400, colours) for colours in (LIGHT, DARK))
    assert light.shape[1] == 400
    for seen, ground in ((light, light[0, 0]), (dark, dark[0, 0])):
        assert abs(seen[:, -4:] - ground).max() < 0.02, "something reaches the edge"
    assert light[0, 0].min() > 0.9 and dark[0, 0].max() < 0.2
