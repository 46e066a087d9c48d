"""A tiny language model with random weights, as a GGUF file.

The weights are chance, but for two things. `"` is likelier than all else: nobody taught the model to finish a sentence, and a
schema doesn't make it close a string that it has opened. And it keeps to printable ASCII: other bytes in random order are no
UTF-8, and llama.cpp answers one such form in six with an error 500.
"""

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent
WIDTH, LAYERS, HEADS, TOKENS, CONTEXT = 48, 2, 4, 384, 4096
END = "<|end|>"
SPECIAL = [END, "<|user|>", "<|system|>", "<|assistant|>"]
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPACE = "Ġ"  # as byte-level tokenizers write it; other bytes that aren't printable ASCII have signs beyond ASCII, too
LEAN, NEVER = 6.0, -30.0  # logits: chance alone brings the best of 384 tokens to about 3


def write_model(path: Path, seed: int = 7) -> Path:
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    add_shape(writer)
    tokens, merges = byte_pairs()
    add_tokenizer(writer, tokens, merges)
    for name, weights in random_weights(tokens, seed).items():
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add_shape(writer) -> None:
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(2 * WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)


def byte_pairs() -> tuple[list[str], list[str]]:
    """The tokens and merges of a byte-level tokenizer, learned from a text that never changes."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=TOKENS, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator((ROOT / "LICENSE").read_text(encoding="utf-8").splitlines(), trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    return sorted(learned["vocab"], key=learned["vocab"].get), [" ".join(pair) for pair in learned["merges"]]


def add_tokenizer(writer, tokens: list[str], merges: list[str]) -> None:
    import gguf

    kinds = dict.fromkeys(SPECIAL, gguf.TokenType.CONTROL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_merges(merges)
    writer.add_token_types([kinds.get(token, gguf.TokenType.NORMAL) for token in tokens])
    writer.add_eos_token_id(tokens.index(END))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def random_weights(tokens: list[str], seed: int) -> dict:
    """Scaled so that logits have a standard deviation of about 1. The first dimension is the same for all tokens and no
    layer writes to it, so that the final layer finds it there to lean on."""
    import numpy as np

    chance = np.random.default_rng(seed)

    def matrix(rows, columns):
        return (chance.standard_normal((rows, columns)) / columns**0.5).astype(np.float32)

    def ones():
        return np.ones(WIDTH, np.float32)

    vectors, output = matrix(len(tokens), WIDTH) * WIDTH**0.5, matrix(len(tokens), WIDTH)
    vectors[:, 0] = 1
    weights = {"token_embd.weight": vectors, "output_norm.weight": ones(), "output.weight": output}
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        weights |= {f"{block}attn_{kind}.weight": matrix(WIDTH, WIDTH) for kind in ("q", "k", "v", "output")}
        weights |= {f"{block}ffn_{kind}.weight": matrix(2 * WIDTH, WIDTH) for kind in ("gate", "up")}
        weights |= {f"{block}ffn_down.weight": matrix(WIDTH, 2 * WIDTH)}
        weights |= {f"{block}{kind}_norm.weight": ones() for kind in ("attn", "ffn")}
        weights[f"{block}attn_output.weight"][0] = weights[f"{block}ffn_down.weight"][0] = 0
    output[:, 0] = [0 if token.replace(SPACE, " ").isascii() else NEVER for token in tokens]
    output[tokens.index('"'), 0] = LEAN
    return weights
