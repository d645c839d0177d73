"""tools/fetch-cifar10: every way a download can end, and the files it leaves."""
import fcntl
import functools
import hashlib
import http.server
import io
import os
import shutil
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest
from conftest import WAIT_S

FETCH = Path(__file__).resolve().parents[2] / "tools" / "fetch-cifar10"
NAMES = [f"data_batch_{k}.bin" for k in range(1, 6)] + ["test_batch.bin"]
ARCHIVE = "cifar-10-binary.tar.gz"
PART = ARCHIVE + ".part"


def fetch(folder, url, **env):
    env = dict(os.environ, CIFAR10_URL=str(url), no_proxy="*", **env)
    done = subprocess.run([str(FETCH), str(folder)], env=env, text=True, capture_output=True, timeout=WAIT_S,
                          stdin=subprocess.DEVNULL)
    print(done.stderr)
    return done


def last_line(done):
    lines = done.stderr.splitlines()
    assert len(lines) <= 2 and all(line.startswith("fetch-cifar10: ") for line in lines)
    return lines[-1]


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def small_archive(path, names=NAMES):
    """The right layout with the wrong contents."""
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            info = tarfile.TarInfo("cifar-10-batches-bin/" + name)
            info.size = 5000
            tar.addfile(info, io.BytesIO(os.urandom(5000)))
    return path


