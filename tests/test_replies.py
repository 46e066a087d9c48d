"""Dirty replies as small models give them, fine texts that must come through, and whatever else a string can be."""

import random
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emojisummary.artifacts import read_tsv
from emojisummary.emojis import Lookup, read_tables
from emojisummary.replies import REASONS, clean
from emojisummary.tasks.base import Unusable, tidy

DATA = Path(__file__).parent.parent / "data"
TABLE, _ = read_tables([str(DATA / "16_all_emoji.tsv"), str(DATA / "17_new_emoji.tsv")], str(DATA / "2021_ranked.tsv"))
EMOJI = Lookup(TABLE).split
TYPES = ("paragraph", "keywords", "conversation")
LANGUAGES = (
    "english", "german", "french", "italian", "portuguese", "hindi", "spanish", "thai", "chinese", "russian", "japanese",
    "korean", "vietnamese", "arabic", "dutch",
)  # fmt: skip


def cleaned(reply: str, type: str = "paragraph", language: str = "english", **more) -> str:
    """The text, or the reason in angle brackets."""
    try:
        return clean(reply, type=type, language=language, emoji=EMOJI, **more)
    except Unusable as reason:
        return f"<{reason}>"


PARAGRAPHS = [  # language, reply, text
    ("english", 'Sure! Here\'s a tweet:\n\n"My cat just paid the rent."', "My cat just paid the rent."),
    (
        "english",
        "Sure, here is a short diary entry in English: Today the bakery ran out of bread.",
        "Today the bakery ran out of bread.",
    ),
    ("english", "Tweet: Rain on the tent all night.", "Rain on the tent all night."),
    ("english", "**Headline:**\nMayor Falls Into New Fountain", "Mayor Falls Into New Fountain"),
    ("english", "**Headline:** Mayor Falls Into New Fountain", "Mayor Falls Into New Fountain"),
    ("english", "## Headline\nMayor Falls Into New Fountain", "Mayor Falls Into New Fountain"),
    ("english", "**Mayor falls into new fountain**", "Mayor falls into new fountain"),
    ("english", "*Mayor falls into new fountain*", "Mayor falls into new fountain"),
    ("english", "> Mayor falls into new fountain", "Mayor falls into new fountain"),
    ("english", "```\nMayor falls into new fountain\n```", "Mayor falls into new fountain"),
    ("english", "```text\nMayor falls into new fountain\n```", "Mayor falls into new fountain"),
    (
        "english",
        "Okay, here's a headline:\n\n**Mayor Falls Into Fountain**\n\n---\n\nLet me know if you'd like another one!",
        "Mayor Falls Into Fountain",
    ),
    ("english", "Late again, and the bus waved. \n\nI hope this helps!", "Late again, and the bus waved."),
    ("english", "Late again, and the bus waved.\n\n(Note: I avoided naming the emoji.)", "Late again, and the bus waved."),
    ("english", "Late again, and the bus waved. (Note: I avoided naming it.)", "Late again, and the bus waved."),
    (
        "english",
        "Late again, and the bus waved.\n\n**Explanation:** The bus stands for\nhope.",
        "Late again, and the bus waved.",
    ),
    (
        "english",
        '"Late again, and the bus waved."\n\nIt shows the feeling without saying it.',
        "Late again, and the bus waved.",
    ),
    (
        "english",
        "<think>\nThe user wants a tweet.\n</think>\n\nLate again, and the bus waved.",
        "Late again, and the bus waved.",
    ),
    ("english", "The user wants a tweet.\n</think>\nLate again, and the bus waved.", "Late again, and the bus waved."),
    ("english", "<think>The user wants a tweet about", "<empty>"),
    ("english", "<reasoning>a</reasoning>Late again.<think>b", "Late again."),
    ("english", "Late again, and the bus waved.<|im_end|>\n<|im_start|>user\nmore", "Late again, and the bus waved."),
    ("english", "“Late again, and the bus waved.”", "Late again, and the bus waved."),
    ("english", "'I don't do mornings, the mornings do me.'", "I don't do mornings, the mornings do me."),
    ("english", '"No," she said, "never again."', '"No," she said, "never again."'),
    ("english", "1. Soup again tonight.\n2. The pot is back on.\n3. Third bowl, no regrets.", "Soup again tonight."),
    (
        "english",
        "Here are three options:\n\n**Option 1:**\nSoup again tonight.\n\n**Option 2:**\nThe pot is back on.",
        "Soup again tonight.",
    ),
    ("english", "- Soup again tonight.\n- The pot is back on.", "Soup again tonight."),
    ("english", "Goal in the last minute! 🎉⚽ #derby #home", "Goal in the last minute! #derby #home"),
    ("english", "😭😭 my phone drowned in the sink 👩🏽‍💻❤️", "my phone drowned in the sink"),
    ("english", "We won! 🏆 Nobody saw that coming.", "We won! Nobody saw that coming."),
    ("english", "I ❤️ you more than my bike", "<contains the emoji>"),
    ("english", "🎉🎉🎉", "<contains the emoji>"),
    ("english", "I'm sorry, but I can't help with that request.", "<refusal>"),
    ("english", "As an AI language model, I don't have feelings.", "<refusal>"),
    ("english", "I can't believe it, she said yes!", "I can't believe it, she said yes!"),
    ("english", "I can't write with this hand, it's in plaster.", "I can't write with this hand, it's in plaster."),
    ("english", "Sorry, I drip when I jog.", "Sorry, I drip when I jog."),
    ("english", "Sure, I got the salad. It came with a side of salad.", "Sure, I got the salad. It came with a side of salad."),
    ("english", "Here's to our fiftieth show: break out the cannon!", "Here's to our fiftieth show: break out the cannon!"),
    ("english", "Dear [Your Name], your parcel waits at the counter.", "<placeholder>"),
    ("english", "  \n\u200b ", "<empty>"),
    ("english", "...", "<empty>"),
    (
        "german",
        "Hier ist ein kurzer Tagebucheintrag auf Deutsch:\n\n„Heute war der Bäcker schon um acht ausverkauft.“",
        "Heute war der Bäcker schon um acht ausverkauft.",
    ),
    (
        "german",
        "Natürlich! Hier ist ein Tweet: Der Chef hat schon wieder meine Tasse benutzt.",
        "Der Chef hat schon wieder meine Tasse benutzt.",
    ),
    ("german", "»Der Chef hat schon wieder meine Tasse benutzt.«", "Der Chef hat schon wieder meine Tasse benutzt."),
    (
        "german",
        "Der Chef hat schon wieder meine Tasse benutzt.\n\n(Übersetzung: The boss used my mug again.)",
        "Der Chef hat schon wieder meine Tasse benutzt.",
    ),
    ("german", "My boss used my mug again and left it in the sink.", "<wrong language>"),
    (
        "german",
        "Das Meeting war ein Fail, aber das Team-Event danach im Escape Room war mega nice.",
        "Das Meeting war ein Fail, aber das Team-Event danach im Escape Room war mega nice.",
    ),
    (
        "german",
        "Late-Night-Shopping in der City: Jeans, Sneaker, Hoodie, alles im Sale!",
        "Late-Night-Shopping in der City: Jeans, Sneaker, Hoodie, alles im Sale!",
    ),
    ("german", "Als KI kann ich keine persönlichen Erfahrungen haben.", "<refusal>"),
    ("german", "Es tut mir leid, aber ich kann dir dabei nicht helfen.", "<refusal>"),
    ("german", "I'm sorry, but I can't assist with that.", "<refusal>"),
    (
        "french",
        "Voici un tweet en français :\n\n« Le métro est encore en panne, j'arrive à midi. »",
        "Le métro est encore en panne, j'arrive à midi.",
    ),
    ("french", "Bien sûr ! Voici un titre : Le maire tombe dans sa fontaine", "Le maire tombe dans sa fontaine"),
    ("french", "Je suis désolé, mais je ne peux pas répondre à cette demande.", "<refusal>"),
    (
        "spanish",
        '¡Claro! Aquí tienes un tuit:\n"Otra vez sin paraguas y con zapatos nuevos."',
        "Otra vez sin paraguas y con zapatos nuevos.",
    ),
    ("spanish", "Lo siento, pero no puedo ayudar con eso.", "<refusal>"),
    ("spanish", "Outra vez sem guarda-chuva e com os sapatos novos, não é possível.", "<wrong language>"),
    (
        "italian",
        "Ecco un tweet in italiano:\n\nHo finito il caffè e la pazienza.\n\nFammi sapere se ti piace!",
        "Ho finito il caffè e la pazienza.",
    ),
    ("portuguese", "Claro! Aqui está uma manchete:\n\n**Prefeito cai na fonte nova**", "Prefeito cai na fonte nova"),
    (
        "russian",
        "Конечно! Вот твит на русском:\n\n«Опять забыл зонт, зато новые ботинки.»",
        "Опять забыл зонт, зато новые ботинки.",
    ),
    ("russian", "I forgot my umbrella again, but my shoes are new.", "<wrong language>"),
    ("chinese", "当然可以！以下是一条推文：\n\n“今天的公交车又迟到了二十分钟。”", "今天的公交车又迟到了二十分钟。"),
    ("chinese", "抱歉，我不能满足您的要求。", "<refusal>"),
    ("chinese", "今日はバスがまた二十分遅れました。", "<wrong language>"),
    ("japanese", "はい、以下はツイートです：\n「今日もバスが遅れた。もう歩こう。」", "今日もバスが遅れた。もう歩こう。"),
    ("japanese", "今天的公交车又迟到了二十分钟。", "<wrong language>"),
    ("japanese", "やっと終わった😊！明日は休み", "やっと終わった！明日は休み"),
    ("korean", '다음은 트윗입니다:\n\n"버스가 또 늦었다. 그냥 걸어가자."', "버스가 또 늦었다. 그냥 걸어가자."),
    ("korean", "죄송하지만 그 요청은 도와드릴 수 없습니다.", "<refusal>"),
    (
        "vietnamese",
        "Đây là một dòng tweet bằng tiếng Việt:\n\nXe buýt lại trễ, thôi đi bộ vậy.",
        "Xe buýt lại trễ, thôi đi bộ vậy.",
    ),
    ("thai", "นี่คือทวีตภาษาไทย:\n\nรถเมล์มาสายอีกแล้ว เดินเอาก็ได้", "รถเมล์มาสายอีกแล้ว เดินเอาก็ได้"),
    ("hindi", 'यहाँ एक ट्वीट है:\n\n"आज फिर बस देर से आई, चलो पैदल ही चलते हैं।"', "आज फिर बस देर से आई, चलो पैदल ही चलते हैं।"),
    ("arabic", 'إليك تغريدة:\n\n"تأخرت الحافلة مرة أخرى، سأمشي إلى البيت."', "تأخرت الحافلة مرة أخرى، سأمشي إلى البيت."),
]
KEYWORDS = [
    ("english", "Keywords: rain, tent, mud, thermos", "rain, tent, mud, thermos"),
    ("english", "Here are some keywords:\n\n- rain\n- tent\n- mud", "rain, tent, mud"),
    ("english", "1. **rain**\n2. **tent**\n3. **mud**", "rain, tent, mud"),
    ("english", "1. Rain: it never stops\n2. Tent: where we sleep\n3. Mud: everywhere", "Rain, Tent, Mud"),
    ("english", '"rain", "tent", "mud".', "rain, tent, mud"),
    ("english", "#rain #tent, mud; thermos | boots", "rain #tent, mud, thermos, boots"),
    ("english", "🌧️ rain, ⛺ tent, mud 🥾", "rain, tent, mud"),
    ("english", "It rained so long that in the end even the ducks went home to dry their feet.", "<not keywords>"),
    ("english", ", ".join(["rain"] * 40), "<not keywords>"),
    ("german", "Stichwörter: Regen, Zelt, Schlamm, Thermoskanne", "Regen, Zelt, Schlamm, Thermoskanne"),
    ("german", "Hier sind die Stichwörter:\n* Regen (rain)\n* Zelt (tent)\n* Schlamm (mud)", "Regen, Zelt, Schlamm"),
    ("chinese", "关键词：下雨、帐篷、泥巴", "下雨, 帐篷, 泥巴"),
    ("japanese", "雨、帳篷、泥", "雨, 帳篷, 泥"),
    ("arabic", "كلمات مفتاحية: مطر، خيمة، طين", "مطر, خيمة, طين"),
]
CONVERSATIONS = [
    (
        "english",
        "Anna: Did you feed him?\nTom: He says no.\nAnna: He always says no.",
        "Did you feed him?\nHe says no.\nHe always says no.",
    ),
    ("english", "**Person 1:** Did you feed him?\n\n**Person 2:** He says no.", "Did you feed him?\nHe says no."),
    (
        "english",
        "**Tom**: Did you feed him?\n**Ann**: He says no.\n\nLet me know if you'd like another one!",
        "Did you feed him?\nHe says no.",
    ),
    ("english", 'A: "Did you feed him?"\nB: "He says no."', "Did you feed him?\nHe says no."),
    (
        "english",
        "Here is a conversation:\n\nA: Did you feed him?\n(a pause)\nB: He says no.\nHe lies.",
        "Did you feed him?\nHe says no. He lies.",
    ),
    ("english", "A: Did you feed him? B: He says no.", "Did you feed him?\nHe says no."),
    ("english", "- Did you feed him?\n- He says no.", "Did you feed him?\nHe says no."),
    ("english", "Did you feed him? / He says no.", "Did you feed him?\nHe says no."),
    ("english", "Did you feed him? 🐶\nHe says no 😂", "Did you feed him?\nHe says no"),
    (
        "english",
        "How did it go?\nI can't believe it\nLet me know if you need a lift",
        "How did it go?\nI can't believe it\nLet me know if you need a lift",
    ),
    ("english", "He was fed at six.", "<not a conversation>"),
    ("english", "\n".join(f"A: Line {word}" for word in ("one", "two", "three", "four", "five")), "<not a conversation>"),
    ("german", "Anna: Hast du ihn gefüttert?\nTom: Er sagt, nein.", "Hast du ihn gefüttert?\nEr sagt, nein."),
    ("german", "Anna: Did you feed the dog this morning?\nTom: He says that I did not.", "<wrong language>"),
    ("french", "— Tu l'as nourri ?\n— Il dit que non.", "Tu l'as nourri ?\nIl dit que non."),
    ("russian", "Анна: Ты его покормил?\nПётр: Он говорит, что нет.", "Ты его покормил?\nОн говорит, что нет."),
    ("chinese", "小明：你喂它了吗？\n小红：它说没有。", "你喂它了吗？\n它说没有。"),
    ("japanese", "A：「餌やった？」\nB：「まだだって」", "餌やった？\nまだだって"),
    ("hindi", "अ: खाना दिया?\nब: कहता है नहीं।", "खाना दिया?\nकहता है नहीं।"),
]
CASES = [(kind, *case) for kind, cases in zip(TYPES, (PARAGRAPHS, KEYWORDS, CONVERSATIONS), strict=True) for case in cases]


