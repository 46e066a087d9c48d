"""From what a small language model says to the text it was asked for, or to a reason why there is none.

>>> from emojisummary.emojis import Lookup
>>> clean('Sure! Here is a tweet:\\n\\n"Braces off!" 🎉\\n\\nLet me know if you want another one.', type="paragraph",
...       language="english", emoji=Lookup(["🎉"]).split)
'Braces off!'

`peel` takes off one layer of wrapping (preamble, afterword, markdown, quotes), again and again until nothing changes: a clean
text comes through as it is, and cleaning twice is cleaning once. Then `check` looks at what's left.
"""

import functools
import re
import unicodedata
from collections.abc import Callable

from emojisummary.tasks.base import Unusable, tidy, visible

REASONS = (
    "empty", "cut off", "refusal", "placeholder", "tangled", "contains the emoji", "not keywords", "not a conversation",
    "wrong language",
)  # fmt: skip
LAYERS = 8  # a reply wrapped more often is no reply
MOST_KEYWORDS, LONGEST_KEYWORD, MOST_TURNS = 10, 50, 4

THOUGHT = re.compile(r"<(/?)(?:think|thinking|thoughts?|reasoning|reflection|analysis)>", re.I)
END = re.compile(r"<\|?(?:im_end|eot_id|end_of_turn|end_of_text|endoftext|end|eos)\|?>|</s>|<start_of_turn>|<\|im_start\|>")
LINE_BREAK = re.compile(r"<(?i:br) ?/?>|\\n(?![a-z])")
FURNITURE = re.compile(r"(?:```\w{0,12}|[-_*=~]{3,200})$")  # code fences and rules
LINE_START = re.compile(r"^(?:#{1,6} |>{1,3} )")
BOLD = re.compile(r"(\*\*|__)(?=[^\s*_])([^*_\n]{1,1000})\1")
BULLET = re.compile(r"^[-*•·●▪+] ")
DASH = re.compile(r"^[-*•·●▪+–—] ?(?=\S)")
NUMBER = re.compile(
    r"^[*(]{0,3}(?:(?:option|version|variante?|alternativ[ae]?|opci[oó]n|opção|opzione|вариант|选项|方案|オプション|案|옵션|"
    r"ตัวเลือก|विकल्प|lựa chọn|phương án|خيار) ?)?\(?([1-9]\d?)[.):：、]{1,2}\*{0,2}(?= |$)",
    re.I,
)
QUOTES = {
    '"': '"', "“": "”„“", "„": "“”", "”": "”", "«": "»", "»": "«", "「": "」", "『": "』", "'": "'", "‘": "’", "‹": "›",
    "《": "》", "*": "*", "_": "_", "`": "`",
}  # fmt: skip

