"""A trained model as a GGUF file, the format of llama.cpp and Ollama.

Plain Llamas with a byte-level BPE tokenizer (Llama 3, SmolLM2, `base: tiny`) are written here. For others, and for k-quants, it
takes llama.cpp's own converter, from the folder that `llama_cpp` names; nothing is downloaded.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from emojisummary.stage import UserError

SPLITS_OF_LLAMA_3 = r"\p{N}{1,3}"  # what tells its pattern for words from that of others: numbers in groups of three digits
BUILT_IN = ("f16", "q8_0")
LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def write_gguf(folder: Path, path: Path, kind: str, llama_cpp: str | None) -> None:
    """Converts a model saved by transformers. `kind`: f16, q8_0 or q4_k_m. Raises UserError where that can't be done here."""
    check_convertible(folder, kind, llama_cpp)
    if llama_cpp is None:
        return write_llama(folder, path, kind)
    first = path.with_suffix(".f16.tmp") if kind not in BUILT_IN else path
    converter = Path(llama_cpp) / "convert_hf_to_gguf.py"
    call([sys.executable, converter, folder, "--outfile", first, "--outtype", kind if kind in BUILT_IN else "f16"])
    if first != path:
        call([quantizer(llama_cpp), first, path, kind.upper()])
        first.unlink()
    return None


def call(command: list) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise UserError(f"{Path(command[0]).name} {Path(str(command[1])).name} failed: {last}")


def quantizer(llama_cpp: str) -> Path:
    """llama.cpp's program for k-quants, in the folder or where its build leaves it."""
    places = [Path(llama_cpp) / place / "llama-quantize" for place in ("", "build/bin")]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise UserError(
            f"llama_cpp: no llama-quantize in {places[0].parent} or {places[1].parent}. Build it, or take another gguf_type."
        )
    return found


def check_convertible(folder: Path, kind: str, llama_cpp: str | None) -> None:
    """Raises UserError where this model can't be converted. Needs config.json and tokenizer.json only: ask before training."""
    if llama_cpp is not None:
        if not (Path(llama_cpp) / "convert_hf_to_gguf.py").is_file():
            raise UserError(f"llama_cpp: {llama_cpp} has no convert_hf_to_gguf.py. Name the folder of llama.cpp's sources.")
        if kind not in BUILT_IN:
            quantizer(llama_cpp)
        return
    theirs = "Set llama_cpp to a folder with llama.cpp's sources."
    if kind not in BUILT_IN:
        raise UserError(f"gguf_type {kind} takes llama.cpp's own tools. {theirs} Without it: f16 or q8_0.")
    config = json.loads((folder / "config.json").read_text())
    unlike = unlike_plain(config)
    if config.get("architectures") != ["LlamaForCausalLM"] or unlike:
        raise UserError(
            f"The built-in converter to GGUF knows plain Llamas, not {config.get('architectures')} {unlike}. {theirs}"
        )
    if pre_tokenizer(read_tokenizer(folder)) is None:
        raise UserError(f"The built-in converter to GGUF doesn't know how this tokenizer splits words. {theirs}")


def unlike_plain(config: dict) -> list[str]:
    """What of a Llama's config.json the built-in converter has no place for."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    given = {
        "rope_type": rope.get("rope_type") or rope.get("type") or "default",
        "hidden_act": config.get("hidden_act", "silu"),
    }
    known = {"rope_type": ("default", "llama3"), "hidden_act": ("silu",)}
    biases = [name for name in ("attention_bias", "mlp_bias") if config.get(name)]
    return biases + [f"{name} {value}" for name, value in given.items() if value not in known[name]]


def read_tokenizer(folder: Path) -> dict:
    path = folder / "tokenizer.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def pre_tokenizer(tokenizer: dict) -> str | None:
    """llama.cpp's name for the way a byte-level BPE tokenizer splits text before it merges bytes; None for an unknown one."""
    first = tokenizer.get("pre_tokenizer") or {}
    parts = first.get("pretokenizers", [first])
    kinds = [part.get("type") for part in parts]
    if tokenizer.get("model", {}).get("type") != "BPE" or tokenizer.get("normalizer") or kinds[-1] != "ByteLevel":
        return None
    if parts[-1].get("add_prefix_space"):
        return None
    if kinds == ["ByteLevel"] and parts[0].get("use_regex", True):
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and parts[0].get("individual_digits"):
        return "smollm"
    if kinds == ["Split", "ByteLevel"] and SPLITS_OF_LLAMA_3 in parts[0]["pattern"].get("Regex", ""):
        return "llama-bpe"
    return None