def serve(folder, ranges):
    """A web server on this machine; returns it and the list of requested ranges."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            begin = self.headers.get("Range")
            asked.append(begin)
            if not (ranges and begin):
                super().do_GET()
                return
            body = (folder / ARCHIVE).read_bytes()
            first = int(begin[len("bytes="):-1])
            self.send_response(206 if first < len(body) else 416)
            whole = len(body)
            body = body[first:]
            self.send_header("Content-Length", str(len(body)))
            sent = f"{first}-{whole - 1}" if body else "*"
            self.send_header("Content-Range", f"bytes {sent}/{whole}")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, asked


@pytest.mark.parametrize("arguments", [[], [""], ["a", "b"], ["--wrong"]])
def test_usage(arguments):
    done = subprocess.run([str(FETCH), *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("usage: ") and done.stdout == ""


@pytest.mark.parametrize("url, why", [("file:///no/such/file", "curl: (37)"),
                                      ("http://127.0.0.1:1/x", "curl: (7)"),
                                      ("nonsense://x", "curl: (1)")])
def test_download_that_fails(tmp_path, url, why):
    done = fetch(tmp_path / "new" / "data", url)
    assert done.returncode == 1
    assert f"cannot download {url}: {why}" in last_line(done)
    assert left_in(tmp_path / "new") == []  # a link put there later is no link within


def test_without_curl(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "dirname", "basename", "mkdir", "md5sum", "sed", "head", "rm", "flock"):
        (tools / name).symlink_to(shutil.which(name))
    done = fetch(tmp_path / "data", "file:///x", PATH=str(tools))
    assert done.returncode == 1 and "curl is not installed" in last_line(done)


def test_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    done = fetch(tmp_path / "file", "file:///x")
    assert done.returncode == 1 and "cannot make this folder" in last_line(done)


def test_what_is_no_archive(tmp_path):
    (tmp_path / "page").write_text("<html>log in first</html>\n" * 100)
    done = fetch(tmp_path / "data", f"file://{tmp_path}/page")
    assert done.returncode == 1 and "cannot unpack" in last_line(done)
    assert "gzip: stdin: not in gzip format" in last_line(done)
    assert not (tmp_path / "data").exists()


def test_archive_cut_off(tmp_path):
    archive = small_archive(tmp_path / ARCHIVE)
    archive.write_bytes(archive.read_bytes()[:-3000])
    done = fetch(tmp_path / "data", f"file://{archive}")
    assert done.returncode == 1 and "cannot unpack" in last_line(done)
    assert not (tmp_path / "data").exists()


def test_archive_with_other_files(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "data_batch_1.bin").write_text("mine")
    done = fetch(data, f"file://{small_archive(tmp_path / ARCHIVE)}")
    assert done.returncode == 1 and "data_batch_1.bin is missing or wrong" in last_line(done)
    assert left_in(data) == ["data_batch_1.bin"]
    assert (data / "data_batch_1.bin").read_text() == "mine"
    done = fetch(data, f"file://{small_archive(tmp_path / ARCHIVE, ['x'])}")
    assert done.returncode == 1 and "data_batch_1.bin is missing or wrong" in last_line(done)
    assert left_in(data) == ["data_batch_1.bin"]


def test_links_in_an_archive_lead_nowhere(tmp_path):
    """Only files are taken, also where no checksum speaks for them.  The list of checksums is of files made here."""
    small_archive(tmp_path / "good.tar.gz")
    tools = tmp_path / "tools"
    tools.mkdir()
    shutil.copy(FETCH, tools)
    with tarfile.open(tmp_path / "good.tar.gz") as good, tarfile.open(tmp_path / ARCHIVE, "w:gz") as tar:
        sums = ""
        for member in good:
            content = good.extractfile(member).read()
            sums += f"{hashlib.md5(content).hexdigest()}  {os.path.basename(member.name)}\n"
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("cifar-10-batches-bin/batches.meta.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    (tools / "cifar10.md5").write_text(sums)
    env = dict(os.environ, CIFAR10_URL=f"file://{tmp_path}/{ARCHIVE}")
    done = subprocess.run([tools / "fetch-cifar10", tmp_path / "data"], env=env, text=True, capture_output=True,
                          timeout=WAIT_S, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert left_in(tmp_path / "data") == NAMES


def test_one_at_a_time(tmp_path):
    """Who comes second waits, and finds the files there or goes on alone."""
    data = tmp_path / "data"
    data.mkdir()
    first = os.open(data, os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)
    env = dict(os.environ, CIFAR10_URL=f"file://{small_archive(tmp_path / ARCHIVE)}")
    with subprocess.Popen([FETCH, data], env=env, text=True, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as second:
        assert "waiting for it" in second.stderr.readline()
        assert left_in(data) == [] and second.poll() is None
        os.close(first)
        said = second.communicate(timeout=WAIT_S)[1]
    assert second.returncode == 1 and "is missing or wrong" in said  # it has tried by itself


def test_where_nothing_can_be_locked(tmp_path):
    """As on NFS without a lock daemon: it goes on, at once and without a word."""
    (tmp_path / "no.c").write_text("#include <errno.h>\nint flock(int fd, int how);\n"
                                   "int flock(int fd, int how) { (void)fd, (void)how; errno = ENOLCK; return -1; }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "no.so", tmp_path / "no.c"], check=True)
    done = fetch(tmp_path / "data", f"file://{small_archive(tmp_path / ARCHIVE)}", LD_PRELOAD=str(tmp_path / "no.so"))
    assert done.returncode == 1 and "data_batch_1.bin is missing or wrong" in last_line(done)
    assert "another one" not in done.stderr


def test_official_archive_is_checked(tmp_path):
    small_archive(tmp_path / ARCHIVE)
    done = fetch(tmp_path, "")
    assert done.returncode == 1 and "checksum" in last_line(done)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("arrived", ["nothing", "half", "all", "more"])
def test_resuming(tmp_path, ranges, arrived):
    """The archive arrives whole, whatever there was: only then its files can be found to be others."""
    (tmp_path / "server").mkdir()
    data = tmp_path / "data"
    data.mkdir()
    body = small_archive(tmp_path / "server" / ARCHIVE).read_bytes()
    parts = {"nothing": b"", "half": body[:len(body) // 2], "all": body, "more": body + b"more"}
    (data / PART).write_bytes(parts[arrived])
    server, asked = serve(tmp_path / "server", ranges)
    done = fetch(data, f"http://127.0.0.1:{server.server_port}/{ARCHIVE}")
    server.shutdown()
    server.server_close()
    assert done.returncode == 1 and "data_batch_1.bin is missing or wrong" in last_line(done)
    assert left_in(data) == []
    if arrived == "half":
        assert asked[0] == f"bytes={len(body) // 2}-"
        assert len(asked) == (1 if ranges else 2)


def test_real_files(tmp_path, cifar10):
    archive = tmp_path / ARCHIVE
    with tarfile.open(archive, "w:gz", compresslevel=0) as tar:
        for name in NAMES + ["batches.meta.txt"]:
            tar.add(Path(cifar10) / name, "cifar-10-batches-bin/" + name)
    data = tmp_path / "data"
    data.mkdir()
    with open(archive, "rb") as whole:
        (data / PART).write_bytes(whole.read(100_000_000))
    (data / "data_batch_3.bin").write_text("cut off")
    done = fetch(data, f"file://{archive}")
    assert done.returncode == 0
    assert left_in(data) == sorted(NAMES + ["batches.meta.txt"])
    for name in NAMES:
        assert (data / name).read_bytes() == (Path(cifar10) / name).read_bytes()

    again = fetch(data, "file:///no/such/file")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")

    with open(data / "test_batch.bin", "r+b") as file:
        file.seek(1000)
        file.write(b"x" * 10)
    with open(archive, "r+b") as file:
        file.seek(50_000_000)
        file.write(b"x" * 10)
    damaged = fetch(data, f"file://{archive}")
    assert damaged.returncode == 1
    assert left_in(data) == sorted(NAMES + ["batches.meta.txt"])
    shutil.rmtree(data)
    archive.unlink()
