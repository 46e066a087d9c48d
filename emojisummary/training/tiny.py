"""`base: tiny`: a small Llama or GPT-2 built from scratch, and a byte-level BPE tokenizer trained on the lessons themselves.

It knows nothing but what the lessons teach it. It's here to prove the path from rows to answers on a CPU, not for its quality.

A few passes over short lessons are too few to find out from random vectors what a rare word means. So each emoji is one token,
and the tokens' vectors start from a count of which of them stand in the same lessons. All other weights are random, with a
standard deviation of 1 / sqrt(hidden_size), as LeCun et al. (1998) have it: sums then are as large as what is summed.
transformers' 0.02 is made for models ten times as wide.
"""

from math import ceil

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.utils.extmath import randomized_svd
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from emojisummary.training.labels import Lesson

ROLES = ["<|system|>", "<|user|>", "<|assistant|>"]
BEGIN, END, PAD = "<|begin|>", "<|end|>", "<|pad|>"
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
LONGEST = 1024  # positions


def build_tiny(settings, lessons: list[Lesson], emoji: list[str]) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The model and its tokenizer; their size is in the section `train.tiny`. Seed before you call."""
    texts = [[*(message["content"] for message in chat), said] for chat, said in lessons]
    tokenizer = train_tokenizer([text for lesson in texts for text in lesson] + emoji, settings.tiny.vocab_size)
    tokenizer.add_tokens(emoji)
    special = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    build = {"llama": tiny_llama, "gpt2": tiny_gpt2}[settings.tiny.architecture]
    spread = settings.tiny.hidden_size**-0.5
    model = build(settings.tiny, vocab_size=len(tokenizer), initializer_range=spread, **special)
    start_from_company(model.get_input_embeddings().weight, tokenizer(["\n".join(lesson) for lesson in texts])["input_ids"])
    return model, tokenizer


@torch.no_grad()
def start_from_company(vectors: torch.Tensor, lessons: list[list[int]]) -> None:
    """Gives tokens that stand in the same lessons like vectors, of length 1; those in none or in all keep what they have.

    That's latent semantic analysis (Deerwester et al., 1990): the first singular vectors of the matrix of lessons and tokens,
    in which a token weighs the more, the fewer lessons it's in. `vectors` has the shape (tokens, size).
    """
    rows, columns = zip(*((row, token) for row, lesson in enumerate(lessons) for token in set(lesson)), strict=True)
    there = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(lessons), len(vectors)))
    rarity = np.log(len(lessons) / np.bincount(columns, minlength=len(vectors)).clip(1))
    size = min(vectors.shape[1], *there.shape)
    _, strengths, directions = randomized_svd(there.multiply(rarity).tocsr(), size, random_state=0)
    found = torch.zeros_like(vectors)
    found[:, :size] = torch.from_numpy(directions.T * strengths**0.5)
    length = found.norm(dim=1, keepdim=True)
    vectors.copy_(torch.where(length > 1e-6 * length.max(), found / length, vectors))


def tiny_llama(size, **options) -> LlamaForCausalLM:
    config = LlamaConfig(
        hidden_size=size.hidden_size,
        intermediate_size=ceil(8 / 3 * size.hidden_size / 32) * 32,  # three matrices as large as the usual two of 4 times
        num_hidden_layers=size.num_hidden_layers,
        num_attention_heads=size.num_attention_heads,
        max_position_embeddings=LONGEST,
        tie_word_embeddings=True,
        **options,
    )
    return LlamaForCausalLM(config)


def tiny_gpt2(size, **options) -> GPT2LMHeadModel:
    config = GPT2Config(
        n_embd=size.hidden_size,
        n_layer=size.num_hidden_layers,
        n_head=size.num_attention_heads,
        n_positions=LONGEST,
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0),
        **options,
    )
    return GPT2LMHeadModel(config)


def train_tokenizer(texts: list[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer: any text can be encoded, and decoding gives it back."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[BEGIN, END, PAD, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END, pad_token=PAD)
    fast.chat_template = TEMPLATE
    return fast
