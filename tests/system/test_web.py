"""bramble watch --web: a page on this machine that follows a run, and what it refuses."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys

import browser
import h5py
import numpy as np
import pytest
from conftest import BRAMBLE, ROOT, WAIT_S

sys.path.insert(0, str(ROOT / "python"))
from bramble import watching  # noqa: E402

KEPT = ROOT / "results/paper-emulated/table1-3-6-r1.h5"


class Page:
    """The program, and what it has said of its address."""

    def __init__(self, bramble, *words, **env):
        self.process = subprocess.Popen([str(BRAMBLE), "watch", "--web", *map(str, words)], cwd=bramble.folder, text=True,
                                        env={**bramble.env, "PYTHONDONTWRITEBYTECODE": "1", **env}, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.said = self.process.stdout.readline()
        found = re.search(r"http://(127\.0\.0\.1):(\d+)/", self.said)
        assert found, self.said + self.process.stderr.read()
        self.port = int(found[2])

    def get(self, path, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), body

    def events(self):
        """States as they come."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        connection.request("GET", "/events")
        answer = connection.getresponse()
        assert answer.status == 200 and answer.getheader("Content-Type") == "text/event-stream"
        while line := answer.readline():
            if line.startswith(b"data: "):
                yield json.loads(line[6:])

    def end(self, how=signal.SIGINT):
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, out, err


@pytest.fixture
def page(bramble):
    pages = []

    def start(*words, **env):
        pages.append(Page(bramble, *words, **env))
        return pages[-1]

    yield start
    for one in pages:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def test_follows_a_run(bramble, page, pictures, tmp_path):
    """Begun before there is a file; every state is whole, rounds only grow, and the last has what the file has."""
    thermal = tmp_path / "sensors/sys/class/thermal/thermal_zone0"
    thermal.mkdir(parents=True)
    (thermal / "temp").write_text("61234\n")
    web = page("--patience", 60, "out.h5")
    states = web.events()
    assert next(states)["state"] == "waiting"
    run = subprocess.Popen(list(map(str, bramble.command(3, "train", "--quiet", "--data", pictures, "--rounds", 240, "--threads", 1,
                                                         "--out", "out.h5"))), cwd=bramble.folder, stdin=subprocess.DEVNULL,
                           env={**bramble.env, "BRAMBLE_SENSORS": str(tmp_path / "sensors")})
    seen = []
    for state in states:
        seen.append(state)
        if state["state"] == "complete":
            break
    assert run.wait(WAIT_S) == 0
    running = [state for state in seen if state["state"] == "running"]
    done = [state["done"] for state in seen if "done" in state]
    assert running and done == sorted(done) and done[-1] == 240 and len(set(done)) > 1
    last = seen[-1]
    with h5py.File(bramble.folder / "out.h5") as file:
        assert last["curves"]["loss"][-1] == file["rounds/loss"][239] and last["planned"] == 240
        assert last["phases"]["sum"]["train"] == pytest.approx(list(file["rounds/ranks/train_s"][:].sum(axis=0)))
        assert last["summary"]["accuracy"] == file["summary/accuracy"][()]
    assert [one["role"] for one in last["machine"]] == ["server", "worker", "worker"]
    (node,) = last["temperature"]["nodes"].values()
    assert node[-1] == pytest.approx(61.2, abs=0.1)
    assert web.end() == (0, "", "")


def test_what_is_served(bramble, page):
    """The page and what it needs, to whoever calls it by a name of this machine; nothing from elsewhere."""
    web = page(KEPT)
    assert web.said.startswith(f"{KEPT}: follow it at http://127.0.0.1:")
    status, headers, body = web.get("/")
    assert status == 200 and headers["Content-Type"].startswith("text/html") and b'<html lang="en">' in body
    assert headers["Content-Security-Policy"].startswith("default-src 'none'") and headers["Cache-Control"] == "no-store"
    for path in re.findall(rb'(?:src|href)="(/[^"]+)"', body):
        assert web.get(path.decode())[0] == 200
    everything = body + web.get("/watch.js")[2] + web.get("/watch.css")[2]
    assert set(re.findall(rb"https?://[^\"' )]+", everything)) == {b"http://www.w3.org/2000/svg"}  # a name, not a place
    state = json.loads(web.get("/state")[2])
    assert state["state"] == "complete" and state["done"] == 8 and len(state["machine"]) == 4
    assert web.get("/", "HEAD")[2] == b"" and web.get("/../VERSION")[0] == 404 and web.get("/x")[0] == 404
    assert web.get("/", "POST")[0] == 501
    assert web.get("/state", Host=f"localhost:{web.port}")[0] == 200 and web.get("/state", Host="[::1]")[0] == 200
    for name in ("evil.example", "127.0.0.1.evil.example", "", "localhost@evil.example"):
        assert web.get("/state", Host=name)[0] == 403, name
    with open("/proc/net/tcp") as table:
        listening = [line.split()[1] for line in table if line.split()[3] == "0A" and line.split()[1].endswith(f":{web.port:04X}")]
    assert listening == [f"0100007F:{web.port:04X}"]
    assert web.end(signal.SIGTERM) == (0, "", "")


