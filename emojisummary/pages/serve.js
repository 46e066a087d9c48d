// Asks while one types, a moment after the last key; an answer that comes too late is dropped.
"use strict";
const WAIT = 150;  // milliseconds
const TOP = 8;
const text = document.getElementById("text");
const ranked = document.getElementById("ranked");
const said = document.getElementById("said");
const problem = document.getElementById("problem");
let names = {};
let timer;
let asked;

fetch("/names").then(reply => reply.json()).then(found => { names = found; ask(); }).catch(() => {});

function complain(message) {
  problem.textContent = message;
  problem.hidden = !message;
}

function later() {
  clearTimeout(timer);
  ranked.classList.toggle("stale", ranked.children.length > 0);
  timer = setTimeout(ask, WAIT);
}

async function ask() {
  asked?.abort();
  said.textContent = "";
  if (!text.value.trim()) {
    complain("");
    ranked.replaceChildren();
    return;
  }
  const mine = asked = new AbortController();
  try {
    const reply = await fetch("/predict", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ text: text.value, top: TOP }),
      signal: mine.signal,
    });
    const answer = await reply.json();
    if (mine.signal.aborted) return;
    if (reply.ok) show(answer.ranked);
    complain(reply.ok ? "" : answer.error ?? "This text can't be answered.");
  } catch (error) {
    if (error.name !== "AbortError") complain("No answer: is the server still running?");
  } finally {
    if (mine === asked) ranked.classList.remove("stale");
  }
}

function show(pairs) {
  const focused = [...ranked.children].findIndex(item => item.contains(document.activeElement));
  ranked.replaceChildren(...pairs.map(([emoji, probability]) => item(emoji, probability)));
  ranked.children[focused]?.firstElementChild.focus();
}

function element(name, kind, content = "") {
  const made = document.createElement(name);
  made.className = kind;
  made.textContent = content;
  return made;
}

function item(emoji, probability) {
  const share = `${(100 * probability).toFixed(1)} %`;
  const button = element("button", "");
  const middle = element("span", "middle", names[emoji] ?? "");
  middle.insertAdjacentHTML("beforeend", '<svg aria-hidden="true"><rect height="6"/></svg>');
  middle.querySelector("rect").setAttribute("width", `${100 * probability}%`);
  button.type = "button";
  button.setAttribute("aria-label", `${emoji} ${names[emoji] ?? ""}, ${share}, copy`);
  button.append(element("span", "emoji", emoji), middle, element("span", "share", share));
  button.addEventListener("click", () => copy(emoji));
  const line = document.createElement("li");
  line.append(button);
  return line;
}

async function copy(emoji) {
  try {
    await navigator.clipboard.writeText(emoji);
    said.textContent = `${emoji} is copied.`;
  } catch {
    said.textContent = "The browser doesn't allow to copy.";
  }
}

text.addEventListener("input", later);
text.addEventListener("keydown", event => {
  const first = ranked.querySelector("button");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    first?.click();
  } else if (event.key === "ArrowDown" && first && text.selectionEnd === text.value.length) {
    event.preventDefault();
    first.focus();
  }
});
ranked.addEventListener("keydown", event => {
  const line = document.activeElement.closest("li");
  const steps = { ArrowDown: line?.nextElementSibling, ArrowUp: line?.previousElementSibling };
  if (event.key === "Escape" || (event.key === "ArrowUp" && !steps.ArrowUp)) text.focus();
  else if (event.key in steps) steps[event.key]?.firstElementChild.focus();
  else return;
  event.preventDefault();
});
document.querySelector(".examples").addEventListener("click", event => {
  if (event.target.type !== "button") return;
  text.value = event.target.textContent;
  text.focus();
  ask();
});
