"""What is not installed with w2sg alone: which extra has it, said before anything is computed."""

from importlib.util import find_spec

EXTRAS = {
    "train": ("torch", "transformers", "accelerate", "peft", "safetensors"),
    "hub": ("datasets",),
    "ray": ("ray",),
    "slurm": ("submitit",),
}


class MissingExtra(ImportError):
    """Packages of an extra are not installed; the text says what to install."""


def require(extra: str, what: str) -> None:
    """Refuse what packages of an extra are missing for.

    Args:
        extra: Its name.
        what: What needs it, as the start of a sentence.

    Raises:
        MissingExtra: One of its packages is not installed.
    """
    missing = [name for name in EXTRAS[extra] if not _is_installed(name)]
    if missing:
        raise MissingExtra(_sentence(what, missing, extra))


def explain_import(error: ImportError) -> str | None:
    """Return what to install where a package of an extra could not be imported, else ``None``."""
    package = (error.name or "").partition(".")[0]
    for extra, packages in EXTRAS.items():
        if package in packages:
            return _sentence("this", [package], extra)
    return None


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _sentence(what: str, missing: list[str], extra: str) -> str:
    names = ", ".join(missing)
    are = "is" if len(missing) == 1 else "are"
    return f"{what} needs {names}, which {are} not installed: pip install 'w2sg[{extra}]'"
