"""The rules of the house: who may include what, what every header and script owes the reader."""
import fnmatch
import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import BRAMBLE, ROOT
from pages import unknown_paths

sys.path.insert(0, str(ROOT / "tools"))
import rooms  # noqa: E402
from rooms import calls, circles, includes, room_of, symbols, without_comments  # noqa: E402

SOURCES = rooms.sources()

# What a room may include besides itself: what is below it, nothing beside or above it.
ENGINE = {"engine", "model", "layers", "kernels", "data", "transport", "record", "base"}
AROUND = {"options", "host", "show"}
BELOW = {
    "base": set(),
    "kernels": {"base"},
    "layers": {"kernels", "base"},
    "model": {"layers", "kernels", "base"},
    "data": {"base", "record", "kernels/simd.h"},
    "engine": {"model", "layers", "kernels", "data", "base"},
    "transport": {"base"},
    "record": {"base"},
    **dict.fromkeys(AROUND, ENGINE),
    **dict.fromkeys(["train", "doctor", "predict", "study", "exchange"], AROUND | ENGINE),
    "api": {"host", "engine", "model", "layers", "kernels", "data", "record", "base"},
    "cli": {"train", "doctor", "predict", "study", "exchange"} | AROUND | ENGINE,
}


def name_of(path):
    return str(path.relative_to(ROOT))


def where(pattern, paths=SOURCES):
    """Files with the pattern in their code."""
    return [name_of(path) for path in paths if re.search(pattern, without_comments(path.read_text()), re.M)]


def test_rooms_are_known():
    assert {room_of(path) for path in SOURCES} == set(BELOW)
    assert len(SOURCES) > 80


def test_includes_go_downwards():
    bad = []
    for path in SOURCES:
        room = room_of(path)
        for name in includes(path):
            other = name.split("/")[0]
            if "/" in name and other in BELOW and other != room and not {other, name} & BELOW[room]:
                bad.append(f"{name_of(path)} includes {name}")
    assert bad == []


def test_the_picture_of_the_rooms_is_what_the_includes_say():
    assert (ROOT / "docs/rooms.svg").read_text() == rooms.picture(rooms.rooms()), "make rooms draws docs/rooms.svg anew"


def test_the_map_has_all_rooms():
    rows = re.findall(r"^\| `(\w+)` \| \w", (ROOT / "docs/architecture.md").read_text(), re.M)
    assert list(rooms.boxes()) == rows[:len(BELOW)] and set(rows) >= set(BELOW)


def test_the_picture_goes_downwards():
    """Arrows are those that no other two say already; a room on no floor or an arrow upwards is an error."""
    graph = rooms.rooms()
    assert ("train", "host") in rooms.arrows(graph) and ("cli", "base") not in rooms.arrows(graph)
    for wrong in ({**graph, "attic": set()}, {**graph, "base": {"cli"}}, {**graph, "show": graph["show"] | {"host"}}):
        with pytest.raises(SystemExit):
            rooms.picture(wrong)


def test_what_is_counted(tmp_path):
    """Of functions the lines from the first word to the last brace, of structs and arrays none."""
    file = tmp_path / "a.c"
    file.write_text("struct a {\n    int b;\n};\n\nstatic int long_one(int a,\n                    int b)\n{\n    return a;\n}\n"
                    "int c[] = {\n    1,\n};\n\nint short_one(void)\n{\n}\n")
    assert rooms.functions(file) == [(5, "long_one"), (3, "short_one")]
    told = rooms.table()
    assert all(re.search(rf"^{room} +\d+ +\d+  ", told, re.M) for room in BELOW) and re.search(r"^functions  \d{4},", told, re.M)


def test_own_headers_are_found_by_room():
    """"room/x.h" is in include/; a bare "x.h" lies beside the file, for its room alone."""
    for path in SOURCES:
        for name in re.findall(r'^\s*#\s*include\s*"([^"]+)"', without_comments(path.read_text()), re.M):
            assert (ROOT / "include" / name if "/" in name else path.parent / name).is_file(), name_of(path)


def test_a_header_that_one_room_needs_lies_beside_its_files():
    users = {}
    for path in SOURCES:
        for name in includes(path):
            users.setdefault(name, set()).add("a contract" if path in HEADERS else room_of(path))
    tests = "".join(path.read_text() for folder in ("tests", "fuzz", "bench") for path in (ROOT / folder).rglob("*.[ch]"))
    alone = [name for path in HEADERS if name_of(path) != "include/bramble.h"  # other programs'
             and users.get(name := str(path.relative_to(ROOT / "include")), set()) <= {room_of(path)}
             and f'"{name}"' not in tests]
    assert alone == []


