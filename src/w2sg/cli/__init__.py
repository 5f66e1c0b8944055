"""The command line: each command is a module of this package, loaded when it is called."""

import sys
import warnings
from io import TextIOWrapper
from pathlib import Path

from cyclopts import App, Parameter

from w2sg._version import __version__
from w2sg.cli.options import strict

app = App(
    name="w2sg",
    version=__version__,
    default_parameter=Parameter(converter=strict),
    suppress_keyboard_interrupt=False,  # `main` tells what is kept
    help="Weak-to-strong generalization: train a strong student on a weak teacher's labels.",
)
COMMANDS = {
    "run": ("run:run", "Run a spec: teacher, pseudo-labels, student, references, report."),
    "preflight": ("preflight:preflight", "Will it help? A forecast before any training."),
    "explain": ("explain:explain", "Why did it gain? Matched controls on frozen features."),
    "sweep": ("sweep:sweep", "Run many cells as one plan; nothing is computed twice."),
    "compare": ("compare:compare", "What a swept key changes, paired by seed and item."),
    "report": ("report:report", "Write the page of a finished run again."),
    "predict": ("predict:predict", "Label new rows with the best student of a run."),
    "status": ("status:status", "What is stored, what failed and why."),
    "show": ("show:show", "Where a stored number comes from: spec, inputs, versions, times."),
    "export": ("export:export", "Write a sweep as one archive that another machine can read."),
    "import": ("import_:import_", "Read an archive of a sweep into a store."),
    "gc": ("gc:gc", "Remove what no run and no sweep refers to, after showing it."),
    "doctor": ("doctor:doctor", "What is installed, which device, what is missing for what."),
    "plan": ("plan:plan", "How many seeds and test items a difference needs."),
    "theory": ("theory:app", "Exact theory: tables, figures and JSON."),
    "reproduce": ("reproduce:reproduce", "Make a published figure again and check its claim."),
    "diagnose": ("diagnose:diagnose", "Dimensions and overlap of weak and strong features."),
    "attention": ("attention:attention", "Where W_q, W_k, W_v are, and what tuning them costs."),
}
for _name, (_target, _help) in COMMANDS.items():
    app.command(f"w2sg.cli.{_target}", name=_name, help=_help)


def main() -> None:
    """Run the command line and leave with its exit status: 0, 1 failed, 2 refused, 130 stopped."""
    from w2sg.cli.errors import explained, show_warning

    warnings.showwarning = show_warning

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a γ must not end a command where there is none
    words = [_home(token) for token in sys.argv[1:]]
    # what the exit status of a mistake is differs between versions of cyclopts; here it is 2
    sys.exit(explained(lambda: app(words, exit_on_error=False)))


def _home(token: str) -> str:
    """An argument with the home folder for ~, also behind an option's =, where shells leave it."""
    option, equals, value = token.partition("=")
    if token.startswith("~"):
        return str(Path(token).expanduser())
    if option.startswith("-") and equals and value.startswith("~"):
        return f"{option}={Path(value).expanduser()}"
    return token
