"""The report of toy models, read by a parser and in a real browser."""

import base64
import copy
import hashlib
import re
from html.parser import HTMLParser

import pytest
from playwright.sync_api import expect

from emojisummary.emojis import plain
from emojisummary.evaluation import evaluate
from emojisummary.figures import cell, domain, flat, number, p_value, place, plainly, read
from emojisummary.models.frequent import MostFrequent
from emojisummary.page import glyphs, html, misses, reliability
from emojisummary.report import examples_as_text, given, gold, is_share, metric_names, table_as_text
from emojisummary.tasks.summary import Summary
from tests.browser import LEAST_CONTRAST, SIDEWAYS, open_browser, open_page
from tests.test_evaluation import DEV, EMOJI, FACTS, GIVEN, ROWS, SETTINGS, ByHeart

SCRIPT = "<script>document.title = 'taken over'</script><img src=x onerror='document.title = 2'> \"quoted\" & more"
ARABIC = "ذهبت القطة إلى المطبخ"
LONG = "Donaudampfschifffahrt" * 30
MORE = [SCRIPT, ARABIC, LONG, "café\ncrème", *(f"filler {number}" for number in range(60))]
TEXTS = ROWS + [
    {"text": text, "answers": EMOJI[n % 8], "language": "english", "form": "list", "category": "objects"}
    for n, text in enumerate(MORE)
]
KNOWN = GIVEN | {text: EMOJI[(n + (n % 3 == 0)) % 8] for n, text in enumerate(MORE)}


class Doubtful(ByHeart):
    """Surer of longer texts."""

    def probabilities(self, texts):
        probabilities = super().probabilities(texts)
        for row, text in zip(probabilities, texts, strict=True):
            row *= 1 - len(text) % 7 / 10
            row[0] += 1 - row.sum()
        return probabilities


MODELS = {"runs/demo": ByHeart(KNOWN), "doubtful": Doubtful(KNOWN), "most-frequent": MostFrequent(FACTS)}
RESULTS, ANSWERS = evaluate(MODELS, TEXTS, Summary(), SETTINGS, [], FACTS, DEV)
PAGE = html(RESULTS, ANSWERS, TEXTS)

STORIES = {
    "models": {
        "teller": {
            "metrics": {
                "uses all three": {"mean": 0.75, "interval": [0.5, 1.0], "n": 2},
                "words": {"mean": 53.26, "interval": [40.0, 70.5], "n": 2},
            },
            "timing": {"texts": 2, "seconds": 4.0, "texts_per_second": 0.5},
            "tokens": {"prompt": 1200, "answer": {"total": 400, "per text": 200.0}},
        },
        "mute": {"metrics": {"uses all three": {"mean": 0.0, "interval": [0.0, 0.0], "n": 2}}},
    },
    "comparisons": [],
    "examples": [],
    "robustness": {"typos": {"value": 0.25, "low": 0.1, "high": 0.4, "n": 8}},
}
TOLD = [
    {"text": "🐻🍯🌙", "teller": "Once upon a time a bear <b>ate</b> the moon.", "mute": None},
    {"text": "🚀🧀🐭", "teller": ["A mouse flew to the cheese.", None], "mute": ""},
]


class Reader(HTMLParser):
    """What a browser would see: elements with their attributes, the text, and whether all that opens is closed."""

    VOID = ("meta", "link", "input", "br", "img")

    def __init__(self, page):
        super().__init__()
        self.open, self.elements, self.words, self.scripts = [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        {"script": self.scripts, "style": []}.get(self.open[-1] if self.open else "", self.words).append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self):
        return "".join(self.words)


READER = Reader(PAGE)


# --- the page, without a browser ---


def test_the_page_needs_nothing_but_itself():
    addresses = [value for _, found in READER.elements for key, value in found.items() if key in ("src", "href", "action")]
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "url(" not in PAGE
    assert "@import" not in PAGE


def test_only_the_page_s_own_script_may_run():
    (policy,) = [found["content"] for found in READER.all("meta") if found.get("http-equiv")]
    (script,) = READER.scripts
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{hashed}'" in policy
    assert policy.startswith("default-src 'none';")
    assert not [key for _, found in READER.elements for key in found if key.startswith("on") or key == "style"]


def test_texts_stay_text():
    assert READER.all("img") == []
    assert len(READER.all("script")) == 1
    assert all(row["text"] in READER.text() for row in TEXTS)


def test_ids_are_unique_and_links_lead_somewhere():
    ids = [found["id"] for _, found in READER.elements if "id" in found]
    assert len(ids) == len(set(ids))
    links = {found["href"].removeprefix("#") for tag, found in READER.elements if tag in ("a", "use")}
    assert links <= set(ids)


def test_every_figure_is_on_the_page():
    text = READER.text()
    for result in RESULTS["models"].values():
        for found in result["metrics"].values():
            assert number(found["value"], True) in text
    for one in RESULTS["comparisons"]:
        assert f"{100 * one['difference']['value']:+.1f}" in text
    for kind in ("German", "Language", "Form", "Category", "Length", "Rank"):
        assert kind.lower() in text.lower()


