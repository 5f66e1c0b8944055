"""A prepared policy inside transformers' Trainer: rates, checkpoints and exact resume."""

import pytest
import torch
from architectures import MODELS
from transformers import (
    GPT2ForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from w2sg.train.policies import apply

STEPS = 8


def bert():
    torch.manual_seed(0)
    return MODELS["bert"]()


def gpt2():
    torch.manual_seed(0)
    return MODELS["gpt2"]()


class Rates(TrainerCallback):
    """Keeps the learning rate of every group after each step."""

    def __init__(self):
        self.seen = []

    def on_step_end(self, args, state, control, optimizer=None, **kwargs):
        self.seen.append({g["name"]: g["lr"] for g in optimizer.param_groups})


def rows():
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1, 20, (32, 6), generator=generator)
    return [{"input_ids": i, "labels": i[0] % 2} for i in ids]


def trainer(model, policy, folder, **options):
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=4,
        max_steps=STEPS,
        save_steps=4,
        logging_steps=100,
        lr_scheduler_type="linear",
        warmup_steps=2,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        seed=3,
    )
    optimizer = policy.make_optimizer(weight_decay=0.1)
    seen = Rates()
    made = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows(),
        optimizers=(optimizer, None),
        callbacks=[seen],
        **options,
    )
    return made, seen


@pytest.mark.parametrize("build", [bert, gpt2])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_ratio_and_frozen_weights_through_training_and_resume(build, method, tmp_path):
    """Catches a ratio that the schedule bends, a moved K, a resume that forgets optimizer state."""

    def prepared():
        model = build()
        torch.manual_seed(5)
        return model, apply(model, "qv", ratio=4.0, lr=1e-3, lr_head=1e-2, method=method)

    model, policy = prepared()
    whole, seen = trainer(model, policy, tmp_path / "run")
    whole.train()
    assert len(seen.seen) == STEPS
    part = "weight" if method == "full" else "A"
    for rates in seen.seen[:-1]:  # the last one ends the schedule at rate 0
        assert rates[f"v.{part}"] / rates[f"q.{part}"] == pytest.approx(4.0, rel=1e-15)
    audit = policy.audit().require_intact()
    assert {m.role for m in audit.roles} == {"q", "v", "head"}
    assert not audit.still

    again, second = prepared()
    rest, later = trainer(again, second, tmp_path / "run")
    rest.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-4"))
    assert [r.items() for r in later.seen] == [r.items() for r in seen.seen[4:]]
    end, resumed = policy.state_dict(), second.state_dict()
    assert list(end) == list(build().state_dict())
    assert all(torch.equal(end[name], resumed[name]) for name in end)


def test_checkpoint_of_a_split_model_loads_into_the_unmodified_class(tmp_path):
    """Catches a checkpoint with the names of the split parts."""
    model = gpt2()
    policy = apply(model, "qv", lr=1e-2)
    made, _ = trainer(model, policy, tmp_path)
    made.train()
    made.save_model(str(tmp_path / "saved"))
    plain = GPT2ForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    ids = torch.stack([row["input_ids"] for row in rows()])
    with torch.no_grad():
        assert torch.allclose(plain(ids).logits, model.eval()(ids).logits, atol=1e-6)
    assert not torch.equal(plain.score.weight, gpt2().score.weight)


def test_optimizer_state_of_other_roles_is_refused():
    """Catches a resume that pairs moments with parameters by position alone."""
    first = apply(gpt2(), "qv").make_optimizer()
    other = apply(gpt2(), "qk").make_optimizer()
    with pytest.raises(ValueError, match=r"saved optimizer has the groups \['q.weight'"):
        other.load_state_dict(first.state_dict())
    fewer = apply(gpt2(), "qv", layers=[0]).make_optimizer()
    with pytest.raises(ValueError, match=r"group 'q.weight' of the saved optimizer"):
        fewer.load_state_dict(first.state_dict())


def test_groups_reach_the_trainer_as_keywords(tmp_path):
    """Catches groups that only work as a ready optimizer."""
    model = bert()
    policy = apply(model, "qv", ratio=2.0, lr=1e-3)
    keywords = {"params": policy.param_groups(weight_decay=0.1), "lr": 1.0}
    arguments = TrainingArguments(
        output_dir=str(tmp_path), max_steps=2, report_to=[], use_cpu=True, disable_tqdm=True
    )
    made = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows(),
        optimizer_cls_and_kwargs=(torch.optim.AdamW, keywords),
    )
    made.train()
    names = {g["name"]: g["initial_lr"] for g in made.optimizer.param_groups}
    assert names["v.weight"] == 2 * names["q.weight"] == 2e-3
    policy.audit().require_intact()
