"""`base: tiny`: a small Llama or GPT-2 with random weights, and a byte-level BPE tokenizer trained on the lessons themselves.

It knows nothing but what the lessons teach it. It's here to prove the path from rows to answers on a CPU, not for its quality.

The random weights have a standard deviation of 1 / sqrt(hidden_size), as LeCun et al. (1998) have it: sums then are as large as
what is summed. transformers' 0.02 is made for models ten times as wide.
"""

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
    read = [message["content"] for chat, _ in lessons for message in chat]
    tokenizer = train_tokenizer(read + [said for _, said in lessons] + emoji, settings.tiny.vocab_size)
    special = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    build = {"llama": tiny_llama, "gpt2": tiny_gpt2}[settings.tiny.architecture]
    spread = settings.tiny.hidden_size**-0.5
    return build(settings.tiny, vocab_size=len(tokenizer), initializer_range=spread, **special), tokenizer


def tiny_llama(size, **options) -> LlamaForCausalLM:
    config = LlamaConfig(
        hidden_size=size.hidden_size,
        intermediate_size=4 * size.hidden_size,
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
