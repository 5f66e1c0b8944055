"""Tiny models, tokenizers and runs that the tests of the main job share."""

from pathlib import Path

import torch
import transformers as t
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = [f"w{i}" for i in range(60)]
ENGLISH = ["a", "short", "text", "that", "is", "quite", "bit", "longer", "!", "0"]
SMALL = {"hidden": 32, "layers": 2, "heads": 2, "positions": 64}


def save_bert(folder: Path, *, dropout: float = 0.1, seed: int = 0, tokenizer: bool = True) -> Path:
    """A BERT of two layers; token 0 is an ordinary word, [PAD] is token 1."""
    special = ["!", "[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys([*special, *ENGLISH, *WORDS]))}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 3), ("[SEP]", 4)],
    )
    if tokenizer:
        t.PreTrainedTokenizerFast(
            tokenizer_object=made,
            pad_token="[PAD]",
            unk_token="[UNK]",
            cls_token="[CLS]",
            sep_token="[SEP]",
            model_max_length=SMALL["positions"],
            model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        ).save_pretrained(folder)
    config = t.BertConfig(
        hidden_size=SMALL["hidden"],
        num_hidden_layers=SMALL["layers"],
        num_attention_heads=SMALL["heads"],
        intermediate_size=32,
        max_position_embeddings=SMALL["positions"],
        vocab_size=len(vocabulary),
        pad_token_id=1,
        initializer_range=0.2,  # answers that differ from text to text
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        t.BertModel(config).save_pretrained(folder)
    return folder


def save_gpt2(folder: Path, *, seed: int = 0) -> Path:
    """A GPT-2 of two layers without a pad token; "!" is token 0, as in the real vocabulary."""
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(["!", *ENGLISH, *WORDS]))}
    vocabulary["<|endoftext|>"] = eos = len(vocabulary)
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<|endoftext|>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    t.PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token="<|endoftext|>",
        bos_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        model_max_length=SMALL["positions"],
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder)
    config = t.GPT2Config(
        n_embd=SMALL["hidden"],
        n_layer=SMALL["layers"],
        n_head=SMALL["heads"],
        n_positions=SMALL["positions"],
        vocab_size=len(vocabulary),
        initializer_range=0.2,
        bos_token_id=eos,
        eos_token_id=eos,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        t.GPT2Model(config).save_pretrained(folder)
    return folder


def tables(source: Path, model: Path, store: Path, **changed: dict) -> dict:
    """A run of one seed that takes about a second; keywords change fields of the tables."""
    made = {
        "data": {
            "path": str(source),
            "id": "id",
            "n_labelled": 40,
            "n_unlabelled": 60,
            "n_test": 50,
        },
        "teacher": {"kind": "tfidf", "folds": 2},
        "student": {
            "model": str(model),
            "policy": "full",
            "epochs": 1,
            "min_steps": 0,
            "batch_size": 16,
            "micro_batch_size": 16,
            "max_length": 32,
            "precision": "float32",
            "lr": 1e-3,
            "lr_head": 1e-2,
        },
        "run": {
            "seeds": [0],
            "preview": False,
            "references": ["ceiling", "strong_on_labelled"],
            "store": str(store),
        },
    }
    made = {name: {**fields, **changed.get(name, {})} for name, fields in made.items()}
    teacher = made["teacher"]
    if teacher["kind"] in ("probe", "column") or teacher.get("epochs", "auto") != "auto":
        teacher.pop("folds")  # which these do not read
    if not set(made["run"]["references"]) - {"ceiling"} and "labelled" not in made["student"]:
        made["student"].pop("min_steps")
    if made["student"]["policy"] == "head":
        made["student"].pop("lr")
    return made
