"""The fuzz targets over their seeds and over every input that once was a finding."""
import subprocess
import sys

from conftest import BRAMBLE, BUILD, ROOT, SLOW


def test_kept_files(tmp_path):
    subprocess.run([sys.executable, ROOT / "fuzz/make-seeds", BRAMBLE, tmp_path], check=True,
                   timeout=60 * SLOW)
    done = subprocess.run([BUILD / "fuzz-replay", tmp_path, ROOT / "fuzz/regressions"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60 * SLOW)
    assert done.returncode == 0, done.stdout[-3000:]