# what a text may be called: before a colon, such a word makes a label, and after "Here is" a preamble
KINDS = (
    r"tweets?|tuits?|posts?|headlines?|diary entr(?:y|ies)|reviews?|slogans?|poem lines?|poems?|text messages?|news tickers?|"
    r"photo captions?|captions?|product descriptions?|voicemails?|weather reports?|sports comments?|keywords?|key words|"
    r"conversations?|dialogu?es?|texts?|outputs?|answers?|responses?|repl(?:y|ies)|(?:bedtime )?stor(?:y|ies)|sentences?|"
    r"first line|schlagzeilen?|überschrift|tagebucheintrag|"
    r"stichw[oö]rter?|schlüsselw[oö]rter|schlagw[oö]rter|gespräch|dialog|antwort|kurznachricht|titre|gros titre|"
    r"entrée de journal|mots[- ]clés?|conversation|texte|message|légende|critique|titular|entrada de diario|rese[ñn]a|"
    r"palabras clave|conversación|diálogo|texto|mensaje|titolo|voce di diario|pagina di diario|recensione|parole chiave|"
    r"conversazione|dialogo|testo|messaggio|manchete|entrada de diário|resenha|palavras[- ]chave|conversa|mensagem|твит|пост|"
    r"заголовок|запись в дневнике|отзыв|слоган|ключевые слова|диалог|разговор|текст|ответ|推文|推特|标题|日记|评论|标语|"
    r"关键词|对话|文本|短信|文字|句子|ツイート|見出し|日記|レビュー|スローガン|キーワード|会話|対話|テキスト|文章|メッセージ|"
    r"트윗|헤드라인|일기|리뷰|슬로건|키워드|대화|텍스트|문장|메시지|tiêu đề|nhật ký|đánh giá|khẩu hiệu|từ khó[aá]|"
    r"cuộc trò chuyện|đoạn hội thoại|hội thoại|văn bản|câu trả lời|tin nhắn|ทวีต|พาดหัว(?:ข่าว)?|บันทึกประจำวัน|รีวิว|สโลแกน|"
    r"คำสำคัญ|คำหลัก|คีย์เวิร์ด|บทสนทนา|ข้อความ|ट्वीट|शीर्षक|सुर्ख़?ी|डायरी|समीक्षा|नारा|कीवर्ड|बातचीत|संवाद|पाठ|संदेश|"
    r"تغريدة|عنوان|يوميات|مراجعة|شعار|كلمات مفتاحية|الكلمات المفتاحية|محادثة|حوار|نص|رسالة"
)
OPENER = (
    r"(?:sure(?: thing)?|of course|certainly|absolutely|okay|ok|alright|great|got it|natürlich|gerne?|klar|sicher|bien sûr|"
    r"d'accord|volontiers|claro(?: que s[ií])?|por supuesto|certo|certamente|va bene|com certeza|конечно|хорошо|разумеется|"
    r"当然(?:可以)?|好的|没问题|もちろん(?:です)?|はい|承知しました|了解です|물론(?:입니다|이죠)?|네|알겠습니다|"
    r"chắc chắn(?: rồi)?|tất nhiên|dạ|vâng|แน่นอน(?:ครับ|ค่ะ)?|ได้เลย(?:ครับ|ค่ะ)?|ज़रूर|जरूर|बिल्कुल|بالتأكيد|بالطبع|"
    r"حسن[اًا]{1,2})"
)
HERE = (
    r"(?:here(?:'s|’s| is| are| you go)|below is|hier (?:ist|sind|kommt)|voici|voilà|aquí (?:tienes?|está|va|"
    r"hay)|ecco|aqui (?:está|vai|estão)|вот|以下是|这是|下面是|以下は|こちら(?:は|が)|これは|다음은|여기|이것은|đây là|"
    r"dưới đây là|นี่คือ|ต่อไปนี้(?:คือ|เป็น)|यहाँ|यहां|ये रहा|यह (?:रहा|है)|إليك[مَ]?|هذه|هذا|فيما يلي)"
)
COLON = r" ?[:：]\*{0,2}(?: |$|(?=[^\sa-z0-9/)(]))"
HALF = r"[^\n:：.!?。！？]{0,100}"
TONGUES = (
    r"english|german|french|italian|portuguese|spanish|vietnamese|hindi|thai|chinese|russian|japanese|korean|arabic|deutsch|"
    r"français|italiano|português|español|русск|中文|日语|日本語|한국어|tiếng việt|ภาษาไทย|हिंदी|हिन्दी|العربية|emoji"
)
ABOUT = rf"{HALF}?(?<![a-zà-ÿ])(?:{KINDS}|{TONGUES})(?![a-zà-ÿ]){HALF}"
PREAMBLE = re.compile(
    rf"[¡*]{{0,2}}(?:{OPENER}[\s,.!，。！、]{{1,3}}(?:{HERE}|{ABOUT}|{HERE}{ABOUT})|{HERE}{ABOUT}|{HERE})\*{{0,2}}{COLON}", re.I
)
LABEL = re.compile(
    rf"[\[(*]{{0,2}}(?:(?:my|the|le|la|il|der|die|das|el) )?(?:{KINDS})(?: \([^\n()]{{1,40}}\))?[\])]?\*{{0,2}}{COLON}", re.I
)
TITLE = re.compile(rf"\W{{0,2}}(?:{KINDS})\W{{0,2}}", re.I)
OPENER_LINE = re.compile(rf"¡?{OPENER}[!.。！~]{{1,3}}$", re.I)
NOTE = re.compile(
    r"[*_(（\[]{0,3}(?:note|explanation|translation|english(?: translation)?|rationale|hinweis|anmerkung|erklärung|"
    r"übersetzung|remarque|explication|traduction|nota|explicación|traducción|spiegazione|traduzione|explicação|tradução|"
    r"примечание|пояснение|объяснение|перевод|注|注意|注释|说明|解释|翻译|解説|説明|補足|訳|翻訳|참고|설명|해설|번역|ghi chú|"
    r"giải thích|dịch|bản dịch|lưu ý|หมายเหตุ|คำอธิบาย|คำแปล|नोट|व्याख्या|अनुवाद|टिप्पणी|ملاحظة|شرح|الشرح|ترجمة|"
    r"الترجمة)\*{0,2} ?[:：]",
    re.I,
)
OFFER = re.compile(
    r"[*_(（\[]{0,3}(?:let me know if you(?:'d|’d| would)? (?:like|want|need|have|prefer)|i hope (?:this|"
    r"that) (?:helps|works|fits|is)|hope this helps|feel free to|would you like (?:me|another|more)|do you want me to|"
    r"i can (?:also )?(?:write|create|adjust|make) |this (?:tweet|text|headline|entry|line|poem|slogan|sentence|conversation|"
    r"dialogue|list|message|review) (?:captures|conveys|shows|uses|reflects|is meant|evokes|suggests|hints|aims)|"
    r"ich hoffe,? das|lass(?:en sie)? mich wissen,? |sag(?:en sie)? (?:mir )?bescheid, wenn du (?:noch|eine)|"
    r"möchtest du (?:noch|eine)|dieser (?:tweet|text) |j'espère que (?:cela|ça)|n'hésite[zs]? pas|espero que (?:esto|te|isso|"
    r"isto|ajude|sirva)|(?:avísame|házmelo saber|me avise|avise-me|fammi sapere) s[ei] |spero che (?:questo|ti)|надеюсь, это|"
    r"если (?:хотите|нужно|вам)|дайте знать|希望(?:这|对你)|如果(?:您|你)?(?:需要|想要)|この(?:ツイート|文章|会話)は|"
    r"いかがでしょうか|필요하시면|도움이 되|hy vọng|nếu bạn (?:cần|muốn)|หวังว่า|หากต้องการ|आशा है|मुझे उम्मीद है|यदि आप|"
    r"آمل أن|أتمنى أن|إذا كنت تريد)",
    re.I,
)
REFUSALS = (  # how a refusal opens, by language
    r"(?:(?:i['’ ]?a?m sorry|sorry|i apologi[sz]e|unfortunately)[,.]? ?(?:but )?)?"
    r"i (?:can(?:no|['’])t|can not|am unable to|won['’]t) "
    r"(?:help (?:you )?with (?:that|this|your request)|assist|fulfil|comply|(?:create|generate|write|provide|produce) "
    r"(?:an?|any|this|that|such|content|text|the requested)\b)",
    r"(?:as|i['’ ]?a?m(?: just| only)?) an? (?:ai\b|artificial intelligence|(?:large )?language model)",
    r"(?:als|ich bin)(?: nur)?(?: eine?)? (?:ki\b|sprachmodell|künstliche intelligenz)",
    r"(?:(?:es )?tut mir leid|entschuldigung|leider)[,.]? ?(?:aber )?(?:ich kann|kann ich) [^\n.]{0,60}"
    r"(?:helfen|erstellen|schreiben|nachkommen|generieren|erfüllen)",
    r"ich kann (?:dir |ihnen )?(?:dabei|diese[nmrs]?) [^\n.]{0,40}nicht "
    r"(?:helfen|erstellen|schreiben|nachkommen|generieren|erfüllen)",
    r"en tant qu['’](?:ia|intelligence|assistant)",
    r"(?:(?:je suis )?désolée?,? (?:mais )?)?je ne (?:peux|suis) pas (?:en mesure |capable )?(?:de |d['’])?(?:vous |t['’]|y )?"
    r"(?:répondre à|créer|générer|écrire|aider|fournir|satisfaire|rédiger)",
    r"como (?:una? )?(?:ia|inteligencia|inteligência|modelo de lengua|modelo de lingua)",
    r"(?:lo siento,? (?:pero )?)?no puedo "
    r"(?:ayudar(?:te|le)? con (?:eso|esto|esa)|crear|generar|escribir|cumplir|proporcionar)",
    r"in quanto (?:ia|intelligenza|modello)",
    r"(?:mi dispiace,? (?:ma )?)?non posso (?:aiutart?[ie] con quest|creare|generare|scrivere|fornire|soddisfare)",
    r"(?:(?:desculpe|sinto muito|lamento),? (?:mas )?)?(?:eu )?não (?:posso|consigo) "
    r"(?:ajudar com|criar|gerar|escrever|fornecer|atender)",
    r"как (?:ии\b|искусственный|языковая)",
    r"(?:(?:извините|к сожалению|простите),? (?:но )?)?я не могу "
    r"(?:помочь (?:вам )?с|создать|написать|выполнить|предоставить)",
    r"(?:很?抱歉|对不起)[,，。] ?(?:但是?)?(?:我|作为)(?:不能|无法|没办法|一个)",
    r"作为(?:一个|一名)?(?:ai|人工智能|语言模型)",
    r"我(?:不能|无法)(?:提供|生成|创建|协助|满足)",
    r"(?:申し訳(?:ありません|ございません)|すみません|ごめんなさい)[^\n]{0,40}(?:できません|いたしかねます)",
    r"(?:ai|人工知能|言語モデル)として",
    r"죄송[^\n]{0,60}(?:수 없습니다|수 없어요)|(?:ai|인공지능|언어 모델)(?:로서|로써)",
    r"(?:(?:tôi )?xin lỗi|rất tiếc)[,.]? (?:nhưng )?tôi không thể|(?:với tư cách )?là (?:một )?(?:ai\b|mô hình|trí tuệ)",
    r"(?:ขออภัย|ขอโทษ)[^\n]{0,40}ไม่สามารถ|ในฐานะ(?:ที่เป็น)? ?(?:ai|ปัญญาประดิษฐ์|โมเดล)",
    r"(?:क्षमा|माफ़|माफ|मुझे खेद)[^\n]{0,60}(?:नहीं कर सकत|असमर्थ|मदद नहीं)|एक (?:एआई|ai)\b",
    r"(?:عذر[اًا]{1,2}|آسف|أعتذر)[^\n]{0,30}(?:لا أستطيع|لا يمكنني)|بصفتي (?:نموذج|ذكاء)|كنموذج",
)
REFUSAL = re.compile("|".join(REFUSALS), re.I)
PLACEHOLDER = re.compile(
    r"\[(?:insert|your|name|link|date|time|location|city|emoji|dein|ihr|ort|datum|nom|votre|nombre|tu |nome|il tuo|seu|имя|"
    r"ваше|名前|姓名|你的|이름|tên|ชื่อ|नाम|اسم)[^\[\]\n]{0,40}\]",
    re.I,
)
NAME = r"[\[(]?[^\W\d_][\w.'’-]{0,24}(?: [\w.'’-]{1,20}){0,2}(?: ?\([^()\n]{1,40}\))?[\])]?"
SPEAKER = rf"(?:[-–•] ?)?\*{{0,2}}{NAME}\*{{0,2}} ?[:：]\*{{0,2}}"
TURN = re.compile(rf"({SPEAKER})\s?(?=\S)")
NEXT_TURN = re.compile(rf"(?<=[.!?…。！？\"”」]) (?={SPEAKER} )")
STAGE = re.compile(r"[(\[*_][^()\[\]*_\n]{1,200}[)\]*_]$")
SEPARATOR = re.compile(r" ?(?:[,;、，؛،；|\n•]|(?<= )[/·-](?= )) ?")

