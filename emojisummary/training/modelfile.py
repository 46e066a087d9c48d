"""Ollama's Modelfile: the same prompt as in training, the same end, and a short answer."""

from emojisummary.training.gguf_file import begins_with_bos

SYSTEM, PROMPT = "{{ .System }}", "{{ .Prompt }}"  # where Ollama puts the system prompt and the text
LONGEST = 16  # tokens of an answer: a few emoji at most


def ollama_template(tokenizer) -> str:
    """The chat template of the tokenizer for one question, in Ollama's words.

    Found by rendering: wherever the template of the tokenizer puts the two texts, Ollama shall put them. Without the token for
    the beginning of a text, since Ollama puts that before every prompt itself.
    """
    chat = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PROMPT}]
    prompt = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    if begins_with_bos(tokenizer):
        prompt = prompt.removeprefix(tokenizer.bos_token)
    return prompt + "{{ .Response }}" + end_of_turn(tokenizer)


def end_of_turn(tokenizer) -> str:
    """What the template writes behind an answer, up to the token that ends the turn."""
    chat = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "answer"}]
    rest = tokenizer.apply_chat_template(chat, tokenize=False).rpartition("answer")[2].strip()
    return rest or tokenizer.eos_token


def with_values(template: str, chat: list[dict]) -> str:
    """What Ollama makes of the template for a chat of a system prompt and one text, before the answer."""
    system, user = (message["content"] for message in chat)
    return template.partition("{{ .Response }}")[0].replace(SYSTEM, system).replace(PROMPT, user)


def modelfile(gguf: str, template: str, system: str, tokenizer) -> str:
    """The Modelfile for a GGUF file beside it."""
    stops = dict.fromkeys([end_of_turn(tokenizer), tokenizer.eos_token])
    lines = [
        f"FROM ./{gguf}",
        f'TEMPLATE """{template}"""',
        f'SYSTEM """{system}"""',
        *(f'PARAMETER stop "{stop}"' for stop in stops),
        "PARAMETER temperature 0",
        f"PARAMETER num_predict {LONGEST}",
    ]
    return "\n".join(lines) + "\n"
