"""Stage 2: teachers write texts that each emoji could stand for.

    python 2_generate.py
    python 2_generate.py --language german --type keywords --limit 100

reads   runs/<run>/emoji_data.yaml
writes  runs/<run>/generated/<language>_<type>_<teacher>.yaml, one row a line; beside it, where a teacher's answers could not
        be used, the same name with .unusable.jsonl: each with the reason

Stopped or killed, the same command goes on where it was.
"""

from collections import Counter

from emojisummary.artifacts import Journal, artifact_name, json_line, passes, read_emoji, read_rows, write_text, yaml_line
from emojisummary.emojis import Lookup
from emojisummary.models import connect
from emojisummary.stage import UserError, run
from emojisummary.tasks import TASKS
from emojisummary.tasks.base import Unusable


def main(settings):
    table = read_emoji(settings.folder)
    files = 0
    for name in (t for t in settings.teachers if passes(t, settings.teacher)):
        teacher = connect(name, table, settings)
        for problem, count in teacher.problems.items():
            print(f"{name}: {count:,} {problem}")
        for language in (one for one in settings.teachers[name] if passes(one, settings.language)):
            for type in (t for t in settings.texts if passes(t, settings.type)):
                generate(teacher, language, type, table, settings)
                files += 1
    if not files:
        raise UserError("Nothing to write: the filters leave no teacher, language and type of `generate` in config.yaml.")


def generate(teacher, language, type, table, settings):
    """One file: every topic is asked for once, and the file is written when the last answer is in."""
    task, emoji_of = TASKS[settings.task], Lookup(table)
    path = settings.folder / "generated" / artifact_name(language, type, teacher.name)
    journal = Journal(path, read_rows(path) if path.exists() else ())
    refused = path.with_suffix(".unusable.jsonl")
    unusable = Journal(refused, read_rows(refused) if refused.exists() else ())
    topics = list(task.topics(table, language, type, teacher.name, settings.texts[type], settings.seed))[: settings.limit]
    answered = journal.rows.keys() | (set() if settings.retry_unusable else unusable.rows.keys())
    asked = [topic for topic in topics if teacher.reproducible or topic["id"] not in answered]

    for topic, reply in teacher.answer(topic | {"messages": task.request(topic)} for topic in asked):
        if reply is None:
            continue
        try:
            row = task.read(topic, reply, emoji_of)
            if journal.rows.get(row["id"]) != row:
                journal.append(row)
        except Unusable as reason:
            unusable.append({"id": topic["id"], "reason": str(reason), "reply": reply["text"]})

    ids = {topic["id"]: None for topic in topics} | ({} if teacher.reproducible else dict.fromkeys(journal.rows))
    rows = [journal.rows[id] for id in ids if id in journal.rows]
    if rows:
        journal.finish(lambda: write_text(path, "".join(map(yaml_line, rows))))
    if unusable.rows:
        unusable.finish(lambda: write_text(refused, "".join(map(json_line, unusable.rows.values()))))
    reasons = Counter(row["reason"] for row in unusable.rows.values())
    print(f"{path}: {len(rows):,} rows" + "".join(f"; unusable, {reason}: {n:,}" for reason, n in reasons.items()))


if __name__ == "__main__":
    run(main, "generate")