PICTURE = "\U0001f000-\U0001faff"  # and whatever else the table has; joiners and variation selectors only behind one
KEYCAP = "[0-9#*]\ufe0f?\u20e3"
JOINERS = "\ufe0f\u200d\u20e3\U000e0020-\U000e007f"
SCRIPTS = {
    "latin": "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff", "cyrillic": "\u0400-\u052f",
    "arabic": "\u0600-\u06ff\u0750-\u077f",
    "devanagari": "\u0900-\u097f", "thai": "\u0e00-\u0e7f", "hangul": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
    "kana": "\u3041-\u30ff", "han": "\u3400-\u4dbf\u4e00-\u9fff",
}  # fmt: skip
OWN = {
    "russian": ("cyrillic",), "arabic": ("arabic",), "hindi": ("devanagari",), "thai": ("thai",), "korean": ("hangul",),
    "japanese": ("kana", "han"), "chinese": ("han",),
}  # fmt: skip
LATIN = {
    "english": "en", "german": "de", "french": "fr", "italian": "it", "portuguese": "pt", "spanish": "es", "vietnamese": "vi",
}  # fmt: skip
ENOUGH = 20  # Latin letters, to tell languages apart
# Nats per character by which another language must be likelier. Of texts of the validation set in another language than English
# (180) it refuses none and catches all that are passed off as another, of English ones (1,157) 0.1 % and 99 %; of lists of four
# keywords (969) 0.2 % and 90 %.
MARGIN = 0.33


