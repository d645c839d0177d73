"""The page of `bramble watch --web`: follows the result file of a run that goes on, and tells a browser of it.

Python's own http.server, events sent by the server (text/event-stream), and one page without anything from elsewhere.
It listens on 127.0.0.1 unless --bind says otherwise, answers GET alone, and there only whoever calls it by a name of this
machine.  The run notices nothing of it: its file is opened anew for each look, as HDF5's single writer allows.
"""
from __future__ import annotations

import argparse
import fcntl
import ipaddress
import json
import math
import os
import re
import signal
import socket
import struct
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Optional, Sequence

import h5py
import numpy as np

from .files import PHASES, check_contents, check_files
from .program import Mistake, Parser, run
from .watching_page import FILES

POLL_S = 0.5          # between two looks
SPARE = 20            # a look may take this part of the time, no more
MOST_POINTS = 400     # of a curve
MOST_CLIENTS = 32     # that listen at a time
SILENCE_S = 15        # after so long a listener is sent a word, so that it is known to be there
LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}


# ---- what a run has come to ---------------------------------------------------------------------


def number(value: Any) -> Optional[float]:
    """A number that JSON knows, else None."""
    value = float(value)
    return value if math.isfinite(value) else None


def thinned(n: int) -> np.ndarray:
    """At most MOST_POINTS of n places, the last always among them."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_POINTS)).round().astype(int)) if n else np.array([], int)


def is_written(path: str) -> bool:
    """Whether a run writes the file: it holds a lock on it, which is asked for and not taken."""
    try:
        with open(path, "rb") as file:
            return struct.unpack_from("h", fcntl.fcntl(file, F_OFD_GETLK, LOCK))[0] != fcntl.F_UNLCK
    except OSError:
        return False


F_OFD_GETLK = 36                                                   # Linux: of locks that belong to open files
LOCK = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)  # struct flock: all of the file


def _column(group: h5py.Group, name: str, rows: int) -> np.ndarray:
    return group[name][:rows] if name in group else np.full(rows, np.nan)


def _curves(file: h5py.File, n: int) -> dict[str, Any]:
    at = thinned(n)
    curves: dict[str, Any] = {"round": (at + 1).tolist()}
    for name in ("loss", "accuracy"):
        values = _column(file["rounds"], name, n)
        curves[name] = [number(value) for value in values[at]]
        tested = _column(file["test"], name, n) if "test" in file else np.full(n, np.nan)
        known = np.flatnonzero(np.isfinite(tested))
        known = known[thinned(len(known))]
        curves["test_" + name] = [[int(k) + 1, number(tested[k])] for k in known]
    return curves


def _roles(file: h5py.File) -> list[dict[str, Any]]:
    machine = file["machine"]
    ranks = len(machine["rank"])
    hosts = machine["host"].asstr(errors="replace")[:] if "host" in machine else ["?"] * ranks
    server, worker = (machine[name][:] if name in machine else np.zeros(ranks) for name in ("is_server", "is_worker"))
    return [{"rank": k, "host": str(hosts[k]), "role": "server and worker" if server[k] and worker[k] else
             "server" if server[k] else "worker"} for k in range(ranks)]


def _phases(ranks: h5py.Group, n: int) -> dict[str, Any]:
    """Seconds of each phase by rank, since the start and in the last round."""
    names = [name for name in PHASES if name in ranks]
    sums = {name[:-2]: [number(v) for v in np.nansum(ranks[name][:n], axis=0)] for name in names}
    last = {name[:-2]: [number(v) for v in ranks[name][n - 1]] for name in names} if n else {}
    return {"sum": sums, "last": last}


def _temperatures(ranks: h5py.Group, hosts: Sequence[str], n: int) -> dict[str, Any]:
    """The highest temperature of each node over the rounds; nodes that tell none are left out."""
    if "temperature_c" not in ranks or not n:
        return {"round": [], "nodes": {}}
    at, nodes = thinned(n), {}
    values = ranks["temperature_c"][:n][at]
    for host in dict.fromkeys(hosts):
        mine = values[:, [k for k, other in enumerate(hosts) if other == host]]
        if np.isfinite(mine).any():
            hottest = np.where(np.isfinite(mine), mine, -np.inf).max(axis=1)
            nodes[host] = [number(v) for v in hottest]
    return {"round": (at + 1).tolist(), "nodes": nodes}


def _summary(file: h5py.File) -> dict[str, Any]:
    group = file["summary"] if "summary" in file else {}
    found = {name: number(group[name][()]) for name in ("complete", "t_time_s", "accuracy", "nodes", "cores") if name in group}
    if found.get("nodes") is None and "is_worker" in file["machine"]:  # known before the run ends
        workers = file["machine/is_worker"][:] == 1
        found.update(nodes=number(workers.sum()), cores=number(file["machine/threads"][:][workers].sum()))
    return found


def _progress(file: h5py.File, n: int) -> dict[str, Any]:
    """How far the round is that goes on: share of it, time since the first step."""
    if "progress" not in file:
        return {"share": 0.0, "t_s": None}
    group = file["progress"]
    images, whole, t_s = (float(group[name][()]) for name in ("images", "round_images", "t_s"))
    present = float(group["round"][()]) == n and whole > 0
    return {"share": min(images / whole, 1.0) if present else 0.0, "t_s": number(t_s)}


def read_state(path: str) -> dict[str, Any]:
    """What there is to be shown of a run, in numbers JSON knows.  OSError, ValueError or KeyError where it cannot be read."""
    with h5py.File(path, "r", libver="latest", swmr=True) as file:
        if file.attrs.get("format", b"") not in (b"bramble", "bramble"):
            raise ValueError("no result file of bramble")
        check_contents(file)
        rounds, planned = file["rounds"], file["rounds/t_end_s"].shape[0]
        n = int(np.clip(int(rounds["n_done"][()]), 0, planned))
        ended = _column(rounds, "t_end_s", n)
        n = int(np.isfinite(ended).sum())  # after a power failure the last rows may be missing
        machine = _roles(file)
        progress, t_end = _progress(file, n), float(ended[n - 1]) if n else 0.0
        images = np.nansum(_column(rounds, "images", n))
        return {"planned": planned, "done": n, "summary": _summary(file), "machine": machine, "t_s": max(t_end, progress["t_s"] or 0.0),
                "share": progress["share"], "images_per_s": number(images / t_end) if t_end > 0 else None,
                "left_s": number(t_end / n * (planned - n - progress["share"])) if n else None, "curves": _curves(file, n),
                "phases": _phases(rounds["ranks"], n),
                "temperature": _temperatures(rounds["ranks"], [one["host"] for one in machine], n)}


# ---- the one that looks -------------------------------------------------------------------------


class Watcher:
    """Looks at the file in a thread, and keeps what it has seen last as a line of JSON, with a number that grows."""

    def __init__(self, path: str, patience: float):
        self.path, self.patience = path, patience
        self.changed = threading.Condition()
        self.version, self.text, self.stopping = 0, "", False
        self._seen: Any = None
        self._state: Optional[dict[str, Any]] = None
        self._news_s = time.monotonic()

    def look(self) -> None:
        """One look; what is new is told to all who wait."""
        written = is_written(self.path)
        key = self._key()
        if written or key != self._seen:
            self._news_s = time.monotonic()
        if key is not None and key != self._seen:
            try:
                self._state = read_state(self.path)
                self._seen = key
            except (OSError, ValueError, KeyError, TypeError, RuntimeError) as problem:
                self.tell({"state": "unreadable", "why": str(problem).split("(")[0].strip()})
                return
        quiet = time.monotonic() - self._news_s > self.patience
        if self._state is None:
            self.tell({"state": "missing" if quiet else "waiting"})
        else:
            complete = self._state["summary"].get("complete") == 1
            self.tell({**self._state, "state": "complete" if complete else "stopped" if quiet and not written else "running"})

    def _key(self) -> Any:
        try:
            status = os.stat(self.path)
            return status.st_ino, status.st_mtime_ns, status.st_size
        except FileNotFoundError:
            return None
        except OSError as problem:
            return str(problem)

    def tell(self, state: dict[str, Any]) -> None:
        """Make this the last state, if it is another."""
        text = json.dumps({"file": Path(self.path).name, **state}, allow_nan=False)
        if text != self.text:
            with self.changed:
                self.text, self.version = text, self.version + 1
                self.changed.notify_all()

    def run(self) -> None:
        """Look until stop is called; a long look is followed by a long pause."""
        while not self.stopping:
            started = time.monotonic()
            self.look()
            with self.changed:
                if not self.stopping:
                    self.changed.wait_for(lambda: self.stopping, max(POLL_S, SPARE * (time.monotonic() - started)))

    def stop(self) -> None:
        """End the thread, and all who wait."""
        with self.changed:
            self.stopping = True
            self.changed.notify_all()

    def next(self, version: int) -> tuple[int, str]:
        """The state after this version, or after SILENCE_S the same."""
        with self.changed:
            self.changed.wait_for(lambda: self.stopping or self.version != version, SILENCE_S)
            return self.version, self.text


# ---- the one that answers -----------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """GET /, its script and its style; /state and, as a script, /state.js, the last state; /events, each as it comes."""

    timeout = 20  # seconds a client may be silent in the middle of a request
    protocol_version = "HTTP/1.1"
    server: "Server"

    def version_string(self) -> str:
        """Nothing about versions."""
        return "bramble"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is the user's."""

    def is_meant(self) -> bool:
        """Whether it was called by a name of this machine: pages of others may send browsers here under theirs."""
        if not self.server.is_local:
            return True
        name = re.fullmatch(r"\[?([^\]]*?)\]?(:\d+)?", self.headers.get("Host") or "")
        return name is not None and name[1].lower() in LOCAL_NAMES

    def answer(self, status: int, kind: str, body: bytes) -> None:
        """A whole answer."""
        self.send_response(status)
        self.headers_of(kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def headers_of(self, kind: str) -> None:
        """What every answer says."""
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
                                                    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")

    def do_GET(self) -> None:
        """One request."""
        if not self.is_meant():
            self.answer(403, "text/plain; charset=utf-8", b"not by this name\n")
        elif self.path in FILES:
            kind, text = FILES[self.path]
            self.answer(200, kind, text.encode())
        elif self.path == "/state":
            self.answer(200, "application/json", self.server.watcher.text.encode())
        elif self.path == "/state.js":
            self.answer(200, "text/javascript; charset=utf-8", f"const first = {self.server.watcher.text or 'null'};\n".encode())
        elif self.path == "/events" and self.command == "GET":
            self.events()
        else:
            self.answer(404, "text/plain; charset=utf-8", b"not here\n")

    do_HEAD = do_GET

    def events(self) -> None:
        """States as they come, until the client goes or the server ends."""
        if not self.server.places.acquire(blocking=False):
            self.answer(503, "text/plain; charset=utf-8", b"too many listeners\n")
            return
        try:
            self.close_connection = True
            self.send_response(200)
            self.headers_of("text/event-stream")
            self.end_headers()
            version, watcher = -1, self.server.watcher
            while not watcher.stopping:
                before = version
                version, text = watcher.next(version)
                self.wfile.write(f"data: {text}\n\n".encode() if version != before else b": still here\n\n")
                self.wfile.flush()
        except OSError:
            pass  # the reader has gone
        finally:
            self.server.places.release()


class Server(ThreadingHTTPServer):
    """Listens on one address."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: str, port: int, watcher: Watcher):
        ip = ipaddress.ip_address(address)
        self.address_family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
        self.is_local, self.watcher = ip.is_loopback, watcher
        self.places = threading.BoundedSemaphore(MOST_CLIENTS)
        super().__init__((address, port), Handler)

    def server_bind(self) -> None:
        """Without looking up a name, which may take long where there is no network."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is nobody's business."""

    def url(self) -> str:
        """Where a browser finds it."""
        host = self.server_name if ":" not in self.server_name else f"[{self.server_name}]"
        return f"http://{host}:{self.server_port}/"


# ---- the program --------------------------------------------------------------------------------


def arguments(words: Optional[Sequence[str]]) -> argparse.Namespace:
    """As `bramble watch --web` gives them."""
    parser = Parser(prog="bramble watch", allow_abbrev=False)
    parser.add_argument("file")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--patience", type=float, default=10)
    args = parser.parse_args(words)
    if not 0 <= args.port <= 65535:
        raise Mistake(f"--web {args.port}: expected a port, 0 to 65535")
    try:
        ipaddress.ip_address(args.bind)
    except ValueError:
        raise Mistake(f"--bind {args.bind}: expected an address of this machine, such as 127.0.0.1 or 0.0.0.0") from None
    return args


def check_file(path: str) -> None:
    """What is there and is no result file is said at once; what is not there yet is waited for."""
    if not os.path.exists(path):
        return
    for why in check_files([path]).values():
        raise Mistake(f"{path}: {why}")
    try:
        read_state(path)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as problem:
        raise Mistake(f"{path}: {str(problem).split('(')[0].strip()}") from None


def listen(args: argparse.Namespace, watcher: Watcher) -> Server:
    """The server; OSError where the address or the port is not to be had."""
    try:
        return Server(args.bind, args.port, watcher)
    except OSError as problem:
        raise OSError(f"watch --web: {problem.strerror or problem}: another port may be free, or --web 0 finds one") from None


def serve(words: Optional[Sequence[str]]) -> None:
    """Serve until a signal comes."""
    args = arguments(words)
    check_file(args.file)
    watcher = Watcher(args.file, args.patience)
    watcher.look()
    with listen(args, watcher) as server:
        def end(*_: Any) -> None:
            watcher.stopping = True
            threading.Thread(target=server.shutdown, daemon=True).start()

        for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(which, end)
        looking = threading.Thread(target=watcher.run, daemon=True)
        looking.start()
        print(f"{args.file}: follow it at {server.url()} (Ctrl-C ends this, and not the run)", flush=True)
        server.serve_forever(poll_interval=0.2)
        watcher.stop()
        looking.join(timeout=5)


def main(words: Optional[Sequence[str]] = None) -> int:
    """The exit status: 0 after Ctrl-C."""
    return run("bramble", partial(serve, words))