@pytest.mark.parametrize(("type", "language", "reply", "text"), CASES)
def test_dirty_replies(type, language, reply, text):
    assert cleaned(reply, type, language) == text
    if not text.startswith("<"):
        assert cleaned(text, type, language) == text


def test_cut_off():
    assert cleaned("It rained so long that", cut=True) == "<cut off>"
    assert cleaned("A: Hi\nB: Hel", "conversation", cut=True) == "<cut off>"
    assert cleaned("rain, tent, mud, ther", "keywords", cut=True) == "rain, tent, mud"
    assert cleaned("1. rain\n2. tent\n3. mud\n4. ther", "keywords", cut=True) == "rain, tent, mud"


def test_unknown_languages_are_not_checked():
    assert cleaned("De bus is weer te laat, ik loop wel naar huis.", language="dutch").startswith("De bus")


def fine_texts() -> list[tuple[str, str, str]]:
    """Every text of ours: text, type, language."""
    columns = ("emoji", "type", "form", "also", "second", "text")
    rows = [row for file in sorted(DATA.glob("phrasebook/*.tsv")) for _, row in read_tsv(file, columns)]
    texts = [(r["text"], r["type"], "english") for r in rows]
    texts = [(t.replace(" / ", "\n") if type == "conversation" else t, type, language) for t, type, language in texts]
    for row in yaml.load((DATA / "validation_set.yaml").read_text(), Loader=yaml.CSafeLoader):
        texts.append((row["text"], "conversation" if row["form"] == "conversation" else "paragraph", row["language"]))
    return texts