def clean(reply: str, *, type: str, language: str, emoji: Callable[[str], list[str]] | None, cut: bool = False) -> str:
    """The text that a teacher meant. `emoji` finds emoji in a text; `cut`: the server stopped the reply at its limit.

    Without `emoji`, they belong to it, as do markdown, notes and code: only what is round the whole is taken off. Raises
    Unusable with one of REASONS. Of languages beside the fourteen, everything is checked but the language.
    """
    if cut and type != "keywords":
        raise Unusable("cut off")
    neat, aloud = (visible, without_thoughts) if emoji is None else (tidy, spoken)
    text, before = neat(reply), None
    for _ in range(LAYERS):
        if text == before:
            check(text, type, language, emoji)
            return text
        before, text = text, neat(aloud(text))
        if emoji is None:
            text = neat(unwrap(text, type))
        else:
            text, cut = neat(without_emoji(shape(peel(text, type), type, cut), emoji)), False
    raise Unusable("tangled")


def spoken(reply: str) -> str:
    """What is said aloud, in lines: a line break that is written out, as in HTML or in code, becomes one."""
    return LINE_BREAK.sub("\n", without_thoughts(reply))


def without_thoughts(reply: str) -> str:
    """What is said aloud: without thoughts, closed or not, and without what comes behind an end-of-turn token."""
    parts = THOUGHT.split(reply)  # text, "" or "/", text, ...: a text is thought if a tag opens before or closes behind it
    tags = ["/", *parts[1::2], ""]
    aloud = (text for text, before, behind in zip(parts[::2], tags[:-1], tags[1:], strict=True) if before == "/" != behind)
    return next(filter(str.strip, END.split("\n".join(aloud))), "")


