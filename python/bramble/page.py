"""What pages of HTML are made of (page_study, page_run): figures, tables and text, nothing loaded from elsewhere.

Every figure stands in it twice, with panels side by side and, for a narrow window, below one another; both turn dark
where the reader's system is.
"""
from __future__ import annotations

import base64
import html
import io
import re
from typing import Any, Callable, Union

import pandas as pd
from matplotlib.figure import Figure

from .look import BLUE, GRID, INK, PAPER_WHITE, mpl, plt

# Light colour -> dark colour, of figures and of the page around them.
DARK = {INK: "#e8e6e3", PAPER_WHITE: "#16181c", GRID: "#3a3d42", BLUE: "#3d9be0"}
NARROW_PX = 640

CSS = """
:root { color-scheme: light dark; --ink: %s; --paper: %s; --line: %s; --link: #0060a0; }
@media (prefers-color-scheme: dark) { :root { --ink: %s; --paper: %s; --line: %s; --link: #7cc4ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .4rem; border-top: 1px solid var(--line); padding-top: 1.2rem; }
p, li { max-width: 46rem; overflow-wrap: anywhere; }
a { color: var(--link); }
nav ul { padding: 0; margin: 0; list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
figure { margin: 1rem 0; }
figure img { display: block; max-width: 100%%; height: auto; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .45rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, .words td { text-align: left; }
.words td, .words th { white-space: normal; overflow-wrap: anywhere; }
footer { margin-top: 3rem; font-size: .875rem; }
""" % (INK, PAPER_WHITE, GRID, DARK[INK], DARK[PAPER_WHITE], DARK[GRID])


# ---- pieces of HTML -----------------------------------------------------------------------------


def words(text: str) -> str:
    """Text with **bold** and `code` as HTML; all else stands for itself."""
    safe = html.escape(text)
    safe = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", safe)
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", safe)


def bare(text: str) -> str:
    """The same without marks, for alternative texts."""
    return re.sub(r"\*\*|`", "", text)


def paragraph(text: str) -> str:
    """A paragraph, where there is a text."""
    return f"<p>{words(text)}</p>" if text else ""


def simulated_note(how: str) -> list[str]:
    """What stands above all times of simulated runs."""
    return [paragraph(f"**Simulated, not measured**: {how}.")] if how else []


def svg_of(figure: Figure, salt: str = "bramble") -> bytes:
    """A figure as SVG that turns dark with the reader's system; the same figure gives the same bytes."""
    out = io.BytesIO()
    figure.draw_without_rendering()  # the layout once, not with each drawing
    figure.set_layout_engine("none")
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(out, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    rules = "".join(f'[style*="{name}: {light}"]{{{name}:{dark} !important}}'
                    for light, dark in ((light.lower(), dark) for light, dark in DARK.items()) for name in ("fill", "stroke"))
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>".encode()
    return re.sub(rb"(<svg [^>]*>)", rb"\1" + style.replace(b"\\", rb"\\"), out.getvalue(), count=1)


def _picture(figure: Figure) -> tuple[str, float, float]:
    """A figure as an address for HTML, with its size in pixels; the figure is closed."""
    svg = svg_of(figure)
    plt.close(figure)
    sides = re.search(rb'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    width, height = (float(n) for n in sides.groups()) if sides else (600.0, 300.0)
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode(), width * 4 / 3, height * 4 / 3


def figure_html(plot: Callable[..., Figure], alt: str, *what: Any) -> str:
    """A figure for wide and for narrow windows, with its alternative text."""
    wide, width, height = _picture(plot(*what))
    narrow, narrow_width, narrow_height = _picture(plot(*what, narrow=True))
    return (f'<figure><picture><source media="(max-width: {NARROW_PX}px)" srcset="{narrow}" width="{narrow_width:.0f}" '
            f'height="{narrow_height:.0f}"><img src="{wide}" width="{width:.0f}" height="{height:.0f}" '
            f'alt="{html.escape(bare(alt), quote=True)}"></picture></figure>')


def table_html(frame: Union[pd.DataFrame, pd.Series], title: str, is_words: bool = False, index: bool = True) -> str:
    """A table that scrolls by itself where it is wider than the window."""
    frame = frame.to_frame("") if isinstance(frame, pd.Series) else frame
    kind = "words" if is_words else "numbers"
    text = frame.to_html(border=0, classes=kind, index=index, na_rep="–", float_format=lambda x: f"{x:.4g}", index_names=False)
    return f'<div class="scroll" role="region" aria-label="{html.escape(title, quote=True)}" tabindex="0">{text}</div>'


def section(title: str, *pieces: str) -> tuple[str, str]:
    """A part of the page: its heading, and what stands below."""
    return title, "\n".join(piece for piece in pieces if piece)


def page_html(title: str, intro: list[str], sections: list[tuple[str, str]]) -> str:
    """The whole page."""
    links = "".join(f'<li><a href="#part{k}">{html.escape(name)}</a></li>' for k, (name, _) in enumerate(sections))
    parts = "\n".join(f'<section aria-labelledby="part{k}"><h2 id="part{k}">{html.escape(name)}</h2>\n{text}</section>'
                      for k, (name, text) in enumerate(sections))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{html.escape(title)}</title>
<style>{CSS}</style>
</head>
<body>
<main>
<h1>{html.escape(title)}</h1>
{chr(10).join(intro)}
<nav aria-label="Parts of this page"><ul>{links}</ul></nav>
{parts}
<footer>Made by bramble-plot.</footer>
</main>
</body>
</html>
"""