def test_as_many_answers_are_ticked_as_are_right():
    accuracy = [result["metrics"]["accuracy@1"] for result in RESULTS["models"].values()]
    right = sum(round(figure["value"] * figure["n"]) for figure in accuracy)
    assert len([1 for found in READER.all("span") if found.get("class") == "tick"]) == right
    assert READER.text().count(", right") == right
    marks = "".join(found["data-right"] for found in READER.all("tr") if "data-right" in found)
    assert marks.count("1") == right
    assert len(marks) == 3 * len(TEXTS)


def test_marks_lie_within_their_axes():
    places = [float(found["x"].rstrip("%")) for found in READER.all("use") if found.get("x", "").endswith("%")]
    assert len(places) > 50
    assert all(0 <= at <= 100 for at in places)


def test_shares_below_0_have_an_axis_and_a_scale_of_their_own():
    longer, shorter = ({"value": value, "low": value - 0.1, "high": value + 0.1, "n": 9} for value in (-6.8, 0.4))
    figures = {
        name: {"metrics": {"reduction": one, "meaning": 0.7}, "groups": {"form": {form: {"reduction": one} for form in "ab"}}}
        for name, one in (("long", longer), ("short", shorter))
    }
    page = html({"numbers": ["words"], "models": figures, "comparisons": [], "examples": []}, [])
    found = Reader(page)
    places = [line[x] for tag, line in found.elements for x in ("x", "x1", "x2") if tag in ("use", "line") and x in line]
    assert len(places) > 20
    assert all(0 <= float(at.rstrip("%")) <= 100 for at in places)
    scales = ["".join(re.findall(r">([^<>]+)<", scale)) for scale in re.findall(r'<span class="ends">.*?</li>', page)]
    assert scales == ["050100 %", *["-690100 %"] * 2]
    assert "long -680.0 (-690.0--670.0), short 40.0 (30.0-50.0)" in page.split('id="groups"')[1]  # per cent, as a share


def test_worst_misses_are_wrong_answers_with_the_surest_first():
    found = misses(ANSWERS, "doubtful")
    assert 1 < len(found) <= 10
    sureness = [one["given"][1] for one in found]
    assert sureness == sorted(sureness, reverse=True)
    assert not [one for one in found if plain(one["given"][0]) in map(plain, one["gold"])]
    wrong = [answer["doubtful"][1] for answer in ANSWERS if answer["doubtful"][0] not in answer["answers"]]
    assert sureness[0] == max(wrong)


def test_reliability_counts_each_text_once():
    bins = reliability(
        [{"answers": ["a"], "m": ("a", 0.9)}, {"answers": ["a"], "m": ("b", 0.82)}, {"answers": [], "m": ("b", 0)}], "m"
    )
    assert [(one["n"], one["value"]) for one in bins] == [(1, 0), (2, 0.5)]
    assert bins[1]["probability"] == pytest.approx(0.86)
    assert bins[1]["low"] < 0.5 < bins[1]["high"]
    assert sum(one["n"] for one in reliability(ANSWERS, "doubtful")) == len(TEXTS)


def test_one_probability_for_all_says_nothing():
    captions = re.findall(
        r"<figcaption>.*?</figcaption>", PAGE.split('id="probabilities"')[1].split("</section>")[0], re.DOTALL
    )
    assert [caption for caption in captions if "doubtful" in caption]
    assert not [caption for caption in captions if "most-frequent" in caption]


# --- another task ---


def test_another_task_s_results_are_shown_and_what_it_lacks_is_left_out():
    page = Reader(html(STORIES, TOLD))
    text = page.text()
    assert {found["id"] for found in page.all("section")} == {"models", "tokens", "robustness", "texts"}
    for shown in (
        "uses all three",
        "75.0",
        "50.0–100.0",
        "words",
        "53.3",
        "40.0–70.5",
        "answer: per text",
        "1200",
        "25.0 (10.0-40.0)",
    ):
        assert shown in text, shown
    assert "Once upon a time a bear <b>ate</b> the moon." in text
    assert "A mouse flew to the cheese." in text
    assert "✓" not in text
    assert page.all("select") == []
    assert "Infinity" not in text
    assert "None" not in text


def test_another_task_s_results_as_text():
    table = table_as_text(STORIES)
    assert "teller  75.0 (50.0-100.0)  53.3 (40.0-70.5)  0" in table
    assert "On 2 texts" in table
    assert "mute    0.0" in table
    assert "Once upon" in examples_as_text(STORIES | {"examples": TOLD[:1]})


def test_results_of_one_model_without_anything_else():
    results = {"models": {"one": {"metrics": {"m": 0.5}}}}
    assert {found["id"] for found in Reader(html(results, [])).all("section")} == {"models"}


