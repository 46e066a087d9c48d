"""Prints the emoji table as a grid: by category, in Unicode's order, or the most used ones first.

    python 1_print.py
    python 1_print.py --limit 100        # the 100 most used

reads   runs/<run>/emoji_data.yaml
"""

import shutil

from emojisummary.artifacts import read_emoji
from emojisummary.emojis import by_rank
from emojisummary.stage import run

CELL = 3  # columns of the terminal that one emoji takes, with its gap


def main(settings):
    table = read_emoji(settings.folder)
    if settings.limit:
        print_grid(by_rank(table)[: settings.limit])
        return
    for category in dict.fromkeys(facts["category"] for facts in table.values()):
        emoji = [one for one, facts in table.items() if facts["category"] == category]
        print(f"\n{category} ({len(emoji)})")
        print_grid(emoji)


def print_grid(emoji):
    per_line = max(shutil.get_terminal_size().columns // CELL, 1)
    for start in range(0, len(emoji), per_line):
        print(" ".join(emoji[start : start + per_line]))


if __name__ == "__main__":
    run(main, "emoji")
