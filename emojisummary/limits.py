"""What a user may want answers limited to: some emoji, not some categories, one skin tone."""

from pathlib import Path

from emojisummary.artifacts import read_emoji
from emojisummary.emojis import Lookup
from emojisummary.models.ranker import Ranker
from emojisummary.stage import UserError


def limited(model: Ranker, settings, run: Path) -> Ranker:
    """The model within the limits of `settings`: only, exclude_category and skin_tone. `run` has the emoji table.

    Raises UserError for a file that can't be read, an unknown emoji or category, and where nothing is left.
    """
    emoji = read_only(Path(settings.only), model) if settings.only else model.emoji
    if settings.exclude_category:
        left_out = in_categories(settings.exclude_category, read_emoji(run))
        emoji = [one for one in emoji if one not in left_out]
    if len(emoji) < len(model.emoji):
        model = model.restrict(emoji)
    return model.in_skin_tone(settings.skin_tone) if settings.skin_tone else model


def read_only(path: Path, model: Ranker) -> list[str]:
    """The emoji of a file, one a line; empty lines don't count."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--only {path}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'}).") from None
    numbered = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise UserError(f"--only {path}: no emoji in it; expected one a line.")
    lookup = Lookup(model.emoji)
    for number, line in numbered:
        if lookup.get(line) is None:
            raise UserError(f"--only {path}, line {number}: {line!r} is not an emoji that {model.name} knows.")
    return model.known(line for _, line in numbered)


def in_categories(categories: list[str], table: dict) -> set[str]:
    known = dict.fromkeys(facts["category"] for facts in table.values())
    for category in categories:
        if category not in known:
            raise UserError(f"--exclude_category {category}: no such category. There are {', '.join(known)}.")
    return {emoji for emoji, facts in table.items() if facts["category"] in categories}