def test_fine_texts_come_through_unchanged():
    """Of all 19,166 it was 99.8 % when this was written (a minute)."""
    texts = fine_texts()
    sample = [t for t in texts if t[2] != "english"][::3] + random.Random(1).sample(texts, 200)
    changed = [text for text, type, language in sample if cleaned(text, type, language) != text]
    assert len(changed) <= 0.02 * len(sample), changed


def test_languages_are_told_apart():
    """Our texts in Latin script, each passed off as another language."""
    latin = ("english", "german", "french", "italian", "portuguese", "spanish", "vietnamese")
    texts = [t for t in fine_texts()[-1547:] if t[2] in latin and t[1] == "paragraph" and len(t[0]) > 30]
    chance = random.Random(1)
    asked = [(text, chance.choice([x for x in latin if x != language])) for text, _, language in chance.sample(texts, 100)]
    assert sum(cleaned(text, "paragraph", other) == "<wrong language>" for text, other in asked) >= 97


PIECES = (
    "<think>", "</think>", "**", "*", "__", "```", "> ", "# ", "- ", "— ", "1. ", "2) ", "Option 1:",
    "Anna: ", "B：", '"', "“", "”", "„", "«", "「", "'", "Sure! ", "Here is a tweet:", "Tweet:",
    "Let me know if you like", "Note:", "(", ")", "[", "[name]", "/", " / ", ", ", "、", ".", "!", "\n",
    " ", "🎉", "❤", "❤️", "👩🏽‍💻", "1️⃣", "🇩🇪", "\u20e3", "\ufe0f", "\u200d", "🏽", "©", "rain", "Regen", "雨",
    "あめ", "नमस्ते", "<br>", "\\n", "<|im_end|>", "#",
)  # fmt: skip
MIXED = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=16).map("".join)
REPLIES = st.one_of(st.text(max_size=80), MIXED)


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(REPLIES, st.sampled_from(TYPES), st.sampled_from(LANGUAGES), st.booleans())
def test_any_reply_becomes_a_tidy_text_or_a_known_reason(reply, type, language, cut):
    text = cleaned(reply, type, language, cut=cut)
    if text[1:-1] in REASONS:
        return
    assert text
    assert text == tidy(text)
    assert EMOJI(text) == []
    assert cleaned(text, type, language) == text


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize(
    "piece",
    [
        "a",
        " ",
        "*",
        "**a",
        "(",
        "(a",
        "[name",
        '"',
        "A: ",
        "A b ",
        "<think>",
        "1. ",
        "\n- a",
        "🎉",
        "🎉 ",
        "/ ",
        ", ",
        "Here is ",
        "Sure! ",
        "例",
    ],
)
def test_long_hostile_replies_end(piece, type):
    assert cleaned((piece * 200_000)[:200_000], type)
