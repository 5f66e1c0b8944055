"""Frozen-layer and gradient features of tiny torch models against plain loops."""

import numpy as np
import pytest

from w2sg import diagnostics
from w2sg.diagnostics import random_subspace_dimension

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


class WordTokenizer:
    """Words to numbers; right or left padding, with the calling form of a real tokenizer."""

    def __init__(self, side="right"):
        self.side = side

    def get_vocab(self):
        return {f"w{i}": i for i in range(50)}

    def __call__(self, texts, *, max_length, **_):
        rows = [[int(w[1:]) for w in t.split()][:max_length] for t in texts]
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), 0)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            place = slice(0, len(row)) if self.side == "right" else slice(width - len(row), width)
            ids[i, place] = torch.tensor(row)
            mask[i, place] = 1
        return transformers.BatchEncoding({"input_ids": ids, "attention_mask": mask})


def config(*, layers):
    return transformers.BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
        attn_implementation="eager",
    )


@pytest.fixture(scope="module")
def bert():
    torch.manual_seed(0)
    return transformers.BertModel(config(layers=2))


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    return [" ".join(f"w{rng.integers(50)}" for _ in range(rng.integers(1, 12))) for _ in range(40)]


def one_by_one(model, texts, layer, pooling):
    rows = []
    model.eval()
    for text in texts:
        tokens = WordTokenizer()([text], max_length=99)
        with torch.no_grad():
            states = model(**tokens, output_hidden_states=True).hidden_states[layer][0]
        rows.append({"mean": states.mean(0), "first": states[0], "last": states[-1]}[pooling])
    return torch.stack(rows).numpy()


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_pooled_layers_are_those_of_each_text_alone(bert, texts, pooling):
    # catches padding that is averaged in, rows left in order of length, layers off by one
    found = diagnostics.layer_features(
        bert, WordTokenizer(), texts, (0, 1, -1), pooling=pooling, batch_size=2
    )
    for layer, rows in found.items():
        expected = one_by_one(bert, texts, layer, pooling)
        np.testing.assert_allclose(rows, expected, atol=2e-6)
    assert found[-1].dtype == np.float32


def test_left_padding_finds_the_same_tokens(bert, texts):
    # catches a last token taken at length − 1, which on the left is inside the text
    batch = [texts[0], texts[0] + " w3"]
    ids = WordTokenizer("left")(batch, max_length=99)
    from w2sg.models.features import pool

    states = torch.arange(ids["attention_mask"].numel()).reshape(2, -1, 1).float()
    width = states.shape[1]
    first = pool(states, ids["attention_mask"], "first")[:, 0].tolist()
    last = pool(states, ids["attention_mask"], "last")[:, 0].tolist()
    assert first == [1.0, width]
    assert last == [width - 1.0, 2 * width - 1.0]


def test_cache_serves_equal_content_only(bert, texts, tmp_path):
    # catches a key without the weights or the texts: a stale matrix would come back
    def features(texts):
        return diagnostics.layer_features(bert, WordTokenizer(), texts, (1, -1), cache=tmp_path)

    first = features(texts)
    assert len(list(tmp_path.iterdir())) == 2
    np.testing.assert_array_equal(features(texts)[-1], first[-1])
    assert len(list(tmp_path.iterdir())) == 2
    assert features([*texts[:-1], "w1 w2"])[-1].shape == first[-1].shape
    assert len(list(tmp_path.iterdir())) == 4
    weight = bert.encoder.layer[1].output.dense.weight
    before = weight.detach().clone()
    with torch.no_grad():
        weight[0] *= 3
    try:
        changed = features(texts)
    finally:
        with torch.no_grad():
            weight.copy_(before)
    assert np.abs(changed[-1] - first[-1]).max() > 1e-3


def test_layers_and_settings_are_refused_by_name(bert, texts):
    for options, message in (
        ({"layers": [3]}, "layers must lie between -3 and 2"),
        ({"pooling": "max"}, "pooling must be"),
        ({"batch_size": 0}, "batch_size must be"),
    ):
        with pytest.raises(ValueError, match=message):
            diagnostics.layer_features(bert, WordTokenizer(), texts, **options)
    with pytest.raises(ValueError, match="texts must not be empty"):
        diagnostics.layer_features(bert, WordTokenizer(), [])


def small_model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))


def autograd_rows(model, x, per_class):
    rows = []
    for example in x:
        logits = model(example[None])[0]
        for value in logits if per_class else [logits.sum()]:
            g = torch.autograd.grad(value, list(model.parameters()), retain_graph=True)
            rows.append(torch.cat([a.flatten() for a in g]).numpy())
    return np.array(rows)