def write_llama(folder: Path, path: Path, kind: str) -> None:
    """Writes a Llama one tensor at a time: an 8B model takes no more memory than its largest one."""
    import gguf
    from transformers import AutoConfig, AutoTokenizer

    config, tokenizer = AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    writer = gguf.GGUFWriter(path, "llama")
    add_shape(writer, config)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if kind == "f16" else gguf.LlamaFileType.MOSTLY_Q8_0)
    add_tokenizer(writer, read_tokenizer(folder), tokenizer, config.vocab_size)
    for name, shape, type in infos(folder, config, kind):
        size = int(np.prod(gguf.quant_shape_to_byte_shape(shape, type)))
        writer.add_tensor_info(name, shape, np.dtype(np.float32), size, raw_dtype=type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, weights in tensors(folder, config):
        writer.write_tensor_data(gguf.quantize(weights, stored_as(name, weights.shape, kind)))
    writer.close()


def add_shape(writer, config) -> None:
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)


def add_tokenizer(writer, content: dict, tokenizer, size: int) -> None:
    """Tokens, merges and kinds; the chat template; and whether a beginning is put before each text, as the template has it."""
    import gguf

    tokens = {index: token for token, index in content["model"]["vocab"].items()}
    kinds = dict.fromkeys(tokens, gguf.TokenType.NORMAL)
    for added in content["added_tokens"]:
        tokens[added["id"]] = added["content"]
        kinds[added["id"]] = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in content["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer(content))
    writer.add_token_list([tokens.get(index, f"[unused{index}]") for index in range(size)])
    writer.add_token_types([kinds.get(index, gguf.TokenType.UNUSED) for index in range(size)])
    writer.add_token_merges(merges)
    for name in ("bos", "eos", "pad"):
        if (index := getattr(tokenizer, f"{name}_token_id")) is not None:
            getattr(writer, f"add_{name}_token_id")(index)
    writer.add_add_bos_token(begins_with_bos(tokenizer))
    writer.add_chat_template(tokenizer.chat_template)


def begins_with_bos(tokenizer) -> bool:
    """Whether the chat template opens with the token for the beginning of a text."""
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False)
    return bool(tokenizer.bos_token) and chat.startswith(tokenizer.bos_token)


def infos(folder: Path, config, kind: str) -> Iterator[tuple]:
    """(name, shape, type) of all tensors, in the order in which `tensors` gives them."""
    for name, weights in tensors(folder, config):
        yield name, weights.shape, stored_as(name, weights.shape, kind)


def stored_as(name: str, shape: tuple, kind: str):
    """Vectors stay in 32 bits; and in q8_0, which takes 32 numbers at a time, so do rows of another length in 16."""
    from gguf import GGMLQuantizationType as Type

    if len(shape) == 1:
        return Type.F32
    return Type.Q8_0 if kind == "q8_0" and shape[-1] % 32 == 0 else Type.F16


def tensors(folder: Path, config) -> Iterator[tuple[str, np.ndarray]]:
    """Names and weights as llama.cpp knows them, float32.

    It turns pairs of neighbours where transformers turns the first half of a head with the second: so queries and keys are
    reordered.
    """
    from safetensors import safe_open

    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for file in sorted(folder.glob("model*.safetensors")):
        with safe_open(file, "pt") as opened:
            for name in sorted(opened.keys()):
                ours = gguf_name(name)
                if ours == "output.weight" and config.tie_word_embeddings:
                    continue
                weights = opened.get_tensor(name).float().numpy()
                part = ours.split(".")[-2]
                yield ours, interleaved(weights, heads[part]) if part in heads else weights
    if config.rope_parameters.get("rope_type") == "llama3":
        yield "rope_freqs.weight", rope_factors(config)


def gguf_name(name: str) -> str:
    """
    >>> gguf_name("model.layers.3.self_attn.q_proj.weight")
    'blk.3.attn_q.weight'
    """
    stem, _, ending = name.rpartition(".")
    if stem in NAMES:
        return f"{NAMES[stem]}.{ending}"
    number, _, part = stem.removeprefix("model.layers.").partition(".")
    return f"blk.{number}.{LAYER[part]}.{ending}"


def interleaved(weights: np.ndarray, heads: int) -> np.ndarray:
    """The rows of each head reordered: first, middle, second, middle + 1, ...

    >>> interleaved(np.arange(4)[:, None], heads=1).ravel()
    array([0, 2, 1, 3])
    """
    rows, columns = weights.shape
    return weights.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def rope_factors(config) -> np.ndarray:
    """What each frequency is divided by for Llama 3.1's longer contexts: the low ones by `factor`, the high ones by 1."""
    rope = config.rope_parameters
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    wavelength = 2 * np.pi * rope["rope_theta"] ** (np.arange(0, head, 2) / head)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    turns = rope["original_max_position_embeddings"] / wavelength  # in the context of the first training
    share = np.clip((turns - low) / (high - low), 0, 1)
    return (1 / ((1 - share) / rope["factor"] + share)).astype(np.float32)
