#!/usr/bin/python3
"""The rooms of the house: who needs whom, drawn as docs/rooms.svg, and how large they are.

    tools/rooms.py [OBJECTS]     make rooms: writes the picture, prints a table; OBJECTS: of the program, for the circles

The picture is made from the #include lines of src/ and include/ alone, and always comes out the same: it changes when
rooms, floors or arrows do, and tests/system/test_house.py then asks for a new one.
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# What stands on which floor, from the top: name, what is in it, and from where to where it reaches, in columns.
# A room named on two floors is two floors high.
FLOORS = [
    ("what users say", [("cli", "main, a file per command", 0, 12)]),
    ("what is done", [("train", "a running training", 0, 3), ("doctor", "a look at a cluster", 3, 6),
                      ("predict", "pictures", 6, 7), ("study", "files in", 7, 9), ("exchange", "others' files", 9, 11),
                      ("api", "library", 11, 12)]),
    ("what they share", [("options", "tables, parsing, presets", 0, 4), ("host", "machine, files, build", 4, 8),
                         ("show", "output, progress", 8, 12)]),
    ("per processor", [("engine", "all below that computes, per instruction set", 0, 6)]),
    ("the net", [("model", "file to layers, weights", 0, 3), ("data", "images to batches", 3, 6)]),
    ("its parts", [("layers", "a file per kind", 0, 3),
                   ("transport", "the only <mpi.h>", 6, 9), ("record", "the only <hdf5.h>", 9, 12)]),
    ("its arithmetic", [("kernels", "arrays and threads", 0, 6), ("transport", "", 6, 9), ("record", "", 9, 12)]),
    ("ground", [("base", "errors, memory, clock, random numbers, text, tensors", 0, 12)]),
]
COLOURS = {"cli": "#33475b", "train": "#b8336a", "doctor": "#8a5a00", "predict": "#00796b", "study": "#2e6f95", "exchange": "#00796b", "options": "#7a3e9d",
           "host": "#00796b", "show": "#a3472c", "model": "#b8336a", "layers": "#8a5a00", "data": "#2e6f95",
           "transport": "#00796b", "record": "#7a3e9d", "engine": "#33475b", "kernels": "#a3472c", "base": "#33475b",
           "api": "#7a3e9d"}


# ---- who includes whom ------------------------------------------------------------------------------------


def sources():
    return sorted(path for folder in ("src", "include") for path in (ROOT / folder).rglob("*.[ch]"))


def room_of(path):
    """The header for other programs, include/bramble.h, lies outside of the rooms' folders."""
    parts = path.relative_to(ROOT).parts
    return parts[1] if len(parts) > 2 else "api"


