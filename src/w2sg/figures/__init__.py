"""Drawing: arrays in, a matplotlib figure out; nothing is shown or written here."""

from w2sg.figures.canvas import new_figure, to_svg

__all__ = ["new_figure", "to_svg"]