def peel(text: str, type: str) -> str:
    """One layer less: furniture of markdown, preamble, afterword, all but the first alternative, quotes round the whole."""
    lines = [LINE_START.sub("", BOLD.sub(r"\2", line)) for line in text.split("\n") if not FURNITURE.match(line)]
    lines = without_afterword(without_preamble(lines, type), type)
    if type == "paragraph":
        lines = first_alternative(lines)
    return unquote("\n".join(lines))


def unwrap(text: str, type: str) -> str:
    """Without preamble, and without quotes or a code fence round the whole."""
    lines = without_preamble(text.split("\n"), type)
    if len(lines) > 2 and all(map(FURNITURE.match, (lines[0], lines[-1]))) and not any(map(FURNITURE.match, lines[1:-1])):
        lines = lines[1:-1]
    return unquote("\n".join(lines))


def without_preamble(lines: list[str], type: str) -> list[str]:
    """Without "Sure!", "Here is a tweet in German:" or "Tweet:" at the start; a turn of a conversation may be "Sure!"."""
    alone = lines[1:] and (OPENER_LINE.match(lines[0]) or TITLE.fullmatch(lines[0]))
    if alone and (type != "conversation" or TURN.match(lines[1])):
        return lines[1:]
    found = lines and (PREAMBLE.match(lines[0]) or LABEL.match(lines[0]))
    return [lines[0][found.end() :], *lines[1:]] if found else lines


