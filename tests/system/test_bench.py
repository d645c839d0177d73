"""What measures, as far as it can be tried without measuring: whom bench.py asks."""
import itertools
import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "bench"))
import bench  # noqa: E402


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