@pytest.mark.parametrize("header, room", [("mpi.h", "transport"), ("hdf5.h", "record"), ("omp.h", "kernels"),
                                          ("jansson.h", "show")])
def test_a_library_has_one_home(header, room):
    homes = {room_of(path) for path in SOURCES if header in map(os.path.basename, includes(path))}
    assert homes == {room}


# ---- who calls whom -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def objects():
    return symbols(BRAMBLE.parent / "obj/src")


@pytest.mark.parametrize("without", ["transport/serial.c", "transport/mpi"])
def test_files_make_no_circle(objects, without):
    """What a file takes from others, by the symbols in the objects of the program (one of the two transports at a time)."""
    defined, taken = objects
    assert len(defined) > 100
    taken = {name: all for name, all in taken.items() if not name.startswith(without)}
    defined = {name: all for name, all in defined.items() if not name.startswith(without)}
    assert circles(calls(defined, taken)) == {}


def test_circles_are_found():
    graph = {"a": {"b", "d"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"a", "f"}, "f": {"e"}}
    assert circles(graph) == {"b": ["c"], "c": ["b"], "e": ["f"], "f": ["e"]}
    assert circles({"a": {"b"}, "b": set()}) == {}


# ---- who defines what ---------------------------------------------------------------------------------------

DECLARED = re.compile(r"^(?!typedef\b|struct\b[^(;]*\{|enum\b[^(;]*\{|static\b|\s)[\w \*]*?\b(\w+)\s*\([^;{]*\)[^;{]*;", re.M)
DEFINED = re.compile(r"^(?!typedef\b|struct\b[^(;]*\{|static\b|\s)[\w \*]*?\b(\w+)\s*\([^;{]*\)\s*\{", re.M)

# One header for several files of its room, which it names; {} stands for the rest of the function's name.
SHARED = {
    "include/layers/layer.h": ["registry"],  # the list of all kinds
    "include/transport/transport.h": ["mpi_*", "serial", "average"],  # the first two are twins
    "src/transport/wire.h": ["mpi_*", "serial"],
    "src/transport/mpi_parts.h": ["mpi_*"],
    "src/cli/commands.h": ["{}"],  # command_train is train.c's
    "src/doctor/parts.h": ["*"],
    "src/study/report_parts.h": ["report_*"],
}


def functions(pattern, path):
    return pattern.findall(re.sub(r"^#.*(\\\n.*)*", "", without_comments(path.read_text()), flags=re.M))


def strangers():
    """Functions, as (header, name, file), that are defined where nobody would look."""
    homes = {}
    for path in SOURCES:
        for name in functions(DEFINED, path) if path.suffix == ".c" else []:
            homes.setdefault(name, []).append(path)
    for header in SOURCES:
        for name in functions(DECLARED, header) if header.suffix == ".h" else []:
            shared = [part.format(name.split("_", 1)[-1]) for part in SHARED.get(name_of(header), [])]
            for path in homes.get(name, []):
                known = (path.stem + "_").startswith(header.stem + "_") or (name + "_").startswith(path.stem + "_") \
                    or any(fnmatch.fnmatchcase(path.stem, part) for part in shared)
                if room_of(path) != room_of(header) or not known:
                    yield name_of(header), name, name_of(path)


def test_functions_are_defined_where_they_are_declared():
    """What x.h declares stands in x.c or an x_*.c of the same room, or in the file that begins the function's name
    (server_show in server.c): so it is found without a search.  A header shared by files of other names is listed."""
    assert set(strangers()) == set()
    declared = [name for path in SOURCES if path.suffix == ".h" for name in functions(DECLARED, path)]
    defined = [name for path in SOURCES if path.suffix == ".c" for name in functions(DEFINED, path)]
    assert len(declared) > 400 and {"record_create", "options_resume", "seal_check", "transport_start"} <= set(declared)
    assert set(declared) <= set(defined), "declared, and nowhere to be found"


