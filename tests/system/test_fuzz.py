"""The fuzz targets over their seeds and over every input that once was a finding."""
import subprocess
import sys

from conftest import BRAMBLE, BUILD, ROOT, WAIT_S


def test_kept_files(tmp_path):
    subprocess.run([sys.executable, ROOT / "fuzz/make-seeds", BRAMBLE, tmp_path], check=True,
                   timeout=WAIT_S)
    done = subprocess.run([BUILD / "fuzz-replay", tmp_path, ROOT / "fuzz/regressions"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=WAIT_S)
    assert done.returncode == 0, done.stdout[-3000:]
