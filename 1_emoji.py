"""Stage 1: parses the emoji tables and their ranking.

    python 1_emoji.py

reads   data/16_all_emoji.tsv, data/17_new_emoji.tsv, data/2021_ranked.tsv
writes  runs/<run>/emoji_data.yaml
"""

from collections import Counter

from emojisummary.artifacts import write_yaml
from emojisummary.emojis import read_tables
from emojisummary.own import only
from emojisummary.stage import run


def main(settings):
    table, problems = read_tables(settings.tables, settings.ranking)
    table = only(table, settings.only)
    for emoji in list(table)[settings.limit :] if settings.limit else []:
        del table[emoji]
    path = settings.folder / "emoji_data.yaml"
    write_yaml(path, table)

    ranked = sum(facts["rank"] is not None for facts in table.values())
    categories = Counter(facts["category"] for facts in table.values())
    print(f"{path}: {len(table):,} emoji in {len(categories)} categories, {ranked:,} with a rank")
    for problem, count in problems.items():
        print(f"  {problem}: {count}")


if __name__ == "__main__":
    run(main, "emoji")