def changing(objects):
    """Symbols of each object file for which a process has one piece of memory that changes."""
    found = {}
    for path in objects:
        lines = subprocess.run(["objdump", "-t", path], text=True, capture_output=True, check=True).stdout.splitlines()
        kinds = [re.match(r"[0-9a-f]+ .{5}(.)[OfF ] (\S+)\t[0-9a-f]+ (?:\.hidden )?(\S+)$", line) for line in lines]
        found[path.stem] = {kind[3] for kind in kinds if kind and kind[1] != "d"
                            and re.match(r"\.t?(data|bss)(?!\.rel\.ro)|\*COM\*", kind[2])}
    return {name: symbols for name, symbols in found.items() if symbols}


def test_a_run_is_not_the_process():
    """What trains, from the round to the kernel, keeps no state of its own between calls, so that a process may train twice, or in two threads."""
    objects = [BRAMBLE.parent / "obj" / path.relative_to(ROOT).with_suffix(".o") for room in ("train", "api", "model", "layers", "kernels")
               for path in (ROOT / "src" / room).glob("*.c")]
    assert len(objects) > 15
    assert changing(objects) == {"interrupt": {"noted"}}  # by the signal handler, which can be told of nothing


def test_changing_memory_is_found(tmp_path):
    (tmp_path / "a.c").write_text("""static int hidden; int shown = 1; _Thread_local int mine; const int fixed = 1; extern int other;
        const char *const names[] = {"a", "b"};
        int *next(void) { static int n = 1; n += hidden++ + other + mine; return &n; }""")
    subprocess.run(["cc", "-fPIE", "-c", "a.c"], cwd=tmp_path, check=True)
    found = changing([tmp_path / "a.o"])["a"]
    assert {re.sub(r"\.\d+", "", name) for name in found} == {"hidden", "shown", "mine", "n"}


def test_public_headers_show_no_library():
    public = [path for path in SOURCES if path.is_relative_to(ROOT / "include")]
    assert not {name for path in public for name in includes(path)} & {"mpi.h", "hdf5.h", "omp.h"}
    assert where(r"\b(MPI|H5\w*)_\w+\b|\b(hid_t|herr_t)\b", public) == []


def test_what_is_installed_includes_nothing_of_ours():
    assert set(includes(ROOT / "include/bramble.h")) == {"stdbool.h", "stddef.h", "stdint.h"}


def test_openmp_is_in_the_kernels():
    allowed = [name_of(path) for path in (ROOT / "src/kernels").glob("*.c")] + ["src/data/batch.c"]
    assert set(where(r"^\s*#\s*pragma\s+omp|_Pragma\(\s*\"omp|\bomp_\w+\(")) <= set(allowed)


def test_no_intrinsics():
    headers = re.compile(r"(\w*mmintrin|x86intrin|x86gprintrin|arm_\w+|altivec|cpuid)\.h")
    assert [name_of(path) for path in SOURCES if any(headers.fullmatch(name) for name in includes(path))] == []
    assert where(r"\b_mm(256|512)?_\w+|\bv(ld|st)1q?_\w+|\b__builtin_(ia32|neon|aarch64)_\w+") == []


def test_the_instruction_set_is_known_in_one_header():
    assert where(r"\b(__AVX\w*__|__SSE\w*__|__aarch64__|__ARM\w*|__x86_64__)\b") == ["include/kernels/simd.h"]


def test_what_computes_is_called_through_an_engine():
    """Directly it would be the program's own, with blocks of another width than the network's."""
    direct = where(r"(?<!->)\b(network_(new|free|forward|measure|gradient|step|logit|loss|guess|label|smooth_labels|mix_labels)|optimizer_step|batch_load_block|peak_flops)\s*\(")
    assert {room_of(ROOT / name) for name in direct} <= {"model", "data", "kernels"}
    assert where(r"optimizer_init\([^;{]*[^>]\boptimizer_rules\b") == []


def test_one_main():
    assert where(r"^int\s+main\s*\(") == ["src/cli/main.c"]


def test_only_one_place_ends_the_program():
    """A lone exit on one rank would leave the others waiting."""
    ends = where(r"(?<!\w)(exit|_exit|abort|quick_exit|MPI_Abort)\s*\(", [p for p in SOURCES if p.suffix == ".c"])
    of_a_rank = {name_of(path) for path in (ROOT / "src/transport").glob("*.c")}
    assert set(ends) - {"src/base/child.c"} <= of_a_rank  # which ends a process of its own


