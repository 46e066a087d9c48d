"""An encoder cut in two: its frozen lower layers read each text once, its upper layers learn from what came out there.

A pass over the rows so costs only the layers that learn: a third of the forward work, with four of six layers frozen. What is
remembered takes two bytes a number: 768 a token for all-MiniLM-L6-v2, some 20 kB for a text of 26 tokens.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import InputModule, Module
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig, AutoModel

from emojisummary.models.encoder import Encoder
from emojisummary.stage import UserError

# the options of a module's `load` that say where its files are
WHERE = ("subfolder", "token", "cache_folder", "revision", "local_files_only")


class Given(torch.nn.Module):
    """In place of an encoder's embeddings: hands on what it's given."""

    def forward(self, inputs_embeds: torch.Tensor, **others) -> torch.Tensor:
        return inputs_embeds


class UpperLayers(InputModule):
    """The first module of a sentence encoder of the BERT family, without its embeddings and its `frozen` lowest layers.

    Raises UserError for an encoder of another build, or with no layer above them.
    """

    config_keys: ClassVar = ["folder", "frozen", "max_length", "dropout"]

    def __init__(self, folder: str, frozen: int, max_length: int, dropout: float):
        super().__init__()
        self.folder, self.frozen, self.max_length, self.dropout = folder, frozen, max_length, dropout
        config = AutoConfig.from_pretrained(folder)
        for chance in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            setattr(config, chance, dropout)
        # on a CPU, plain attention learns faster than the fused one, whose backward pass is slow for short texts
        self.model = AutoModel.from_pretrained(folder, config=config, attn_implementation="eager", dtype="float32")
        layers = getattr(getattr(self.model, "encoder", None), "layer", ())
        if len(layers) <= frozen or not hasattr(self.model, "embeddings"):
            raise UserError(
                f"{folder} can't be tuned with `frozen_layers: {frozen}`: that takes an encoder built like BERT, with more "
                f"layers. This one is a {type(self.model).__name__} with {len(layers)} of that kind."
            )
        self.model.embeddings, self.model.encoder.layer = Given(), layers[frozen:]
        self.model.pooler = None
        self.model.requires_grad_(False)
        self.model.encoder.layer.requires_grad_(True)  # what is beside them, a position bias say, is frozen too
        self.encoder = Encoder(Path(folder), max_length, in_bulk=True)
        self.tokenizer = self.encoder.tokenizer
        self.remembered: dict[str, torch.Tensor] = {}

    def remember(self, texts: Iterable[str]) -> torch.Tensor:
        """Remembers what the frozen layers make of the texts. Returns the untuned encoder's vectors, (texts, size)."""
        texts = list(texts)
        vectors, states = self.encoder.read(texts, self.frozen)
        self.remembered.update(zip(texts, states, strict=True))
        return vectors

    def lengths(self, texts: Iterable[str]) -> list[int]:
        """How many tokens each of the texts has, which are remembered."""
        return [len(self.remembered[text]) for text in texts]

    def preprocess(self, inputs: list[str], prompt: str | None = None, **others) -> dict[str, torch.Tensor]:
        """What the upper layers get for texts, padded: (texts, tokens, size), and what of it is no padding."""
        if new := [text for text in dict.fromkeys(inputs) if text not in self.remembered]:
            self.remember(new)
        states = [self.remembered[text] for text in inputs]
        mask = pad_sequence([torch.ones(len(state), dtype=torch.long) for state in states], batch_first=True)
        return {"input_features": pad_sequence(states, batch_first=True), "attention_mask": mask}

    def forward(self, features: dict, **kwargs) -> dict:
        states, mask = features["input_features"], features["attention_mask"]
        device = states.device.type
        states = states.to(torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32)
        features["token_embeddings"] = self.model(inputs_embeds=states, attention_mask=mask).last_hidden_state
        return features

    def put_into(self, encoder: SentenceTransformer) -> None:
        """Gives a whole encoder, the one that this one was cut from, the layers that have learned."""
        encoder[0].auto_model.encoder.layer[self.frozen :].load_state_dict(self.model.encoder.layer.state_dict())

    def save(self, output_path: str, *args, safe_serialization: bool = True, **kwargs) -> None:
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(cls, model_name_or_path: str, **kwargs) -> "UpperLayers":
        return load_module(cls, model_name_or_path, kwargs)


def load_module(kind: type[Module], folder: str, options: dict) -> Module:
    """A module that its `save` left in a folder of a checkpoint."""
    where = {key: options[key] for key in WHERE if key in options}
    return kind.load_torch_weights(folder, model=kind(**kind.load_config(folder, **where)), **where)
