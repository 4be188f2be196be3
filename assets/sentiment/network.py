"""The classifier: a pretrained encoder with a head of two outputs, negative and positive.

Belongs here: loading it, what becomes of a head for three labels, building it again from a checkpoint. Does not belong
here: finding the encoder (`resources/text/pretrained.py`), training (`module.py`). Pure: torch and transformers.

A head that was trained on negative, neutral and positive loses its neutral output and keeps the other two: the softmax
over what is left is the probability of positive, given that the tweet is not neutral.

A new head sees what its architecture shows it, mostly the first token's state. For the packaged encoder, which was made
for means over tokens, that is as good once the body is trained too: macro-F1 0.917 with either on 300 made-up tweets,
after one epoch of 940. With a frozen body it is worse, 0.67 against 0.76: that is for a base with a head of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from assets.sentiment.card import TOKENIZER, SentimentCard
from resources.errors import BadInput, MissingModel
from resources.store.types import Checkpoint
from resources.text import pretrained

if TYPE_CHECKING:
    import tokenizers

    from resources.text.pretrained import Encoder

LABELS = ("negative", "positive")
"""The classes, in the order of the outputs and of the dataset's labels 0 and 1."""
NEUTRAL = "neutral"

Head = Literal["released", "new"]
_SAID = {"neg": "negative", "pos": "positive", "neu": NEUTRAL}  # as some checkpoints abbreviate them
_OF_NO_CONTENT = (
    "_name_or_path",
    "transformers_version",
    "dtype",
    "architectures",
)  # of a config: not what it computes


def load_base(
    encoder: Encoder,
    labels: Sequence[str] = LABELS,
    *,
    base_labels: Sequence[str] | None = None,
    head: Literal["auto", "new"] = "auto",
) -> tuple[Any, Head]:
    """A transformers classifier with an output for each of `labels`, in that order, float32 on the CPU, and whether its
    head is the encoder's own or a new one (drawn from torch's generator: seed it before).

    A head for sentiment is known by its label map, in whatever order; `base_labels` says what its outputs mean where
    that map does not. `head="new"` never takes the encoder's own.
    Raises: BadInput if the encoder has a head whose labels are no sentiment; MissingModel if it can't be loaded.
    """
    config = _config(encoder)
    if head == "new" or not _has_head(config):
        return _loaded(encoder, num_labels=len(labels), new_head=True), "new"
    meanings = _meanings(encoder, config, base_labels)
    rows = [meanings.index(label) for label in labels]
    model = _loaded(encoder, num_labels=len(meanings), new_head=False)
    if rows != list(range(len(meanings))):
        _keep_outputs(model, encoder.name, rows)
    _name_labels(model, labels)
    return model, "released"


def of_checkpoint(checkpoint: Checkpoint, device: str) -> tuple[Any, tokenizers.Tokenizer]:
    """The classifier of a checkpoint on `device`, ready to predict, and its tokenizer: from the checkpoint alone."""
    card = checkpoint.card
    assert isinstance(card, SentimentCard), "a sentiment checkpoint has a sentiment card"
    model = of_config(card.config)
    model.load_state_dict(dict(checkpoint.weights))
    content = checkpoint.files[TOKENIZER]
    content = content if isinstance(content, bytes) else content.read_bytes()
    return model.to(device).eval(), pretrained.loaded(content)


def of_config(config: dict[str, Any]) -> Any:
    """A classifier as `config_of` described it, with random weights."""
    import transformers

    settings = transformers.AutoConfig.for_model(**config)
    return transformers.AutoModelForSequenceClassification.from_config(settings, dtype=torch.float32)


def config_of(model: Any) -> dict[str, Any]:
    """All that `of_config` needs, free of paths and versions, so that equal networks have equal cards."""
    written = json.loads(model.config.to_json_string(use_diff=False))  # keys of mappings are text, as in a card
    return {name: value for name, value in written.items() if name not in _OF_NO_CONTENT}


def logits(model: Any, ids: Tensor, lengths: Tensor) -> Tensor:
    """(n, labels) for right-padded `ids` (n, L) of `lengths` (n,) tokens, all on the model's device."""
    mask = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
    given: Tensor = model(input_ids=ids.long(), attention_mask=mask.long()).logits
    return given


def is_head(model: Any, name: str) -> bool:
    """Whether the parameter called `name` belongs to the head: all behind the encoder's last layer, its pooler too."""
    prefix = f"{model.base_model_prefix}."
    return not name.startswith(prefix) or name.startswith(f"{prefix}pooler.")