@browser.needs_chromium
def test_in_a_browser(page, tmp_path):
    """The script draws what /state tells, with texts for those who do not see it; readable on a telephone and in the dark."""
    web = page(KEPT)
    address = f"http://127.0.0.1:{web.port}/"
    shown = browser.document(tmp_path, address, "The run has come to its end.")
    with h5py.File(KEPT) as file:
        assert f"<dd>{100 * file['summary/accuracy'][()]:.2f} %</dd>" in shown
    for part in ("loss", "accuracy"):
        drawn = re.search(rf'<div id="{part}"><svg [^>]*aria-label="training: [^"]* in round 1, [^"]*; test: [^"]*"(.*?)</svg>', shown, re.S)
        assert drawn and drawn[1].count("<polyline") == 2, part
    browser.check_narrow(tmp_path, address)
    assert web.end() == (0, "", "")


def test_another_address_only_when_asked(bramble, page):
    """--bind; there any name will do.  A port may stand behind the file, too."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([BRAMBLE, "watch", KEPT, "--web", str(port), "--bind", "0.0.0.0"], text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    try:
        assert f"http://0.0.0.0:{port}/" in process.stdout.readline()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        connection.request("GET", "/", headers={"Host": "pi1.home"})
        assert connection.getresponse().status == 200
        taken = subprocess.run([BRAMBLE, "watch", "--web", str(port), "--bind", "0.0.0.0", KEPT], text=True, capture_output=True,
                               timeout=WAIT_S)
        assert taken.returncode == 1 and "Address already in use" in taken.stderr and taken.stderr.count("\n") == 1
    finally:
        process.terminate()
        process.communicate(timeout=WAIT_S)


@pytest.mark.parametrize("words, status, says", [
    (["--web", "65536", "a.h5"], 2, "--web 65536: expected a port, 0 to 65535, and one file"),
    (["--web", "a.h5", "b.h5"], 2, "expected a port"), (["a.h5", "b.h5"], 2, "b.h5: watch follows one file"),
    (["a.h5", "--bind", "0.0.0.0"], 2, "--bind 0.0.0.0 goes with --web"), (["--web"], 2, ""),
    (["--web", "text.h5"], 2, "text.h5: "), (["--web", "other.h5"], 2, "other.h5: no result file of bramble"),
    (["--web", "text.h5", "--bind", "nowhere"], 2, "--bind nowhere: expected an address")])
def test_mistakes(words, status, says, bramble):
    (bramble.folder / "text.h5").write_text("text")
    with h5py.File(bramble.folder / "other.h5", "w") as file:
        file["x"] = 1
    done = bramble(1, "watch", *words)
    assert (done.returncode, done.stdout) == (status, "") and done.stderr.startswith("bramble: ") and says in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_the_package(bramble, tmp_path):
    """A program copied elsewhere says what is missing."""
    import shutil
    (tmp_path / "far/away").mkdir(parents=True)
    program = shutil.copy(BRAMBLE, tmp_path / "far/away/bramble")
    if os.path.exists("/usr/local/share/bramble/python"):
        pytest.skip("the package is installed on this machine")
    done = subprocess.run([program, "watch", "--web", KEPT], text=True, capture_output=True, timeout=WAIT_S)
    assert done.returncode == 1 and "python3-bramble" in done.stderr and done.stderr.count("\n") == 1


# ---- what is told of a run, without a server --------------------------------------------------------------


def test_a_run_that_stops(tmp_path):
    """Nobody writes the file and nothing is new: stopped, once its patience is over."""
    (tmp_path / "x.h5").write_bytes(KEPT.read_bytes())
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        file["summary/complete"][()] = 0
        file["rounds/n_done"][()] = 3
    watcher = watching.Watcher(str(tmp_path / "x.h5"), 1000)
    watcher.look()
    assert json.loads(watcher.text)["state"] == "running" and json.loads(watcher.text)["done"] == 3
    watcher.patience = -1
    watcher.look()
    assert json.loads(watcher.text)["state"] == "stopped" and watcher.version == 2
    (tmp_path / "x.h5").write_bytes(b"gone")
    watcher.look()
    assert json.loads(watcher.text)["state"] == "unreadable"


def test_numbers_that_json_does_not_know(tmp_path):
    """NaN and infinity are null; curves of long runs are thinned, with first and last kept."""
    assert [watching.number(v) for v in (np.nan, np.inf, 2)] == [None, None, 2.0]
    at = watching.thinned(100000)
    assert len(at) <= watching.MOST_POINTS and at[0] == 0 and at[-1] == 99999 and list(watching.thinned(3)) == [0, 1, 2]
    (tmp_path / "x.h5").write_bytes(KEPT.read_bytes())
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        file["rounds/loss"][2] = np.inf
    state = watching.read_state(str(tmp_path / "x.h5"))
    assert state["curves"]["loss"][2] is None and json.dumps(state, allow_nan=False)
