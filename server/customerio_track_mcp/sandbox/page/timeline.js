// The timeline: what happened, newest first.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { otherDrops } from "./drops.js";
import { OTHER_CLIENTS, emptyList, statusFilter } from "./filters.js";
import { paged } from "./paging.js";
import { href, requestPath, route } from "./route.js";
import { entryMatchesEvent, entryMatchesPerson, entryMatchesText } from "./search.js";
import { STATUSES, badge, statusOf } from "./status.js";
import { headline, notesOf, requestLine } from "./summary.js";
import { clockOf, dayOf, durationText } from "./times.js";

/** Return the entry that a route opens; undefined if there is none, or if it is not kept. */
export function openedEntry(store, opened) {
  if (!opened) return undefined;
  if (opened.kind === "call") return store.entryOfCall(opened.id);
  const request = openedRequest(store, opened);
  return request && store.entryOfRequest(request.number);
}

/** Return the request that a route opens, in the entry that contains it; undefined if there is none. */
export function openedRequest(store, { kind, id, time }) {
  const request = kind === "request" ? store.requests.get(Number(id)) : undefined;
  return request && (time === null || requestPath(request) === `/request/${id}/${time}`) ? request : undefined;
}

/** Return the timeline. */
export function timelineView(store, query) {
  const counts = {};
  const matching = [];
  for (const entry of store.timeline()) {
    if (!matchesAllButStatus(store, entry, query)) continue;
    const status = statusOf(entry);
    counts[status] = (counts[status] ?? 0) + 1;
    if (!query.status || query.status === status) matching.push(entry);
  }
  const others = query.status === "dropped" ? otherDrops(store, query) : nothing;
  return html`
    <h2 class="visually-hidden">Timeline</h2>
    ${statusFilter(query, counts)}
    ${entryList(store, "timeline", matching)}
    ${matching.length || others !== nothing ? nothing : emptyList(query, "Nothing yet.")}
    ${others}`;
}

/** Return a list of entries under the headings of their days; `key` names the list. */
export function entryList(store, key, entries) {
  if (!entries.length) return nothing;
  const selected = openedEntry(store, route().entry);
  const { rows, more } = paged(store, key, entries);
  const days = rows.map((entry) => dayOf(entry.at));
  return html`
    <ol id=${key} class="rows timeline" aria-label="Timeline">
      ${repeat(
        rows,
        (entry) => entry.key,
        (entry, index) =>
          entryRow(store, entry, days[index] === days[index - 1] ? "" : days[index], entry === selected),
      )}
    </ol>
    ${more}`;
}

function matchesAllButStatus(store, entry, query) {
  return (
    (!query.tool || (entry.call?.tool ?? (entry.callId === null ? OTHER_CLIENTS : null)) === query.tool) &&
    entryMatchesEvent(entry, query.event) &&
    entryMatchesPerson(store, entry, query.person) &&
    entryMatchesText(store, entry, query.search)
  );
}

function entryRow(store, entry, day, isSelected) {
  const status = statusOf(entry);
  const duration = entry.call?.seconds ?? (entry.callId === null ? entry.requests[0].seconds : null);
  return html`
    <li class="entry ${STATUSES[status].tone} ${isSelected ? "selected" : ""}" data-status=${status}>
      ${day ? html`<h3 class="day">${day}</h3>` : nothing}
      <a class="entry-link" href=${href(entry.path)} aria-current=${isSelected ? "true" : "false"}>
        <span class="when">${clockOf(entry.at)}</span>
        ${badge(status)}
        <span class="what">${headline(store, entry)}</span>
        <span class="duration">${duration === null ? "" : durationText(duration)}</span>
        ${notesOf(store, entry).map(
          ({ tone, text }) => html`
          <span class="note ${tone}">${tone === "quiet" ? firstSentence(text) : text}</span>`,
        )}
      </a>
      ${entry.callId === null || !entry.requests.length ? nothing : requestRows(entry.requests)}
    </li>`;
}

function requestRows(requests) {
  return html`
    <ul class="requests">
      ${requests.map((request) => html`
        <li><a class="request" href=${href(requestPath(request))}>
          ${requestLine(request, requests.length > 1)}
          <span class="duration">${request.seconds === null ? "" : durationText(request.seconds)}</span>
        </a></li>`)}
    </ul>`;
}

function firstSentence(text) {
  return text.split(/(?<=\.)\s/, 1)[0];
}
