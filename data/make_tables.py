"""Makes the emoji tables in this folder from Unicode's CLDR annotations and emojibase.

    npm pack cldr-annotations-full@48.2.0 cldr-annotations-derived-full@48.2.0 emojibase-data@17.0.0
    python data/make_tables.py *.tgz

Names and keywords are CLDR's: English in the tables, 13 more languages in languages/. Groups, order and versions are
emojibase's, which takes them from Unicode's emoji-test.txt. Next year's emoji: newer packages, one more line in TABLES
here, one more in config.yaml.
"""

import json
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
TABLES = {"16_all_emoji.tsv": (0, 16), "17_new_emoji.tsv": (17, 17)}  # file -> first and last Emoji version
LANGUAGES = {
    "german": "de", "french": "fr", "italian": "it", "portuguese": "pt", "hindi": "hi",
    "spanish": "es", "thai": "th", "chinese": "zh", "russian": "ru", "japanese": "ja", "korean": "ko",
    "vietnamese": "vi", "arabic": "ar",
}  # fmt: skip
VS16 = "\ufe0f"
HAIR = set("🦰🦱🦲🦳")
TONES = ("light", "medium-light", "medium", "medium-dark", "dark")


def read_packages(paths: list[str]) -> dict[str, object]:
    """Path inside an npm package -> its parsed JSON, over all the packages given."""
    wanted = ("en/data.json", "meta/groups.json", "annotations.json")
    found = {}
    for path in paths:
        with tarfile.open(path) as package:
            for member in package:
                if member.name.endswith(wanted):
                    found[member.name.removeprefix("package/")] = json.load(package.extractfile(member))
    return found


def annotations(files: dict, code: str) -> dict[str, tuple[str, list[str]]]:
    """Emoji without VS16 -> (name, keywords) in one language."""
    result = {}
    for folder in ("annotations", "annotationsDerived"):
        for emoji, entry in files[f"{folder}/{code}/annotations.json"][folder]["annotations"].items():
            name = entry.get("tts", [""])[0]
            result[emoji.replace(VS16, "")] = name, [k for k in entry.get("default", []) if k != name]
    return result


def fully_qualified(entry: dict) -> str:
    """The emoji as Unicode's emoji-test.txt spells it: VS16 only where the default is a text glyph."""
    one_code_point = len(entry["emoji"].replace(VS16, "")) == 1
    shown_as_emoji = entry["type"] == 1
    return entry["emoji"].replace(VS16, "") if one_code_point and shown_as_emoji else entry["emoji"]


def wanted(entry: dict, groups: dict) -> bool:
    """Neither a lone regional indicator, nor a skin-tone or hair component, nor a hair variant."""
    group = groups.get(str(entry.get("group")), "component")
    return group != "component" and not HAIR & set(entry["emoji"])


def in_all_tones(entry: dict) -> list[str]:
    """The emoji in the five skin tones, light to dark; where it shows two people, both have the same."""
    tones = {str(skin["tone"]): skin["emoji"] for skin in entry["skins"]}
    return [tones.get(str(tone)) or tones[str([tone, tone])] for tone in range(1, 6)]


def write(path: Path, header: str, rows: list[list]) -> None:
    lines = ["\t".join(map(str, row)) for row in rows]
    path.write_text("\n".join([header.replace(" ", "\t"), *lines]) + "\n", encoding="utf-8")
    print(f"{path}: {len(rows)} rows")


def main(packages: list[str]) -> None:
    files = read_packages(packages)
    groups, subgroups = (files["meta/groups.json"][key] for key in ("groups", "subgroups"))
    entries = sorted((e for e in files["en/data.json"] if wanted(e, groups)), key=lambda e: e["order"])
    names = annotations(files, "en")
    for file, (first, last) in TABLES.items():
        rows = []
        for entry in (e for e in entries if first <= e["version"] <= last):
            emoji = fully_qualified(entry)
            name, keywords = names[emoji.replace(VS16, "")]
            code_points = " ".join(f"{ord(c):04X}" for c in emoji)
            place = groups[str(entry["group"])], subgroups[str(entry["subgroup"])]
            rows.append([len(rows) + 1, code_points, emoji, name, " | ".join(keywords), *place, entry["version"]])
        write(HERE / file, "number code_points emoji name keywords category subcategory version", rows)

    rows = [[fully_qualified(e), *in_all_tones(e)] for e in entries if "skins" in e]
    write(HERE / "skin_tones.tsv", " ".join(["emoji", *TONES]), rows)

    (HERE / "languages").mkdir(exist_ok=True)
    for language, code in LANGUAGES.items():
        names = annotations(files, code)
        rows = [[e, *names.get(e.replace(VS16, ""), ("", []))] for e in map(fully_qualified, entries)]
        rows = [[emoji, name, " | ".join(keywords)] for emoji, name, keywords in rows if name]
        write(HERE / "languages" / f"{language}.tsv", "emoji name keywords", rows)


if __name__ == "__main__":
    main(sys.argv[1:])
