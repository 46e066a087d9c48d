"""The emoji as a grammar and as a JSON schema: what keeps an exported model to them in llama.cpp and Ollama.

llama-cli --grammar-file emoji.gbnf ...              # llama.cpp: gbnf(emoji)
{"model": ..., "format": {"type": "object", ...}}    # Ollama's `format`, OpenAI's `response_format`: schema(emoji)
"""


def gbnf(emoji: list[str], least: int = 1, most: int = 1) -> str:
    """A GBNF grammar for `least` to `most` of the emoji, one right behind the other.

    What several emoji begin with is written once, and code points side by side become ranges, because llama.cpp tries every
    alternative on every token. A grammar can't remember what was said: repeats in a sequence are for the reader to drop.

    >>> print(gbnf(["😀", "😁", "🏳️", "🏳️‍🌈"]))
    root ::= emoji
    emoji ::= "\\U0001F3F3\\uFE0F" ( "\\u200D\\U0001F308" )? | [\\U0001F600-\\U0001F601]
    <BLANKLINE>
    """
    tree = {}
    for one in emoji:
        place = tree
        for sign in one:
            place = place.setdefault(sign, {})
        place[""] = {}  # may end here
    times = "" if (least, most) == (1, 1) else f"{{{least},{most}}}"
    return f"root ::= emoji{times}\nemoji ::= {_alternatives(tree)}\n"


def _alternatives(tree: dict) -> str:
    onward = {sign: below for sign, below in tree.items() if sign}
    last = [sign for sign, below in onward.items() if set(below) == {""}]
    longer = [_branch(sign, below) for sign, below in onward.items() if sign not in last]
    return " | ".join([*longer, *([_one_of(last)] if last else [])])


def _branch(sign: str, below: dict) -> str:
    """A sign and what comes behind it; signs that nothing else can follow stand in one string."""
    text = _escape(sign)
    while len(below) == 1 and "" not in below:
        sign, below = next(iter(below.items()))
        text += _escape(sign)
    optional = "?" if "" in below else ""
    return f'"{text}"' if set(below) == {""} else f'"{text}" ( {_alternatives(below)} ){optional}'


def _one_of(signs: list[str]) -> str:
    """A class of single signs as ranges: [😀-😂🤔]. A lone sign is a string."""
    if len(signs) == 1:
        return f'"{_escape(signs[0])}"'
    ranges = []
    for code in sorted(map(ord, signs)):
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    parts = [_escape(chr(a)) + (f"-{_escape(chr(b))}" if b > a else "") for a, b in ranges]
    return f"[{''.join(parts)}]"


def _escape(sign: str) -> str:
    code = ord(sign)
    if sign.isascii() and sign.isalnum():
        return sign
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def schema(emoji: list[str], least: int = 1, most: int = 1) -> dict:
    """A JSON schema for {"emoji": "🍕"}, or for {"emoji": ["🍕", "🍺"]} with `least` to `most` of them, repeats not ruled out.

    >>> schema(["🍕", "🍺"])["properties"]
    {'emoji': {'enum': ['🍕', '🍺']}}
    """
    one = {"enum": list(emoji)}
    several = {"type": "array", "items": one, "minItems": least, "maxItems": most}
    return {
        "type": "object",
        "properties": {"emoji": one if (least, most) == (1, 1) else several},
        "required": ["emoji"],
        "additionalProperties": False,
    }