def test_the_summary_s_results_as_text():
    table = table_as_text(RESULTS)
    assert table.splitlines()[2].split()[:4] == ["model", "acc@1", "acc@5", "MRR"]
    assert "runs/demo - most-frequent, accuracy@1: +" in table
    assert "doubtful: calibration error" in table
    assert len(examples_as_text(RESULTS).strip().splitlines()) == 1 + SETTINGS.examples


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}, (0.5, 0.4, 0.6, 9)),
        ({"mean": 2, "interval": [1, 3]}, (2, 1, 3, None)),
        (7, (7, None, None, None)),
        (None, (None, None, None, None)),
    ],
)
def test_figures_are_read_however_they_are_written(found, expected):
    assert tuple(read(found).values()) == expected


def test_small_things():
    assert metric_names(RESULTS)[:2] == ["accuracy@1", "accuracy@5"]
    assert is_share(STORIES, "uses all three")
    assert not is_share(STORIES, "words")
    assert [number(0.412, True), number(0.05, True, "+"), number(-1234.5, False), number(None, True)] == [
        "41.2",
        "+5.0",
        "-1,234.5",
        "",
    ]
    assert cell({"value": 0.5, "low": 0.5, "high": 0.5}) == "50.0"
    assert given(["🍔", 0.6]) == ("🍔", 0.6)
    assert gold({"answers": "🍔"}) == gold({"answers": ["🍔"]}) == ["🍔"]
    assert flat({"a": {"b": 1, "c": {"value": 0.5}}, "d": [2, 3]}) == {"a: b": 1, "a: c": {"value": 0.5}, "d": [2, 3]}
    assert [plainly(one) for one in ([1, "a"], None, 1e-05, {"x": []})] == ["1, a", "–", "1e-05", "x: –"]
    assert domain([{"value": 12, "low": 8, "high": 16}], False) == (0, 16)
    assert domain([3, None, -1], False) == (-1, 3)
    assert domain([0], False) == (0, 1)
    assert place(3, (2, 6)) == "25.00%"
    assert [p_value(p) for p in (0.0312, 3e-9)] == ["0.031", "< 0.0001"]
    assert glyphs("👨‍👩‍👧 1️⃣")
    assert not glyphs("bear")


def contrast(one, other):
    lights = []
    for colour in (one, other):
        parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        lights.append(sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True)))
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_marks_of_models_stand_out_by_day_and_by_night():
    day, night = [dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in PAGE.split("prefers-color-scheme: dark", 1)]
    assert contrast("#000000", "#ffffff") == 21
    for colours in (day, day | night):
        assert all(contrast(colours[f"m{n}"], colours[paper]) >= 3 for n in range(5) for paper in ("card", "paper", "track"))


# --- in a browser ---


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(PAGE, encoding="utf-8")
    return path.as_uri()


def visible(page):
    return page.locator("#answers tbody tr:visible").count()


def test_texts_are_searched_and_filtered(browser, address):
    with open_page(browser, address) as page:
        assert page.title() == "runs/demo: results"
        assert visible(page) == 50
        page.click("button[value=some]")
        assert visible(page) == len(TEXTS)
        assert not page.is_visible(".more")
        page.keyboard.press("/")
        page.keyboard.type("CAFE creme")
        assert visible(page) == 1
        assert page.inner_text("#count") == f"1 of {len(TEXTS)} texts"
        page.fill("[name=search]", "taken over <script>")
        assert page.locator("#answers tbody tr:visible p").inner_text() == SCRIPT
        page.fill("[name=search]", "no such text")
        assert visible(page) == 0
        page.fill("[name=search]", "right")  # what a screen reader hears of ticks is no word of a text
        assert visible(page) == 0
        page.click("button[type=reset]")
        expect(page.locator("#count")).to_have_text(f"{len(TEXTS)} texts")
        page.select_option("[name=form]", "chat")
        assert visible(page) == 4
        page.select_option("[name=verdict]", "w0")
        assert visible(page) == 3  # all but "haha"
        page.select_option("[name=form]", "")
        page.select_option("[name=verdict]", "none")
        none = [a for a in ANSWERS if not any(plain(a[name][0]) in map(plain, a["answers"]) for name in MODELS)]
        assert page.inner_text("#count") == f"{len(none)} of {len(TEXTS)} texts"
        assert page.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_fits_the_screen_and_is_readable(browser, address, scheme, width):
    with open_page(browser, address, viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        assert page.evaluate(SIDEWAYS) == 0
        contrast, text = page.evaluate(LEAST_CONTRAST)
        assert contrast >= 4.5, text
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (max(map(int, re.findall(r"\d+", background))) < 60) == (scheme == "dark")
        assert page.problems == []


def test_without_scripts_all_texts_are_there(browser, address):
    with open_page(browser, address, java_script_enabled=False) as page:
        assert visible(page) == len(TEXTS)


def test_another_task_s_page_in_a_browser(browser, tmp_path):
    many = copy.deepcopy(STORIES)
    for n in range(7):
        many["models"][f"a model with a long name, number {n}"] = many["models"]["teller"]
    (tmp_path / "report.html").write_text(html(many, TOLD), encoding="utf-8")
    with open_page(browser, (tmp_path / "report.html").as_uri(), viewport={"width": 360, "height": 800}) as page:
        assert page.evaluate(SIDEWAYS) == 0
        page.fill("[name=search]", "mouse")
        assert visible(page) == 1
        assert page.problems == []
