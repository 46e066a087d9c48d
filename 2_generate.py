"""Stage 2: teachers write texts that each emoji could stand for.

    python 2_generate.py
    python 2_generate.py --language german --type keywords --limit 100
    python 2_generate.py --config recipes/ollama-8gb.yaml --plan        # what it will take, before it's done
    python 2_generate.py --fill                                         # more for the emoji that coverage.csv finds short

reads   runs/<run>/emoji_data.yaml; with --fill runs/<run>/coverage.csv
writes  runs/<run>/generated/<language>_<type>_<teacher>.yaml, one row a line; beside it, where a teacher's answers could not
        be used, the same name with .unusable.jsonl: each with the reason; and, for models on a server, runs/<run>/ledger.csv

Stopped or killed, the same command goes on where it was. What had arrived from a server by then lies in
generated/<model>_<command>.arrived.jsonl.
"""

import time
from collections import Counter

from emojisummary.artifacts import artifact_name, passes, read_emoji
from emojisummary.coverage import most_beyond, read_shortfall
from emojisummary.emojis import Lookup
from emojisummary.generating import GeneratedFile, check_languages
from emojisummary.ledger import PROBE, Ledger, as_text, forecast
from emojisummary.models import connect_for
from emojisummary.stage import UserError, run
from emojisummary.tasks import TASKS


def main(settings):
    table = read_emoji(settings.folder)
    check_languages(settings.teachers, settings.supports, settings.force_languages)
    for problem, count in TASKS[settings.task].problems(settings.source).items():
        print(f"{settings.source}: {count:,} {problem}")
    asked_any = False
    for name in (t for t in settings.teachers if passes(t, settings.teacher)):
        teacher = connect_for("write texts", name, table, settings)
        for problem, count in teacher.problems.items():
            print(f"{name}: {count:,} {problem}")
        files = files_of(teacher, table, settings)
        asked_any = asked_any or bool(files)
        write(teacher, files, settings)
    if not asked_any:
        raise UserError("Nothing to write: the filters leave no teacher, language and type of `generate` in config.yaml.")
    if costs := as_text(settings.folder / "ledger.csv"):
        print(costs)


def files_of(teacher, table, settings):
    """What the teacher is to write, by language and type: a file for each."""
    task, emoji_of, files = TASKS[settings.task], Lookup(table), {}
    for language in (one for one in settings.teachers[teacher.name] if passes(one, settings.language)):
        for type in (t for t in settings.texts if passes(t, settings.type)):
            asked = (table, language, type, teacher.name, settings.texts[type], settings.seed)
            topics = list(task.topics(*asked, source=settings.source))
            path = settings.folder / "generated" / artifact_name(language, type, teacher.name)
            if settings.fill:
                planned = Counter(topic["emoji"] for topic in topics)
                most = {emoji: most_beyond(count) for emoji, count in planned.items()}
                before = GeneratedFile(path, [], teacher, task, emoji_of)
                all_topics, known = list(task.topics(*asked, most, settings.source)), (before.answered(), before.rows.rows)
                counts = [Counter(topic["emoji"] for topic in all_topics if topic["id"] in ids) for ids in known]
                more = read_shortfall(settings.folder, language, type, teacher.name, planned, *counts)
                topics = list(task.topics(*asked, more, settings.source))
            topics = topics[: settings.limit]
            files[language, type] = GeneratedFile(path, topics, teacher, task, emoji_of, settings.retry_unusable)
    return files


def write(teacher, files, settings):
    """All files of a teacher in one go: a server is never idle between two of them, and loads a model once."""
    task = TASKS[settings.task]
    topics = [topic for file in files.values() for topic in file.lacking()]
    now = topics[:PROBE] if settings.plan else topics
    answers = teacher.answer(topic | {"messages": task.request(topic)} for topic in now) if now else ()
    started, replies = time.monotonic(), []
    with Ledger(settings.folder, "generate", teacher.name, len(now)) as ledger:
        for topic, reply in answers:
            if reply is not None:
                usable = files[topic["language"], topic["type"]].take(topic, reply)
                ledger.count(reply, usable)
                replies.append(reply)
    if settings.plan:
        print(f"{teacher.name}: {forecast(replies, time.monotonic() - started, len(topics))}")
        return
    for file in files.values():
        print(file.finish())


if __name__ == "__main__":
    run(main, "generate")
