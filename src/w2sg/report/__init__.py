"""The page of a finished run and the card of its model; reads the store, computes nothing new."""

from w2sg.report.model_card import model_card
from w2sg.report.run_page import render

__all__ = ["model_card", "render"]