@pytest.mark.parametrize("vectorize", [True, False])
@pytest.mark.parametrize("outputs", ["sum", "per_class"])
def test_whole_gradients_are_autograds(outputs, vectorize):
    # catches outputs and examples swapped in the rows, and parameters in another order
    model, x = small_model(), torch.randn(7, 5)
    found = diagnostics.gradient_features(
        model, x.split(3), None, outputs=outputs, vectorize=vectorize
    )
    np.testing.assert_allclose(found, autograd_rows(model, x, outputs == "per_class"), atol=1e-6)


def test_sketch_keeps_the_kernel_on_average():
    # catches signs left out: collisions would then add up instead of cancelling
    model, x = small_model(), torch.randn(6, 5)
    whole = diagnostics.gradient_features(model, [x], None)
    kernel = whole @ whole.T
    draws = np.stack(
        [
            (f := diagnostics.gradient_features(model, [x], 16, seed=seed)) @ f.T
            for seed in range(200)
        ]
    )
    se = draws.std(axis=0, ddof=1) / len(draws) ** 0.5
    assert se.mean() < 0.05 * np.diag(kernel).mean()
    assert (np.abs(draws.mean(axis=0) - kernel) < 4.5 * se).all()


def test_gradients_of_a_padded_transformer_are_those_of_the_text_alone():
    # catches masks dropped on the way into the model, and keyword inputs without their batch axis
    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(config(layers=1)).eval()
    chosen = [p for n, p in model.named_parameters() if "attention.self" in n]
    padded = dict(WordTokenizer()(["w1 w2 w3", "w4 w5"], max_length=9))
    found = diagnostics.gradient_features(
        model, [padded], None, parameters=lambda name: "attention.self" in name
    )
    for i, text in enumerate(["w1 w2 w3", "w4 w5"]):
        alone = model(**WordTokenizer()([text], max_length=9)).logits.sum()
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(alone, chosen)])
        np.testing.assert_allclose(found[i], gradient.numpy(), atol=1e-6)


def test_gradient_features_refuse_by_name():
    model, x = small_model(), torch.randn(2, 5)
    for batches, options, message in (
        ([x], {"sketch": 0}, "sketch must be"),
        ([x], {"outputs": "max"}, "outputs must be"),
        ([x], {"parameters": lambda name: False}, "nothing to differentiate"),
        ([], {}, "at least one batch"),
        ([{"labels": x}], {}, "must not hold labels"),
    ):
        with pytest.raises(ValueError, match=message):
            diagnostics.gradient_features(model, batches, **options)


def test_a_model_trained_in_a_subspace_needs_as_many_directions_as_its_task():
    # linear regression on 4 of 30 inputs: performance rises with k and the weights come back
    torch.manual_seed(0)
    model = torch.nn.Linear(30, 1, bias=False)
    x = torch.randn(200, 30)
    x[:, 4:] = 0
    y = x @ torch.ones(30, 1)
    before = model.weight.detach().clone()

    def loss(model, batch):
        return (model(batch[0]) - batch[1]).square().mean()

    def explained(model):
        return 1 - loss(model, (x, y)).item() / y.var().item()

    train, size, layers = diagnostics.subspace_trainer(
        model, loss, lambda: [(x, y)], explained, epochs=300, learning_rate=0.1
    )
    assert (size, layers) == (30, [30])
    for projection, extra in (("dense", {}), ("said", {"layers": layers})):
        found = random_subspace_dimension(
            train, size, [2, 5, 12], 0.95, projection, full=1.0, **extra
        )
        assert found.performance[0] < 0.95, projection
        assert found.dimension in (5, 12), projection
        assert torch.equal(model.weight, before)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_features_of_a_run_are_those_of_a_model_at_hand(tiny_model, layer):
    # catches a second extraction with a pooling or a count of layers of its own
    from w2sg.models.features import load_encoder, pooled_features

    texts = [f"w{i} " * (i % 7 + 1) for i in range(40)]
    model, tokenizer = load_encoder(str(tiny_model))
    found = diagnostics.layer_features(model, tokenizer, texts, [layer], batch_size=3)[layer]
    expected = pooled_features(str(tiny_model), texts, layers=layer)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    streamed = list(diagnostics.stream_layer_features(model, tokenizer, texts, [layer]))
    np.testing.assert_allclose(streamed[0][layer], expected, atol=2e-6)