def test_length():
    lines = {name_of(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: n for name, n in lines.items() if n > 400} == {}


# ---- headers ----------------------------------------------------------------------------------------------

HEADERS = [path for path in SOURCES if path.is_relative_to(ROOT / "include")]
FUNCTION = re.compile(r"^(?!typedef\b|#|struct\b[^(]*\{|enum\b|extern\b|\s)[\w \*]*?\b(\w+)\s*\([^;{]*\)[^;{]*[;{]", re.M)


def undocumented(text):
    """Functions declared without a comment: before them, in one line with them, or one that names them."""
    text = re.sub(r"^#.*(\\\n.*)*", "", text, flags=re.M)
    comments = re.findall(r"/\*.*?\*/", text, re.S)
    named = {word for comment in comments for word in re.findall(r"\w+", comment)}
    found = []
    for part in re.split(r"\n\s*\n", text):
        bare = without_comments(part)
        for name in FUNCTION.findall(bare):
            comment_comes_first = part.lstrip().startswith("/*")
            same_line = re.search(rf"\b{name}\s*\([^;]*;[ \t]*/\*", part)
            if not (comment_comes_first or same_line or name in named):
                found.append(name)
    return found


def test_every_public_function_is_explained():
    bare = {name_of(path): undocumented(path.read_text()) for path in HEADERS}
    assert {name: functions for name, functions in bare.items() if functions} == {}


def test_every_header_says_what_it_is():
    assert [name_of(path) for path in HEADERS if not path.read_text().startswith(f"/*\n * {path.name} - ")] == []


def test_functions_are_found():
    """The pattern above sees declarations, also those over several lines, and inline functions."""
    functions = {name for path in HEADERS for name in FUNCTION.findall(without_comments(path.read_text()))}
    assert {"transport_average", "record_create", "vec_set", "model_new", "batch_load_block"} <= functions
    assert len(functions) > 100
    assert undocumented("/* a.h - x */\n\nint bare(void);\n\n/* about */\nint told(int a,\n  int b);\n") == ["bare"]


# ---- what comments name -----------------------------------------------------------------------------------


def strange_names(comments):
    """C files and headers that comments name, in whatever folder, and nobody has; capitals stand for any name."""
    files = ["/" + name_of(path) for folder in ("src", "include", "tests", "fuzz", "bench") for path in (ROOT / folder).rglob("*.[ch]")]
    named = set(re.findall(r"(?<![\w/*<.-])((?:\w+/)*[a-z]\w+\.[ch])\b", comments))
    return sorted(name for name in named if not re.search("[A-Z]{2}", name) and not any(file.endswith("/" + name) for file in files))


def test_files_that_comments_name_exist():
    bad = {}
    for path in SOURCES:
        comments = "\n".join(re.findall(r"/\*.*?\*/|//[^\n]*", path.read_text(), re.S))
        if found := unknown_paths(comments) + strange_names(comments):
            bad[name_of(path)] = found
    assert bad == {}


def test_what_is_missing_is_found():
    assert strange_names("/* nothing.h, base/error.h, error.h, train/error.c, average_NAME.c, outer_*.c, <mpi.h> */") == ["nothing.h", "train/error.c"]
    assert unknown_paths("`src/base/error.c`, src/layers/KIND.c, include/ROOM/*.h, (jobs/hostfile).") == []
    assert unknown_paths("src/base/nothing.c and `tests/unit/no_THING.c`.") == ["src/base/nothing.c", "tests/unit/no_THING.c"]


# ---- scripts ----------------------------------------------------------------------------------------------


def scripts():
    left_out = {"build", "data", "results", ".git", "__pycache__", "notebooks"}
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in left_out]
        for name in names:
            path = ROOT / folder / name
            with open(path, "rb") as file:
                first = file.readline(80)
            if re.match(rb"#!\s*/(usr/)?bin/(env )?(ba)?sh\b", first) or path.suffix in (".sh", ".bash"):
                yield path


def test_scripts_pass_shellcheck():
    found = sorted(scripts())
    assert len(found) >= 3
    assert shutil.which("shellcheck"), "install shellcheck"
    shell = {path: ["-s", "bash"] if path.suffix == ".bash" else [] for path in found}
    complaints = [subprocess.run(["shellcheck", *shell[path], path], text=True, capture_output=True).stdout
                  for path in found]
    assert "".join(complaints) == ""
    for path in found:
        assert path.suffix in (".bash", ".sbatch") or os.access(path, os.X_OK), f"{path} is not executable"
