// What is above and below every view.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { faultsView } from "./faults.js";
import { filtersView } from "./filters.js";
import { openReset } from "./reset.js";
import { href } from "./route.js";
import { zoneName } from "./times.js";

/** Return the header of the page; `current` is the route of the view. */
export function header(store, current) {
  const { state, text } = store.connection;
  const isShort = state === "live" || state === "connecting" || state === "paused";
  const problems = [isShort ? null : text, store.problem].filter(Boolean);
  return html`
    <div class="bar">
      <h1>Sandbox <span class="muted">Track API</span></h1>
      <p class="purpose"><strong>Nothing here is real.</strong>
        No message is sent<span class="wide">, and no data leaves this sandbox</span>.</p>
      <p id="connection" class=${state} role="status">${isShort ? text : ""}</p>
      ${dropsCount(store)}
      ${faultsView(store)}
      <button type="button" id="reset" @click=${openReset}>Reset…</button>
    </div>
    <div id="problem" role="alert">${problems.map((problem) => html`<p>${problem}</p>`)}</div>
    <div class="bar second">${tabs(store, current.view)}${current.id ? nothing : filtersView(store, current)}</div>`;
}

/** Return the footer of the page. */
export function footer(store) {
  const place = store.stored ? "in a file" : "in memory";
  return html`
    The newest ${store.kept.toLocaleString("en")} tool calls, requests, events and drops are kept ${place}, up to
    32 MiB of each. Times are in ${zoneName()}. ${store.version ? `Version ${store.version}.` : nothing}
    <span class="wide">Keys: ↑ and ↓ move between entries, Enter opens one, Escape closes it.</span>`;
}

function tabs(store, current) {
  const all = [
    ["timeline", "/", "Timeline", store.timeline().length],
    ["people", "/people", "People", store.people.size],
    ["events", "/events", "Events", store.events.size],
    ["segments", "/segments", "Segments", store.segments.size],
  ];
  const tab = ([view, path, label, count]) => html`
    <a href=${href(path)} aria-current=${view === current ? "page" : nothing}>${label}
      <span class="count">${count.toLocaleString("en")}</span></a>`;
  return html`
    <nav aria-label="Views">${all.map(tab)}<a class="connect" href=${href("/start")}
      aria-current=${current === "start" ? "page" : nothing}>Connect</a></nav>`;
}

function dropsCount(store) {
  const count = store.dropped.size;
  if (!count) return html`<span class="drops none">No drops</span>`;
  return html`<a class="drops" href=${href("/", { status: "dropped" })}
    title="Show what the real API would have dropped silently">${count.toLocaleString("en")} dropped</a>`;
}
