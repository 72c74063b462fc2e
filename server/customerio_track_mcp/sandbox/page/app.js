// The page: draws the view of the current route, and reacts to the keyboard.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { watch } from "./api.js";
import { entryView } from "./entry.js";
import { eventView, eventsView } from "./events.js";
import { footer, header } from "./header.js";
import { addKeyboard } from "./keyboard.js";
import { peopleView, personView } from "./people.js";
import { resetDialog } from "./reset.js";
import { go, route } from "./route.js";
import { segmentView, segmentsView } from "./segments.js";
import { startView } from "./start.js";
import { store } from "./store.js";
import { timelineView } from "./timeline.js";

const REDRAW_MILLISECONDS = 30000; // a day ends, and a call that nobody reports is no longer in progress
const narrow = matchMedia("(max-width: 899px)");

function viewOf({ view, id, query }) {
  if (view === "people") return id ? personView(store, id) : peopleView(store, query);
  if (view === "events") return id ? eventView(store, id) : eventsView(store, query);
  if (view === "segments") return id ? segmentView(store, id) : segmentsView(store, query);
  if (view === "start") return startView(store);
  if (!store.isLoaded) return html`<p class="empty">Loading…</p>`;
  return store.timeline().length ? timelineView(store, query) : startView(store);
}

// What remains when an entry is closed: it opens beside the view that links to it.
let background = route();

function closeEntry() {
  go(background.entry ? "/" : background.path);
}

function shell() {
  const current = route();
  if (!current.entry) background = current;
  const view = { ...background, query: current.query };
  const isCovered = Boolean(current.entry) && narrow.matches;
  return html`
    <header ?inert=${isCovered}>${header(store, view)}</header>
    <div class="columns ${current.entry ? "with-entry" : ""}">
      <main id="main" tabindex="-1" ?inert=${isCovered}>${viewOf(view)}</main>
      ${
        current.entry
          ? html`<section id="entry" aria-label="Entry">${entryView(store, current.entry, closeEntry)}</section>`
          : nothing
      }
    </div>
    <footer ?inert=${isCovered}>${footer(store)}</footer>
    ${resetDialog(store)}`;
}

const app = document.getElementById("app");
const keyboard = addKeyboard(closeEntry, () => narrow.matches);
let isDrawing = false;
let isPressed = false; // a redraw between press and release could move what is pressed, which prevents the click

function draw() {
  if (isDrawing || isPressed) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    if (!isPressed) drawNow();
  });
}

function drawNow() {
  const focused = document.activeElement;
  const panel = focused.closest("#entry");
  render(shell(), app);
  keyboard.restoreFocus();
  // A change can remove what has the focus, such as the button of a fault that a request took.
  if (focused.isConnected || document.activeElement !== document.body) return;
  const next = panel?.isConnected ? panel.querySelector("h2") : document.getElementById("main");
  next.focus({ preventScroll: true });
}

addEventListener("pointerdown", (event) => {
  isPressed = event.button === 0;
});
for (const release of ["pointerup", "pointercancel", "blur"]) {
  addEventListener(release, () => {
    isPressed = false;
    setTimeout(draw); // after the click
  });
}
addEventListener("hashchange", draw);
narrow.addEventListener("change", draw);
setInterval(draw, REDRAW_MILLISECONDS);
document.addEventListener("visibilitychange", watch);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the view
  document.getElementById("main").focus();
});

store.onRedraw = draw;
drawNow();
// The panel of an entry fills what the header, which is of any height, leaves of the window.
new ResizeObserver(([{ target }]) => {
  document.documentElement.style.setProperty("--header-height", `${target.offsetHeight}px`);
}).observe(app.querySelector("header"));
watch();
