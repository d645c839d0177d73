"""What measures, as far as it can be tried without measuring: whom bench.py asks, what roofline.py draws."""
import itertools
import json
import subprocess
import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "bench"))
import bench  # noqa: E402
import roofline  # noqa: E402


def words(*choices):
    return {" ".join(filter(None, words)) for words in itertools.product(*choices)}


def test_every_way_of_pytorch_is_a_peer():
    """Both layouts in float32 and bfloat16, compiled and not; Debian's, of another time, as it is."""
    layouts = ["", "channels_last"]
    for kind, of_kind in ("float32", ""), ("bf16", "bf16"):
        asked = bench.PEERS[kind]
        assert len(set(asked)) == len(asked)
        assert {how for name, how in asked if name == "torch"} == words(layouts, [of_kind], ["", "compile"])
        assert {name for name, _ in asked} <= set(bench.PROGRAMS)
    assert {how for name, how in bench.PEERS["float32"] if name == "debian-torch"} == set(layouts)
    assert all((ROOT / "bench" / program).is_file() for program in bench.PROGRAMS.values())


def test_peers_that_are_not_here_are_left_out(monkeypatch, capsys):
    """And a kind for which nobody is left is not measured."""
    monkeypatch.setattr(bench, "python_with", lambda *_: None)
    monkeypatch.setattr(bench, "has_torch", lambda python: True)
    monkeypatch.setattr(bench, "run", lambda *line, **more: "1.13.0a0\n")
    assert bench.find_peers(bench.Table()) == {"debian-torch": bench.DEBIANS}
    assert "Debian's PyTorch 1.13.0a0" in capsys.readouterr().out
    assert bench.kinds_of({"debian-torch"}) == ["float32"] and bench.kinds_of({"jax"}) == ["float32", "bf16"]
    monkeypatch.setattr(bench, "has_torch", lambda python: False)
    assert bench.find_peers(bench.Table()) == {} and bench.kinds_of({}) == []


def kernel(name, what, gflops, algorithm=None, bytes=1e6, flops=1e8):
    row = {"name": name, "what": what, "gflops": gflops, "peak_gflops": 200.0, "bytes": bytes, "flops": flops}
    return {**row, "algorithm": algorithm} if algorithm else row


def test_the_roofline_has_room_for_all(tmp_path):
    """Winograd's above the peak, as stars, and what is slow; a result without algorithms is drawn, too."""
    rows = [{"name": "read", "bytes": size, "bytes_per_s": speed} for size, speed in ((1e4, 4e11), (1e6, 1e11))]
    rows += [{"name": "step, batch 32", "what": "2 threads", "gflops": 150.0, "peak_gflops": 200.0},
             kernel("conv1", "forward", 150.0, "direct"), kernel("fc1", "both gradients", 2.0, flops=1e6),
             kernel("conv 3x3 128 x 16 x 16", "forward", 670.0, "f4"), kernel("conv 3x3 128 x 16 x 16", "weight gradient", 450.0, "f2")]
    (axes,) = roofline.picture(rows).axes
    points = [line for line in axes.lines if line.get_linestyle() == "None" and len(line.get_xdata())]
    low, high = axes.get_ylim()
    assert sorted(line.get_ydata()[0] for line in points) == [2, 150, 450, 670] and low < 2 and high > 670
    assert [line.get_ydata()[0] for line in points if line.get_marker() == "*"] == [670, 450]
    (tmp_path / "bench.json").write_text(json.dumps({"kernels": [{k: v for k, v in row.items() if k != "algorithm"} for row in rows]}))
    subprocess.run([ROOT / "bench/roofline.py", tmp_path / "bench.json", tmp_path / "out.png"], check=True)
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
