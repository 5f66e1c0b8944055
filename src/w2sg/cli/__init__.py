"""The command line: each command is a module of this package, loaded when it is called."""

import sys

from cyclopts import App

from w2sg._version import __version__

app = App(
    name="w2sg",
    version=__version__,
    help="Weak-to-strong generalization: train a strong student on a weak teacher's labels.",
)
COMMANDS = {
    "theory": ("w2sg.cli.theory:app", "Exact theory: tables, figures and JSON."),
    "reproduce": (
        "w2sg.cli.reproduce:reproduce",
        "Re-make a published figure and check its claim.",
    ),
    "diagnose": (
        "w2sg.cli.diagnose:diagnose",
        "Dimensions and overlap of weak and strong features.",
    ),
    "attention": (
        "w2sg.cli.attention:attention",
        "Where W_q, W_k, W_v are, and what tuning them costs.",
    ),
}
for _name, (_target, _help) in COMMANDS.items():
    app.command(_target, name=_name, help=_help)


def main() -> None:
    """Run the command line and leave with its exit status."""
    sys.exit(app() or 0)
