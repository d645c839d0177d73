"""What the released program's ELF file promises: each an attack made harder (docs/architecture.md)."""
import re
import shutil
import subprocess

import pytest
from conftest import BRAMBLE, PRESET

pytestmark = pytest.mark.skipif(PRESET in ("asan", "tsan", "memcheck", "coverage"), reason="such a program is never released")


def readelf(*options):
    assert shutil.which("readelf"), "install binutils"
    return subprocess.run(["readelf", "-W", *options, BRAMBLE], check=True, text=True, capture_output=True).stdout


def segments():
    """{type: flags} of all segments but LOAD, and the flags of each LOAD."""
    rows = re.findall(r"^ +([A-Z_]+) +0x\w+ 0x\w+ 0x\w+ 0x\w+ 0x\w+ ([RWE ]{3}) 0x", readelf("-l"), re.M)
    return dict(row for row in rows if row[0] != "LOAD"), [flags for kind, flags in rows if kind == "LOAD"]


def test_loads_anywhere():
    assert re.search(r"^ +Type: +DYN \(Position-Independent Executable file\)$", readelf("-h"), re.M)
    assert re.search(r"\(FLAGS_1\) +Flags:.*\bPIE\b", readelf("-d"))
    assert "TEXTREL" not in readelf("-d")


def test_no_memory_is_both_written_and_executed():
    named, loads = segments()
    assert loads and not any("W" in flags and "E" in flags for flags in loads)
    assert named["GNU_STACK"].strip() == "RW"


def test_addresses_of_functions_are_read_only():
    """Full RELRO: all are looked up at the start, then locked."""
    assert "GNU_RELRO" in segments()[0]
    assert re.search(r"\(FLAGS\).*\bBIND_NOW\b", readelf("-d"))


def test_libraries_are_looked_for_where_the_system_says():
    assert not re.search(r"\((RPATH|RUNPATH)\)", readelf("-d"))


def test_stack_and_strings_are_guarded():
    wanted = readelf("--dyn-syms")
    assert re.search(r" __stack_chk_fail@", wanted)
    assert len(re.findall(r" __\w+_chk@", wanted)) >= 4  # printf, snprintf, ... with checked sizes


def test_nothing_to_unwind():
    """C throws nothing: only the start-up code of the C library has tables."""
    size = re.search(r" \.eh_frame +PROGBITS +\w+ +\w+ (\w+) ", readelf("-S"))
    assert int(size[1], 16) < 1024
