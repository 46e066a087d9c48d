"""A real headless browser for the tests of pages."""

import shutil
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 120_000  # milliseconds: a busy machine takes its time
# nothing but the page under test: no sandbox (which wants a user other than root), no calls home
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
# the least contrast of any text with what it stands on, and that text (WCAG 2.2, 1.4.3)
LEAST_CONTRAST = """() => {
  const rgb = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const behind = node => {
    const found = rgb(getComputedStyle(node).backgroundColor);
    if (found.length < 4 || found[3]) return found;
    return node.parentElement ? behind(node.parentElement) : [255, 255, 255];
  };
  let least = [99, ""];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].filter(child => child.nodeType === 3).map(child => child.data.trim()).join("");
    if (!/\\p{L}|\\d/u.test(own) || !node.checkVisibility()) continue;
    const style = getComputedStyle(node), svg = node instanceof SVGElement;
    const [a, b] = [light(rgb(svg ? style.fill : style.color)), light(behind(node))].sort((a, b) => b - a);
    const contrast = (a + .05) / (b + .05);
    if (contrast < least[0]) least = [contrast, own];
  }
  return least;
}"""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@contextmanager
def open_browser():
    """Skips the test where no Chromium is installed."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if not path:
        pytest.skip(f"needs a browser: none of {', '.join(NAMES)} is installed")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS, timeout=PATIENCE)
        yield browser
        browser.close()


@contextmanager
def open_page(browser, address: str, **options):
    """A page in a context of its own; `page.problems` collects errors and warnings, and what it asks for beside itself."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.problems = []
    page.on("console", lambda message: page.problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("request", lambda request: page.problems.append(request.url) if not _own(request.url, address) else None)
    page.goto(address)
    yield page
    context.close()


def _own(url: str, address: str) -> bool:
    return url.startswith((address, "data:"))
