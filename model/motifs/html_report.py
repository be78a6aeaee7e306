"""All kernels of a network on one web page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .kernel_motifs import CORE_BITS, KernelSites
from .logo import COLOURS, KernelPicture, letter_heights, svg, svg_symbols
from .tomtom import FEW_MOTIFS, RELIABLE_Q, KernelRow, MotifMatch


@dataclass(frozen=True, eq=False)
class LayerView:
    """One layer: its sites, the table of its kernels, strongest first, and their matches by kernel."""

    sites: KernelSites
    rows: Sequence[KernelRow]
    matches: Mapping[int, MotifMatch]


def kernel_picture(view: LayerView, kernel: int, tracks: Sequence[str]) -> KernelPicture:
    """What to draw of a kernel; the known motif only where it is a reliable match."""
    layer, match = view.sites, view.matches.get(kernel)
    start, stop = (int(i) for i in layer.cores[kernel])
    signals = {name: layer.mean_signal[t, kernel] for t, name in enumerate(tracks)}
    heights = letter_heights(layer.probabilities[kernel], layer.information[kernel])
    if match is None or not match.reliable:
        return KernelPicture(heights, (start, stop), signals=signals)
    known = letter_heights(match.oriented)
    label = match.name + (", reverse complement" if match.reverse else "")
    return KernelPicture(heights, (start, stop), known, match.start, label, signals)


def page(
    title: str, facts: Mapping[str, str], layers: Sequence[LayerView], tracks: Sequence[str], *, known: int
) -> str:
    """The page as HTML.

    Args:
        title: its heading.
        facts: what the model was shown, as names and values.
        layers: layer 1, layer 2.
        tracks: names of the signal tracks.
        known: number of known motifs the kernels were compared with; 0 for none.
    """
    terms = "".join(f"<div><dt>{_text(k)}</dt><dd>{_text(v)}</dd></div>" for k, v in facts.items())
    contents = "".join(
        f'<li><a href="#layer{n}">{_TITLES[n - 1]}</a>: {len(view.rows)} of {len(view.sites.sites)} kernels have sites'
        "</li>"
        for n, view in enumerate(layers, 1)
    )
    sections = "".join(_section(n, view, tracks) for n, view in enumerate(layers, 1))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n'
        f"<body>{svg_symbols()}<header><h1>{_text(title)}</h1><dl>{terms}</dl></header>\n"
        f"<main><nav><ul>{contents}</ul></nav>{_reading(known)}{sections}</main></body></html>\n"
    )


_TITLES = ("Layer 1: convolution", "Layer 2: kernels mixed at each position")


def _reading(known: int) -> str:
    text = [
        "In each sequence, on both strands, the window under a kernel's highest activation was taken where that is "
        "above 0. A logo shows all windows of a kernel, one under the other, in bits (corrected for few sites). The "
        "curves are the mean of each track over the same windows, in the logo's direction; their axes begin at 0.",
        f"The shaded core is the stretch with the most information above {CORE_BITS} bits a place. Kernels are ranked "
        "by strength, that is sites × the core's bits above it: a sharp motif found in many sequences comes first. "
        "Activations of kernels cannot be compared with each other, so they do not count.",
    ]
    if known:
        text.append(
            f"Each core, with two places on either side, was compared with {known} known motifs by Tomtom, on "
            "both strands. q is the share of false matches expected (Benjamini-Hochberg over all kernels of the layer "
            f"× motifs); a motif with q ≤ {RELIABLE_Q} "
            "is drawn under the kernel, as it lies on it."
        )
    if 0 < known < FEW_MOTIFS:
        text.append(
            f"<strong>{known} known motifs are few.</strong> Tomtom takes their columns for its background, so with "
            f"fewer than {FEW_MOTIFS} its p-values depend on which they are."
        )
    return f"<details open><summary>How to read this page</summary>{''.join(f'<p>{t}</p>' for t in text)}</details>"


def _section(number: int, view: LayerView, tracks: Sequence[str]) -> str:
    cards = "".join(_card(row, view, tracks) for row in view.rows)
    silent = [str(k) for k, n in enumerate(view.sites.sites) if n == 0]
    rest = f"<p>Never above 0, so without sites: {_plural('kernel', silent)}.</p>" if silent else ""
    return (
        f'<section id="layer{number}"><h2>{_TITLES[number - 1]}</h2>{rest}{_table(view)}'
        f'<div class="cards">{cards}</div></section>\n'
    )


def _plural(word: str, items: Sequence[str]) -> str:
    return f"{word}{'s' if len(items) > 1 else ''} {', '.join(items)}"


def _table(view: LayerView) -> str:
    body = "".join(
        f'<tr><td>{row.rank}</td><td><a href="#{_anchor(row)}">kernel {row.kernel}</a></td>'
        f"<td><code>{row.consensus}</code></td><td>{row.sites:,}</td><td>{row.strength:,.0f}</td>"
        f"<td>{row.information:.1f}</td><td>{_match(row, view)}</td></tr>"
        for row in view.rows
    )
    head = "".join(
        f"<th>{t}</th>" for t in ("rank", "", "core", "sites", "strength", "information, bits", "known motif")
    )
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _anchor(row: KernelRow) -> str:
    return f"layer{row.layer}-kernel{row.kernel}"


def _match(row: KernelRow, view: LayerView) -> str:
    """Name of the match with its p- and q-value; grey where it is none to rely on."""
    match = view.matches.get(row.kernel)
    if match is None:
        return ""
    text = f"{_text(match.name)} <small>p = {match.p_value:.1e}, q = {match.q_value:.1e}</small>"
    return text if match.reliable else f'<span class="weak">closest: {text}</span>'


def _card(row: KernelRow, view: LayerView, tracks: Sequence[str]) -> str:
    match = _match(row, view)
    if row.kernel in view.matches and view.matches[row.kernel].others:
        match += f"; also {_text(', '.join(view.matches[row.kernel].others))}"
    activation = f"activation {row.mean_activation:.3g} on the average, at most {row.max_activation:.3g}"
    facts = f"{row.sites:,} sites · {row.information:.1f} bits · {activation}"
    drawn = svg(kernel_picture(view, row.kernel, tracks), f"Logo of kernel {row.kernel}: {row.consensus}")
    return (
        f'<article id="{_anchor(row)}"><h3><span class="rank">{row.rank}</span> kernel {row.kernel} '
        f"<code>{row.consensus}</code></h3><p>{facts}</p>"
        f"{f'<p>{match}</p>' if match else ''}{drawn}</article>\n"
    )


def _text(text: str) -> str:
    return html.escape(text)


_STYLE = """
:root { color-scheme: light dark; --paper: #f6f6f4; --card: #fff; --ink: #22262b; --grey: #6b7280; --line: #d9dbde;
  --link: #1f5a96; --core: #7f7f7f1f; --signal: #1f4e79 }
@media (prefers-color-scheme: dark) { :root { --paper: #17191c; --card: #202327; --ink: #e4e6e9; --grey: #9aa1ab;
  --line: #3a3f46; --link: #8bb8ec; --core: #ffffff14; --signal: #8bb8ec } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 96rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.5rem; margin: 0 0 .75rem } h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem }
h3 { font-size: 1rem; margin: 0 } p { margin: .25rem 0 } a { color: var(--link) }
code { font: .95em ui-monospace, monospace; overflow-wrap: anywhere }
dl { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: 0 } dt { color: var(--grey); font-size: .85em }
dd { margin: 0 } nav ul { padding-left: 1.2rem } details p { max-width: 75ch; margin: .5rem 0 }
summary { cursor: pointer; color: var(--grey) }
.scroll, article { border: 1px solid var(--line); border-radius: 6px; background: var(--card) }
.scroll { overflow: auto; max-height: 26rem }
table { border-collapse: collapse; width: 100%; font-size: .9em; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .75rem; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--line) }
thead th { position: sticky; top: 0; background: var(--card); color: var(--grey); font-weight: 500 }
td:nth-child(1), td:nth-child(4), td:nth-child(5), td:nth-child(6) { text-align: right }
th:nth-child(1), th:nth-child(4), th:nth-child(5), th:nth-child(6) { text-align: right }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 34rem), 1fr)); gap: 1rem;
  margin-top: 1rem }
article { padding: .75rem 1rem }
article:target { border-color: var(--link); box-shadow: 0 0 0 1px var(--link) }
article p { color: var(--grey); font-size: .9em } .rank { color: var(--grey); font-weight: 400 }
.weak { color: var(--grey) } small { color: var(--grey) }
article svg { display: block; width: 100%; height: auto; margin-top: .25rem }
svg text { fill: var(--grey); font: 10.5px system-ui, sans-serif } .core { fill: var(--core) }
.axis, .line { stroke: var(--grey); stroke-width: .7; fill: none }
.line { stroke: var(--signal); stroke-width: 1.4 } .area { fill: var(--signal); opacity: .18 }
""" + " ".join(f".{base} {{ fill: {colour} }}" for base, colour in COLOURS.items())