def without_afterword(lines: list[str], type: str) -> list[str]:
    """Without the lines from "Let me know" or "Note:" on, and without a note in brackets at the end of the last line."""
    offers = type != "conversation" or len(lines) > MOST_TURNS or (lines and TURN.match(lines[0]))  # or else it's a turn
    behind = (at for at, line in enumerate(lines) if at and (NOTE.match(line) or (offers and OFFER.match(line))))
    *kept, last = lines[: next(behind, len(lines))] or [""]
    bracket = max(last.rfind(sign) for sign in "(（[")
    if bracket > 0 and last[-1] in ")）]" and NOTE.match(last[bracket:]):
        last = last[:bracket]
    return [*kept, last]


def first_alternative(lines: list[str]) -> list[str]:
    """The first of several numbered or bulleted lines, or the one in quotes that all the others talk about."""
    numbered = [(at, found) for at, line in enumerate(lines) if (found := NUMBER.match(line))]
    if len(numbered) > 1 and numbered[0][1][1] == "1":
        (first, found), (second, _) = numbered[:2]
        return [lines[first][found.end() :], *lines[first + 1 : second]]
    if lines and all(map(BULLET.match, lines)):
        return [BULLET.sub("", lines[0], count=1)]
    quoted = [unquote(line) != line for line in lines]
    return lines[:1] if quoted[:1] == [True] and not any(quoted[1:]) else lines


def unquote(text: str) -> str:
    """Without the quotes (or stars) that open at the start and close at the end, or that stand alone at the start."""
    if len(text) < 3 or text[0] not in QUOTES:
        return text
    first, inside = text[0], text[1:-1]
    closing = QUOTES[first]
    if first in "'‘":
        inside = re.sub(r"(?<=\w)['’](?=\w)", "", inside)  # an apostrophe closes nothing
    if text[-1] in closing and not any(sign in inside for sign in first + closing):
        return text[1:-1]
    return text[1:] if first in '"“„«「『' and not any(sign in text[1:] for sign in first + closing) else text


def shape(text: str, type: str, cut: bool) -> str:
    """Keywords as one line, a conversation as one turn a line; any other text as it is."""
    if type == "keywords":
        return keywords(text.split("\n"), cut)
    return "\n".join(turns(text)) if type == "conversation" else text


def keywords(lines: list[str], cut: bool) -> str:
    """The list in one line, joined by commas; what explains a keyword in a line of its own is left out, like a cut last one."""
    lines = [NUMBER.sub("", DASH.sub("", line, count=1), count=1).strip() for line in lines]
    if len(lines) > 1 and not any(SEPARATOR.search(line) for line in lines[:-1]):
        lines = [re.split(r" ?[:：(（]| [-–—] ", line, maxsplit=1)[0] or line for line in lines]
    pieces = [unquote(piece.strip(" #*_`")).strip(" #") for piece in SEPARATOR.split("\n".join(lines))]
    pieces = pieces[:-1] if cut else pieces
    if pieces and pieces[-1].count(".") == 1:
        pieces[-1] = pieces[-1].rstrip(".")
    return ", ".join(filter(None, pieces))


