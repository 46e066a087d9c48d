"""Figures, as results.yaml has them: read however they are written, and written for people.

A figure is a number, or {"value", "low", "high", "n"}: the number, its 95 % interval, and how many texts are behind it.
"""


def read(found) -> dict:
    """A figure, however it's written, as {"value", "low", "high", "n"}; what isn't known is None.

    >>> read({"mean": 0.5, "interval": [0.4, 0.6]})
    {'value': 0.5, 'low': 0.4, 'high': 0.6, 'n': None}
    """
    found = found if isinstance(found, dict) else {"value": found}
    value = found.get("value", found.get("mean"))
    low, high = found.get("interval") or (found.get("low"), found.get("high"))
    return {"value": value, "low": low, "high": high, "n": found.get("n")}


def number(value: float | None, share: bool, sign: str = "") -> str:
    """
    >>> number(0.412, True), number(0.05, True, "+"), number(53.26, False), number(None, True)
    ('41.2', '+5.0', '53.3', '')
    """
    if value is None:
        return ""
    return f"{100 * value:{sign}.1f}" if share else f"{value:{sign},.{1 if abs(value) >= 10 else 2}f}"


def cell(found, share: bool = True) -> str:
    """`41.2 (36.1-46.3)`: a figure with its interval, a share in per cent; an interval without width is left out."""
    value, low, high = (number(read(found)[key], share) for key in ("value", "low", "high"))
    return value if low == high else f"{value} ({low}-{high})"


def p_value(p: float) -> str:
    """
    >>> p_value(0.0312), p_value(3e-9)
    ('0.031', '< 0.0001')
    """
    return f"{p:.2g}" if p >= 0.0001 else "< 0.0001"


def plainly(value) -> str:
    """A value as a person would write it.

    >>> plainly([1, "a"]), plainly(None), plainly(12345.0), plainly({"value": 0.25, "low": 0.2, "high": 0.3})
    ('1, a', '–', '12,345', '25.0 (20.0-30.0)')
    """
    if isinstance(value, dict):
        if {"value", "mean"} & value.keys():
            found = read(value)["value"]
            return cell(value, found is None or 0 <= found <= 1)
        return ", ".join(f"{key}: {plainly(one)}" for key, one in value.items()) or "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(plainly, value)) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.10g}"
    return "–" if value is None else str(value)


def flat(tree, above: str = "") -> dict[str, object]:
    """Nested keys in one line each; figures stay whole.

    >>> flat({"a": {"b": 1, "c": {"value": 0.5}}, "d": [2, 3]})
    {'a: b': 1, 'a: c': {'value': 0.5}, 'd': [2, 3]}
    """
    if not isinstance(tree, dict) or "value" in tree or "mean" in tree or not tree:
        return {above: tree}
    leaves = {}
    for key, value in tree.items():
        leaves |= flat(value, f"{above}: {key}" if above else str(key))
    return leaves


def domain(figures: list, share: bool) -> tuple[float, float]:
    """From where to where an axis goes: wide enough for all figures and 0, for shares also 1.

    >>> domain([{"value": 12, "low": 8, "high": 16}], share=False), domain([-0.5, 0.2], share=True)
    ((0, 16), (-0.5, 1))
    """
    ends = [end for figure in map(read, figures) for end in (figure["value"], figure["low"], figure["high"]) if end is not None]
    low, high = min([0, *ends]), max([1 if share else 0, *ends])
    return (low, high) if high > low else (low, low + 1)


def place(value: float, ends: tuple[float, float]) -> str:
    """Where on an axis a value lies.

    >>> place(3, (2, 6))
    '25.00%'
    """
    low, high = ends
    return f"{100 * (value - low) / (high - low):.2f}%"