def without_comments(text):
    """With as many lines as before."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", lambda comment: "\n" * comment[0].count("\n"), text, flags=re.S)


def includes(path):
    return re.findall(r'^\s*#\s*include\s*[<"]([^">]+)[">]', without_comments(path.read_text()), re.M)


def rooms():
    """For each room, those that its files include."""
    paths = sources()
    below = {room_of(path): set() for path in paths}
    for path in paths:
        below[room_of(path)] |= {name.split("/")[0] for name in includes(path) if "/" in name} & set(below)
    return {room: others - {room} for room, others in below.items()}


def reached(graph):
    """For each name, all that it needs, by way of others too."""
    found = {}
    for name in graph:
        todo, found[name] = [name], set()
        while todo:
            new = graph.get(todo.pop(), set()) - found[name]
            found[name] |= new
            todo += new
    return found


def arrows(graph):
    """Of a graph without circles the fewest arrows that say the same: none that others reach by way of a third."""
    found = reached(graph)
    return sorted((name, other) for name in graph for other in graph[name]
                  if not any(other in found[third] for third in graph[name] - {other}))


# ---- who calls whom ---------------------------------------------------------------------------------------


def symbols(folder):
    """For each object file below folder that has a source still: what it defines, and what it takes from others."""
    names = {}
    for path in sorted(Path(folder).rglob("*.o")):
        name = str(path.relative_to(folder).with_suffix(".c"))
        if (ROOT / "src" / name).is_file():
            names[str(path)] = name
    defined, taken = ({name: set() for name in names.values()} for _ in range(2))
    listed = subprocess.run(["nm", "-A", *names], text=True, capture_output=True, check=True).stdout
    for path, line in (line.rsplit(":", 1) for line in listed.splitlines()):
        kind, symbol = line.split()[-2:]
        if kind in "TDBRCVW":
            defined[names[path]].add(symbol)
        elif kind == "U":
            taken[names[path]].add(symbol)
    return defined, taken


def calls(defined, taken):
    """The files that each file takes something from."""
    home = {symbol: name for name, all in defined.items() for symbol in all}
    return {name: {home[symbol] for symbol in all if symbol in home} - {name} for name, all in taken.items()}


def circles(graph):
    """Files that need, by way of others, themselves; with those of their circle that they need."""
    found = reached(graph)
    return {name: sorted(other for other in below if name in found.get(other, set()))
            for name, below in graph.items() if name in found[name]}


def circles_of(folder, without=("transport/serial.c",)):
    """Of the program whose objects lie in folder; it has one of the two transports."""
    defined, taken = ({name: all for name, all in part.items() if not name.startswith(without)}
                      for part in symbols(folder))
    return circles(calls(defined, taken))


# ---- the picture ------------------------------------------------------------------------------------------

LEFT, RIGHT, TOP, COLUMN, HIGH, BETWEEN, GAP, PORT = 132, 24, 24, 70, 54, 58, 10, 18
WIDE = LEFT + 12 * COLUMN + RIGHT


def boxes():
    """x, y, width, height and words of each room."""
    found = {}
    for floor, (_, row) in enumerate(FLOORS):
        y = TOP + floor * (HIGH + BETWEEN)
        for name, words, first, last in row:
            if name in found:  # one floor more
                x, above, width, _, words = found[name]
                found[name] = (x, above, width, y + HIGH - above, words)
            else:
                found[name] = (LEFT + first * COLUMN + GAP, y, (last - first) * COLUMN - 2 * GAP, HIGH, words)
    return found


def spread(wanted, low, high):
    """Places as near to those wanted as can be, in their order, PORT apart, from low to high."""
    order = sorted(range(len(wanted)), key=lambda k: wanted[k])
    places = {}
    for step, k in enumerate(order):
        at = min(max(wanted[k][0], low), high)
        places[k] = max(at, places[order[step - 1]] + PORT) if step else at
    for step, k in reversed(list(enumerate(order))):
        places[k] = min(places[k], high - (len(order) - 1 - step) * PORT)
    return [places[k] for k in range(len(wanted))]


def ports(pairs, box):
    """Where each arrow begins, below its room, and ends, above the other."""
    ends = [{}, {}]
    for side in (0, 1):
        for room in sorted({pair[side] for pair in pairs}):
            mine = [pair for pair in pairs if pair[side] == room]
            x, _, width = box[room][:3]
            wanted = []
            for pair in mine:
                other = box[pair[1 - side]]
                low, high = max(x, other[0]), min(x + width, other[0] + other[2])  # where both are
                wanted.append(((low + high) / 2, other[0] + other[2] / 2))
            ends[side].update(zip(mine, spread(wanted, x + PORT, x + width - PORT)))
    return ends


def curve(x, y, to_x, to_y):
    """Down, over, and down; straight where it can be."""
    bend = (to_y - y) * 0.55
    line = f"V {to_y - 7:g}" if abs(to_x - x) < 0.5 else \
        f"C {x:g} {y + bend:g} {to_x:g} {to_y - bend:g} {to_x:g} {to_y - 7:g}"
    return f"M {x:g} {y:g} {line}", f"M {to_x:g} {to_y:g} l -4.5 -9 h 9 z"


def picture(graph):
    """The SVG of a graph of rooms; it must have all rooms of FLOORS and no other, and go downwards."""
    box = boxes()
    if set(graph) != set(box):
        raise SystemExit(f"rooms.py: FLOORS has no place for, or too much of: {', '.join(sorted(set(graph) ^ set(box)))}")
    pairs = arrows(graph)
    up = [(name, other) for name in graph for other in sorted(graph[name])
          if box[name][1] + box[name][3] > box[other][1]]
    if up:
        raise SystemExit(f"rooms.py: includes that do not go downwards: {', '.join(f'{a} -> {b}' for a, b in up)}")
    high = TOP + len(FLOORS) * (HIGH + BETWEEN) - BETWEEN + TOP
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDE}" height="{high}" viewBox="0 0 {WIDE} {high}"'
           ' font-family="DejaVu Sans, Verdana, Helvetica, sans-serif">',
           "<title>The rooms of Bramble: arrows lead to what a room includes</title>",
           f'<rect width="{WIDE}" height="{high}" rx="8" fill="#ffffff"/>']
    for floor, (words, _) in enumerate(FLOORS):
        y = TOP + floor * (HIGH + BETWEEN)
        out.append(f'<rect x="8" y="{y - 10}" width="{WIDE - 16}" height="{HIGH + 20}" rx="6" fill="#f4f5f7"/>')
        out.append(f'<text x="20" y="{y + HIGH / 2 + 4:g}" font-size="12" fill="#5a6470">{words}</text>')
    begin, end = ports(pairs, box)
    for pair in pairs:
        line, head = curve(begin[pair], box[pair[0]][1] + box[pair[0]][3], end[pair], box[pair[1]][1])
        colour = COLOURS[pair[0]]
        out.append(f'<path d="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/><path d="{head}" fill="{colour}"/>')
    for name, (x, y, width, height, words) in box.items():
        middle = x + width / 2
        words = words.replace("<", "&lt;").replace(">", "&gt;")
        out.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="#ffffff"'
                   f' stroke="{COLOURS[name]}" stroke-width="1.6"/>')
        out.append(f'<text x="{middle:g}" y="{y + height / 2 - 3:g}" text-anchor="middle" font-size="16" font-weight="bold"'
                   f' fill="{COLOURS[name]}">{name}</text>')
        out.append(f'<text x="{middle:g}" y="{y + height / 2 + 15:g}" text-anchor="middle" font-size="12"'
                   f' fill="#333333">{words}</text>')
    return "\n".join(out + ["</svg>", ""])


# ---- the table --------------------------------------------------------------------------------------------


def functions(path):
    """Length and name of each function in a file as clang-format leaves it: from its first line to its last brace."""
    lines, found, begins, head = path.read_text().splitlines(), [], None, 0
    for number, line in enumerate(lines):
        if line == "{":
            begins = head
        elif line == "}" and begins is not None:
            found.append((number - begins + 1, re.search(r"(\w+)\(", " ".join(lines[begins:number]))[1]))
            begins = None
        elif re.match(r"[A-Za-z_]", line):
            head = number
    return found


def table(objects=None):
    """What `make rooms` prints."""
    out, all_lengths, totals = [f"{'room':10} {'files':>6} {'lines':>6}  includes"], [], [0, 0]
    graph = rooms()
    for room in dict.fromkeys(name for _, row in FLOORS for name, *_ in row):
        paths = [path for path in sources() if room_of(path) == room]
        lines = sum(len(path.read_text().splitlines()) for path in paths)
        totals = [totals[0] + len(paths), totals[1] + lines]
        out.append(f"{room:10} {len(paths):6} {lines:6}  {', '.join(sorted(graph[room])) or '-'}")
    for path in sources():
        all_lengths += [(n, f"{name} ({path.relative_to(ROOT)})") for n, name in functions(path)]
    all_lengths.sort()
    longest, p90 = all_lengths[-1], all_lengths[int(0.9 * len(all_lengths))][0]
    out += [f"{'all':10} {totals[0]:6} {totals[1]:6}", "",
            f"functions  {len(all_lengths)}, 90 % of them up to {p90} lines; the longest: {longest[0]}, {longest[1]}"]
    if objects:
        found = circles_of(objects)
        out.append(f"circles    {', '.join(sorted(found)) or 'none'}")
    return "\n".join(out)


if __name__ == "__main__":
    (ROOT / "docs/rooms.svg").write_text(picture(rooms()))
    print(table(*sys.argv[1:2]))
