"""What lies in a model's folder: a file that is not what its name says is named for what it is."""

import json
import zipfile
from pathlib import Path
from typing import Any

# in the order in which transformers looks for them
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
OTHER_WEIGHTS = {
    ".h5": "TensorFlow",
    ".msgpack": "Flax",
    ".gguf": "GGUF",
    ".onnx": "ONNX",
    ".ot": "Rust",
    ".pt": "PyTorch, under a name that save_pretrained does not give",
    ".pth": "PyTorch, under a name that save_pretrained does not give",
    ".ckpt": "a training checkpoint",
    ".safetensors": "safetensors, under a name that save_pretrained does not give",
    ".bin": "PyTorch, under a name that save_pretrained does not give",
}
# what transformers reads besides weights, by how the names begin
READ = (
    "config",
    "tokenizer",
    "vocab",
    "merges",
    "special_tokens",
    "added_tokens",
    "spiece",
    "sentencepiece",
    "generation_config",
    "chat_template",
    "model",
    "pytorch_model",
)
TEXTS = (".json", ".txt", ".model", ".jinja")
POINTER = "a Git LFS pointer in place of the file; fetch it with `git lfs pull`"
PICKLE = (
    "a pickle of Python objects and not of tensors alone, which may run any code when it is read, "
    "so w2sg does not read it; load it where you trust it and write it with save_pretrained"
)
# how files begin
SIGNATURES = (
    (b"version https://git-lfs", POINTER),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89HDF", "an HDF5 file, as TensorFlow writes it"),
    (b"GGUF", "a GGUF file"),
    (b"\x80", "a pickle"),
)


class ModelError(ValueError):
    """A model that cannot be used as it lies there; the text says why and what to do."""


def check_folder(folder: Path, name: str) -> None:
    """Refuse a folder that is no model of transformers, such as an adapter without its model.

    Args:
        folder: Where it lies.
        name: As the user calls it.

    Raises:
        ValueError: There is no configuration, or the folder holds an adapter.
    """
    if (folder / "adapter_config.json").is_file():
        adapter = _read_json(folder / "adapter_config.json") or {}
        base = adapter.get("base_model_name_or_path")
        of = f" of {base!r}" if base else ""
        raise ModelError(
            f"model {name!r} is an adapter{of} and not a whole model: load it onto that model with "
            "peft, call merge_and_unload(), and give the folder of its save_pretrained"
        )
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"model {name!r}: the folder has no config.json; save it with save_pretrained"
        )


def check_texts(folder: Path, name: str) -> None:
    """Refuse a configuration that cannot be read, and pointers or web pages in place of files.

    Args:
        folder: Where the model lies.
        name: As the user calls it.

    Raises:
        ValueError: Which file, and what it is.
    """
    for path in sorted(folder.glob("*")):
        if path.name.startswith(READ) and path.suffix in TEXTS and path.is_file():
            kind = _impostor(_head(path))
            if kind is not None:
                raise ModelError(f"model {name!r}: {path.name} is {kind}")
    config = folder / "config.json"
    settings = _read_json(config)
    if settings is None or "model_type" not in settings:
        whole = settings is not None
        what = "names no model_type" if whole else f"is {kind_of(config)} and no table of JSON"
        raise ModelError(
            f"model {name!r}: config.json {what}, so its class is not known; save the model with "
            "save_pretrained"
        )


def check_weights(folder: Path, name: str) -> None:
    """Refuse weights that are missing, cut, or something else; tensors are not read.

    Args:
        folder: Where the model lies.
        name: As the user calls it.

    Raises:
        ValueError: Which file, and what it is.
    """
    path = next((folder / one for one in WEIGHTS if (folder / one).is_file()), None)
    if path is None:
        other = [p for p in sorted(folder.glob("*")) if p.suffix in OTHER_WEIGHTS and p.is_file()]
        there = f"{other[0].name} is {OTHER_WEIGHTS[other[0].suffix]}" if other else "there is none"
        raise ModelError(
            f"model {name!r}: the folder holds no weights that can be read (model.safetensors or "
            f"pytorch_model.bin): {there}; save the model with save_pretrained"
        )
    if path.suffix != ".json":
        _check_one(path, name)
        return
    shards = (_read_json(path) or {}).get("weight_map")
    if not isinstance(shards, dict) or not shards or not all(map(_is_plain, shards.values())):
        raise ModelError(
            f"model {name!r}: {path.name} is no list of shards; save the model with save_pretrained"
        )
    for shard in sorted(set(shards.values())):
        if not (folder / shard).is_file():
            raise ModelError(
                f"model {name!r}: {shard} is missing, one of {len(set(shards.values()))} shards "
                f"that {path.name} lists; copy the whole folder"
            )
        _check_one(folder / shard, name)


def check_table(folder: Path, name: str) -> None:
    """Refuse binary weights that are no table of names and tensors, which only reading them shows.

    Args:
        folder: Where the model lies.
        name: As the user calls it.

    Raises:
        ValueError: What they are.
    """
    import torch

    path = folder / "pytorch_model.bin"
    if path.is_file() and not (folder / "model.safetensors").is_file():
        content = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(content, dict):
            raise ModelError(
                f"model {name!r}: {path.name} holds a {type(content).__name__} and no table of "
                "names and tensors; save the model with save_pretrained"
            )


def kind_of(path: Path) -> str:
    """Return in words what a file is, as far as its beginning tells."""
    head = _head(path)
    if not head:
        return "an empty file"
    if (kind := _impostor(head)) is not None:
        return kind
    for signature, kind in SIGNATURES:
        if head.startswith(signature):
            return kind
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        cut = error.start > len(head) - 4  # in the middle of a letter
        text = head[: error.start].decode("utf-8") if cut else ""
    if text.strip():
        return f"a text that begins {' '.join(text.split())[:40]!r}"
    return "none of the formats that are known"


def _check_one(path: Path, name: str) -> None:
    if not path.stat().st_size:
        raise ModelError(f"model {name!r}: {path.name} is an empty file; copy or download it again")
    if path.suffix == ".safetensors":
        _check_safetensors(path, name)
        return
    head = _head(path)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(member.endswith("data.pkl") for member in archive.namelist()):
                return
        raise ModelError(f"model {name!r}: {path.name} is a zip archive and holds no tensors")
    if head.startswith(b"PK"):
        raise ModelError(
            f"model {name!r}: {path.name} is cut: it begins as weights do, and has no end; copy or "
            "download it again"
        )
    if not head.startswith(b"\x80"):  # as torch wrote before it wrote archives; read when loaded
        raise ModelError(f"model {name!r}: {path.name} is {kind_of(path)}")


def _check_safetensors(path: Path, name: str) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np"):
            return
    except SafetensorError:
        pass
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(min(length, 1 << 20))
    if size >= 9 and header.startswith(b"{") and length < 100_000_000:
        raise ModelError(
            f"model {name!r}: {path.name} is cut or damaged: its header lists other tensors than "
            f"its {size:,} bytes hold; copy or download it again"
        )
    kind = PICKLE if _head(path).startswith(b"\x80") else kind_of(path)
    raise ModelError(f"model {name!r}: {path.name} is {kind}")


def _impostor(head: bytes) -> str | None:
    """What comes in the place of any file when a download goes wrong."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"version https://git-lfs"):
        return POINTER
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page, such as a log-in or an error, in place of the file; download it again"
    if start.startswith((b"<?xml", b"<error")):
        return "an XML page, such as an error, in place of the file; download it again"
    return None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(256)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_plain(shard: Any) -> bool:
    return isinstance(shard, str) and Path(shard).name == shard
