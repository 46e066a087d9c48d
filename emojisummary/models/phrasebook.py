"""The offline teacher: texts written by hand (English), and Unicode's names and lists of keywords (every language).

data/phrasebook/*.tsv hold the texts, with the columns emoji, type, form, also and text: `also` lists other emoji that a
reader would accept just as well, and ` / ` stands between the turns of a conversation.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from emojisummary.artifacts import Row, read_tsv
from emojisummary.emojis import Lookup
from emojisummary.stage import UserError

COLUMNS = ("emoji", "type", "form", "also", "text")


class Phrasebook:
    name = "phrasebook"
    polished = True
    reproducible = True  # asked again, it says the same at once: its files are simply made anew
    depends_on = ""

    def __init__(self, table: dict[str, dict], folder: Path, keywords: Path):
        self.table, self.keywords_folder = table, keywords
        self.emoji_of = Lookup(table)
        self.problems = Counter()
        self.texts = self._read_texts(folder)
        self.keywords = {"english": {e: (facts["name"], facts["keywords"]) for e, facts in table.items()}}

    def _read_texts(self, folder: Path) -> dict[tuple[str, str], list[Row]]:
        files = sorted(folder.glob("*.tsv"))
        if not files:
            raise UserError(f"{folder} has no *.tsv: `generate.phrasebook` in config.yaml names the folder of texts.")
        texts = defaultdict(list)
        for file in files:
            for _, row in read_tsv(file, COLUMNS):
                emoji = self.emoji_of.get(row["emoji"])
                if emoji is None:
                    self.problems["texts of an emoji that is not in the table"] += 1
                    continue
                also = [self.emoji_of.get(e) for e in row["also"].split()]
                text = row["text"].replace(" / ", "\n") if row["type"] == "conversation" else row["text"]
                reply = {"text": text, "form": row["form"], "also": " ".join(e for e in also if e)}
                texts[emoji, row["type"]].append(reply)
        return texts

    def _read_keywords(self, language: str) -> dict[str, tuple[str, list[str]]]:
        if language not in self.keywords:
            rows = read_tsv(self.keywords_folder / f"{language}.tsv", ("emoji", "name", "keywords"))
            self.keywords[language] = {
                row["emoji"]: (row["name"], [k for k in row["keywords"].split(" | ") if k]) for _, row in rows
            }
        return self.keywords[language]

    def answer(self, requests: Iterable[Row]) -> Iterator[tuple[Row, Row | None]]:
        """For each request the text of that number for its emoji and type; None behind the last one."""
        for request in requests:
            if request["type"] in ("keywords", "names"):
                yield request, self._some_keywords(request) if request["type"] == "keywords" else self._name(request)
                continue
            english = request["language"] == "english"
            texts = self.texts.get((request["emoji"], request["type"]), []) if english else []
            yield request, texts[request["number"]] if request["number"] < len(texts) else None

    def _name(self, request: Row) -> Row | None:
        name, _ = self._read_keywords(request["language"]).get(request["emoji"], ("", []))
        return {"text": name, "form": "name", "also": ""} if name and request["number"] == 0 else None

    def _some_keywords(self, request: Row) -> Row | None:
        """Two to five of the emoji's keywords in random order; the first list of an emoji opens with its name."""
        name, keywords = self._read_keywords(request["language"]).get(request["emoji"], ("", []))
        chance = random.Random(request["id"])
        some = chance.sample(keywords, min(len(keywords), chance.randint(2, 5)))
        if request["number"] == 0 or not some:
            some = [name, *some]
        return {"text": ", ".join(some), "form": "keywords", "also": ""} if name else None