def embeddings(model: Any) -> nn.Module:
    """The part that turns token ids into the first layer's input."""
    whole = getattr(model.base_model, "embeddings", None)
    return whole if isinstance(whole, nn.Module) else model.get_input_embeddings()


def _config(encoder: Encoder) -> Any:
    import transformers

    try:
        return transformers.AutoConfig.from_pretrained(str(encoder.folder), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise _unusable(encoder, error) from error


def _has_head(config: Any) -> bool:
    return any(str(name).endswith("ForSequenceClassification") for name in config.architectures or ())


def _meanings(encoder: Encoder, config: Any, told: Sequence[str] | None) -> list[str]:
    """What the outputs of the encoder's own head mean, in their order."""
    count = int(config.num_labels)
    if told is not None:
        if len(told) != count:
            raise BadInput(
                f"base_labels names {len(told)} outputs, and the head of {encoder.name} has {count}.", "Name each once."
            )
        return list(told)
    written = {int(index): str(name).strip() for index, name in (config.id2label or {}).items()}
    names = [_SAID.get(name.casefold(), name.casefold()) for name in (written.get(index, "") for index in range(count))]
    if set(names) not in ({*LABELS}, {*LABELS, NEUTRAL}) or len(set(names)) != count:
        said = ", ".join(f"{index}: {written.get(index, 'nothing')}" for index in range(min(count, 10)))
        raise BadInput(
            f"The head of {encoder.name} has {count} outputs, and its label map does not name them negative, neutral"
            f" and positive: {said}.",
            "If they mean that, say their order with base_labels, such as [negative, neutral, positive]; if not, set"
            " head: new.",
        )
    return names


def _loaded(encoder: Encoder, num_labels: int, new_head: bool) -> Any:
    """The model from safetensors, or from a pytorch_model.bin of tensors alone."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    before = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()  # a new head is meant, and said in the metadata
    try:
        model, found = transformers.AutoModelForSequenceClassification.from_pretrained(
            str(encoder.folder),
            local_files_only=True,
            num_labels=num_labels,
            dtype=torch.float32,
            weights_only=True,
            ignore_mismatched_sizes=new_head,
            output_loading_info=True,
        )
    except Exception as error:  # foreign files: transformers meets them with any of a dozen kinds
        raise _unusable(encoder, error) from error
    finally:
        transformers.utils.logging.set_verbosity(before)
    lacking = [name for name in found["missing_keys"] if not (new_head and is_head(model, name))]
    if lacking:
        raise MissingModel(
            f"The weights of {encoder.name} lack {len(lacking)} tensors, such as {sorted(lacking)[0]}.",
            "Fetch the model again, or choose another base.",
        )
    if new_head:
        _name_labels(model, LABELS)
    return model


def _keep_outputs(model: Any, name: str, rows: Sequence[int]) -> None:
    """Keep these outputs, in this order, of the one linear layer that gives the logits."""
    inside = {id(module) for module in model.base_model.modules()}
    outputs = model.config.num_labels
    last = [
        (path, module)
        for path, module in model.named_modules()
        if id(module) not in inside and isinstance(module, nn.Linear) and module.out_features == outputs
    ]
    if len(last) != 1:
        raise BadInput(
            f"{len(last)} layers of the head of {name} have {outputs} outputs, so none is known to give the labels.",
            "Choose another base, or set head: new.",
        )
    path, whole = last[0]
    kept = nn.Linear(whole.in_features, len(rows), bias=whole.bias is not None)
    with torch.no_grad():
        kept.weight.copy_(whole.weight[list(rows)])
        if whole.bias is not None:
            kept.bias.copy_(whole.bias[list(rows)])
    parent, _, attribute = path.rpartition(".")
    setattr(model.get_submodule(parent), attribute, kept)


def _name_labels(model: Any, labels: Sequence[str]) -> None:
    model.config.num_labels = len(labels)
    model.config.id2label = dict(enumerate(labels))
    model.config.label2id = {label: index for index, label in enumerate(labels)}
    model.config.problem_type = "single_label_classification"
    model.num_labels = len(labels)


def _unusable(encoder: Encoder, error: Exception) -> MissingModel:
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if "Weights only load failed" in reason:  # torch goes on with advice to run what is in the file
        reason = "its weights hold more than tensors, and nothing in them is run."
    return MissingModel(
        f"{encoder.name} can't be loaded: {reason[:300]}",
        "It must be a transformers encoder with a classifier of that library, without code of its own, and weights as"
        " safetensors or as a pytorch_model.bin of tensors alone.",
    )