def turns(text: str) -> list[str]:
    """The turns without dashes, numbers, names of speakers and stage directions between them."""
    lines = text.split("\n") if "\n" in text else text.split(" / ")
    if len(lines) == 1 and TURN.match(text):
        lines = NEXT_TURN.split(text)
    for mark in (DASH, NUMBER):
        if len(lines) > 1 and all(map(mark.match, lines)):
            lines = [mark.sub("", line, count=1) for line in lines]
    if sum(bool(TURN.match(line)) for line in lines) > 1:
        lines = spoken_lines(lines)
    bare = [unquote(line) for line in lines]
    return lines if any(map(str.__eq__, bare, lines)) else bare


def spoken_lines(lines: list[str]) -> list[str]:
    """What follows the names; a line without a name goes on with the turn before, and a title before the first is left out."""
    said: list[list[str]] = []
    for line in lines:
        if found := TURN.match(line):
            said.append([line[found.end() :]])
        elif said and not STAGE.match(line):
            said[-1].append(line)
    return [" ".join(turn) for turn in said]


def without_emoji(text: str, emoji: Callable[[str], list[str]]) -> str:
    """Without emoji at the ends and beside punctuation. Raises Unusable where one stands between words, or for nothing else."""
    if text.isascii():
        return text
    signs = {sign for found in emoji(text) for sign in found if sign > "\x7f" and sign not in JOINERS}
    one = f"(?:{KEYCAP}|[{PICTURE}{re.escape(''.join(sorted(signs)))}])[{JOINERS} ]*"
    left = re.sub(rf" ?(?:{one})+", _gap, text)
    if text and not left.strip():
        raise Unusable("contains the emoji")
    return left


def _gap(run: re.Match) -> str:
    before, behind = run.string[run.start() - 1 : run.start()], run.string[run.end() : run.end() + 1]
    if _in_word(before) and _in_word(behind):
        raise Unusable("contains the emoji")
    return "" if behind in ".,!?…:;)]。！？，、；：）」』”\n" else " "


def _in_word(sign: str) -> bool:
    return bool(sign) and unicodedata.category(sign)[0] in "LMN"


def check(text: str, type: str, language: str, emoji: Callable[[str], list[str]] | None) -> None:
    """Raises Unusable for what is no text of this type and language."""
    parts = text.split(", " if type == "keywords" else "\n")
    faults = {
        "empty": lambda: not any(map(_in_word, text)),
        "refusal": lambda: REFUSAL.match(text),
        "placeholder": lambda: PLACEHOLDER.search(text),
        "contains the emoji": lambda: emoji is not None and not text.isascii() and emoji(text),
        "not keywords": lambda: (
            type == "keywords" and not (1 < len(parts) <= MOST_KEYWORDS and max(map(len, parts)) <= LONGEST_KEYWORD)
        ),
        "not a conversation": lambda: type == "conversation" and not 1 < len(parts) <= MOST_TURNS,
        "wrong language": lambda: not speaks(text, language, type),
    }
    for reason, fault in faults.items():
        if fault():
            raise Unusable(reason)


def speaks(text: str, language: str, type: str) -> bool:
    """Whether a text may be in this language: by its script, and between Latin ones by how likely each is per character."""
    letters = {script: len(re.findall(f"[{signs}]", text)) for script, signs in SCRIPTS.items()}
    weighed = {script: n * 3 if script in ("hangul", "kana", "han") else n for script, n in letters.items()}
    own = OWN.get(language, ("latin",) if language in LATIN else tuple(SCRIPTS))
    if 2 * sum(weighed[script] for script in own) < sum(weighed.values()):
        return False
    if language == "chinese":
        return letters["kana"] <= letters["han"] / 5
    if language == "japanese":
        return letters["kana"] > 0 or letters["han"] < 10 or type == "keywords"
    if language not in LATIN or letters["latin"] < ENOUGH:
        return True
    text = text[:2000].lower() if text.isupper() else text[:2000]
    likely = dict(detector().rank(text))
    return max(likely.values()) - likely[LATIN[language]] <= MARGIN * len(text)


@functools.cache
def detector():
    """py3langid, limited to our Latin languages: log-probabilities by language."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=False)
    identifier.set_languages(list(LATIN.values()))
    return identifier
