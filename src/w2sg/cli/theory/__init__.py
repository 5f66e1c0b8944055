"""`w2sg theory`: exact predictions as tables and figures, one module per subject."""

from cyclopts import App

app = App(name="theory", help="Exact theory: tables, figures and JSON.")
COMMANDS = {
    "ridge": ("mechanisms:ridge", "Two-stage ridge: who wins, and at which penalties."),
    "weighted": ("mechanisms:weighted", "Two-stage weighted ridge: what an aligned penalty buys."),
    "multi-index": (
        "mechanisms:multi_index",
        "Easy features from the teacher, hard ones of one's own.",
    ),
    "discrepancy": (
        "discrepancy:discrepancy",
        "Low intrinsic dimension: risks from d_w, d_s, d_sw, n, N.",
    ),
    "bregman": ("bregman:bregman", "Gain = misfit + residual, on a closed-form example."),
    "attention": ("attention:attention", "Bounds and learning-rate scaling of W_q, W_k, W_v."),
}
for _name, (_target, _help) in COMMANDS.items():
    app.command(f"w2sg.cli.theory.{_target}", name=_name, help=_help)
