"""Figures on a page: one palette for light and dark, each figure drawn wide and narrow."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from w2sg.arms import TABLE
from w2sg.figures import canvas, to_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE, NARROW = 8.2, 4.1  # inches of a figure on a desk and on a phone
# name of the CSS variable → colour on light paper, which the figures use, and on dark
THEME = {
    "muted": (canvas.MUTED, "#9aa1ab"),
    "orange": (canvas.ORANGE, "#fb8a4c"),
    "blue": (canvas.BLUE, "#7fb2f0"),
    "green": (canvas.GREEN, "#6cc39a"),
    "purple": (canvas.PURPLE, "#c39be8"),
    "mustard": (canvas.MUSTARD, "#dcae4a"),
    "teal": (canvas.TEAL, "#5cc5cc"),
    "rose": (canvas.ROSE, "#f08cb4"),
    "brown": (canvas.BROWN, "#cf9f7c"),
}
FIXED = {"teacher": canvas.INK, "student": canvas.ORANGE, "ceiling": canvas.GREEN}
OTHERS = (canvas.BLUE, canvas.PURPLE, canvas.TEAL, canvas.MUSTARD, canvas.ROSE, canvas.BROWN)
DEFAULT_TEXT = ("black", "#000000", "0.15", canvas.INK)
POINTS, PIXELS = 72, 88  # an inch in points, and in the pixels at which 10 points can be read


@dataclass(frozen=True)
class Drawing:
    """One figure in two widths.

    Attributes:
        name: Identifier, also of the files that a reader saves.
        says: What is to be seen, for those who cannot see it.
        wide: SVG text.
        narrow: SVG text.
        csv: The numbers in it, where a reader may save them.
        notes: Sentences below it.
    """

    name: str
    says: str
    wide: str
    narrow: str
    csv: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def csv_link(self) -> str:
        """Its numbers as an address that holds them."""
        return f"data:text/csv;charset=utf-8,{quote(self.csv or '')}"

    def least_pixels(self, svg: str) -> int:
        """Return the width below which its letters are too small, so that it scrolls instead.

        0 for a figure of the usual width, which shrinks with its page.
        """
        width = re.search(r'width="([\d.]+)pt"', svg)
        inches = 0.0 if width is None else float(width[1]) / POINTS
        usual = WIDE if svg == self.wide else NARROW
        return 0 if inches <= usual + 0.05 else round(inches * PIXELS)


def drawn(
    name: str,
    says: str,
    draw: "Callable[[float], Figure]",
    *,
    csv: str | None = None,
    notes: tuple[str, ...] = (),
) -> Drawing:
    """Return a figure for desks and phones.

    Args:
        name: Identifier.
        says: What is to be seen.
        draw: Width in inches → figure; called with `WIDE` and with `NARROW`.
        csv: The numbers in it.
        notes: Sentences below it.
    """
    return Drawing(
        name,
        says,
        wide=embed(to_svg(themed(draw(WIDE))), f"{name}-wide"),
        narrow=embed(to_svg(themed(draw(NARROW))), f"{name}-narrow"),
        csv=csv,
        notes=notes,
    )


def arm_colour(name: str) -> str:
    """Return the colour of an arm, the same on every page and in every figure.

    >>> arm_colour("student") == canvas.ORANGE
    True
    """
    if name in FIXED:
        return FIXED[name]
    others = [arm for arm in TABLE if arm not in FIXED]
    return OTHERS[others.index(name) % len(OTHERS)] if name in others else canvas.MUTED


def themed(figure: "Figure") -> "Figure":
    """Make lines and letters follow the page: no black, no white, no background."""
    from matplotlib.text import Text

    figure.set_facecolor("none")
    for panel in figure.axes:
        panel.set_facecolor("none")
        panel.tick_params(colors=canvas.INK, grid_color=canvas.MUTED)
        for spine in panel.spines.values():
            spine.set_edgecolor(canvas.MUTED)
        if (legend := panel.get_legend()) is not None:
            legend.set_frame_on(False)
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text.get_color() in DEFAULT_TEXT:
            text.set_color(canvas.INK)
    return figure


def embed(svg: str, name: str) -> str:
    """Return an SVG text that can stand inside a page next to others.

    Its ids get a prefix, so that no two figures share one, and its colours become those of the
    page, so that it follows light and dark.
    """
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-")
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace(canvas.INK, "currentColor")
    for variable, (light, _) in THEME.items():
        svg = svg.replace(light, f"var(--{variable}, {light})")
    return svg
