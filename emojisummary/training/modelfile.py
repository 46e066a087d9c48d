"""Ollama's Modelfile: the same prompt as in training, the same end, and no answer longer than the task's."""

from emojisummary.training.gguf_file import begins_with_bos

SYSTEM, PROMPT = "{{ .System }}", "{{ .Prompt }}"  # where Ollama puts the system prompt and the text


def ollama_template(tokenizer) -> str:
    """The chat template of the tokenizer for one question, in Ollama's words.

    Found by rendering: wherever the template of the tokenizer puts the two texts, Ollama shall put them. Without the token for
    the beginning of a text, since Ollama puts that before every prompt itself.
    """
    chat = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PROMPT}]
    prompt = rendered_prompt(tokenizer, chat)
    if begins_with_bos(tokenizer):
        prompt = prompt.removeprefix(tokenizer.bos_token)
    return prompt + "{{ .Response }}" + end_of_turn(tokenizer)


def rendered_prompt(tokenizer, chat: list[dict]) -> str:
    return tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)


def end_of_turn(tokenizer) -> str:
    """What the template writes behind an answer, up to the token that ends the turn."""
    chat = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "answer"}]
    rest = tokenizer.apply_chat_template(chat, tokenize=False).rpartition("answer")[2].strip()
    return rest or tokenizer.eos_token


def with_values(template: str, chat: list[dict]) -> str:
    """What Ollama makes of the template for a chat of a system prompt and one text, before the answer."""
    system, user = (message["content"] for message in chat)
    return template.partition("{{ .Response }}")[0].replace(SYSTEM, system).replace(PROMPT, user)


def is_one_question(chat: list[dict]) -> bool:
    """Whether a chat is a system prompt and one text: Ollama renders further turns in its own way."""
    return [message["role"] for message in chat] == ["system", "user"]


def longest_answer(student) -> int:
    """Most tokens of an answer, its end included."""
    if limits := student.task.only_emoji:
        return limits[1] * max(map(len, student.spellings.values())) + 1
    return student.task.max_new_tokens


def modelfile(gguf: str, template: str, student) -> str:
    """The Modelfile for a GGUF file beside it."""
    tokenizer = student.tokenizer
    stops = dict.fromkeys([end_of_turn(tokenizer), tokenizer.eos_token])
    lines = [
        f"FROM ./{gguf}",
        f'TEMPLATE """{template}"""',
        f'SYSTEM """{student.task.system}"""',
        *(f'PARAMETER stop "{stop}"' for stop in stops),
        "PARAMETER temperature 0",
        f"PARAMETER num_predict {longest_answer(student)}",
    ]
    return "\n".join(lines) + "\n"
