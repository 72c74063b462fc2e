// The tab Events, and an event's page.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { emptyList } from "./filters.js";
import { jsonBlock, jsonLine } from "./json.js";
import { paged } from "./paging.js";
import { href, requestPath } from "./route.js";
import { matchesPerson, matchesText, nameOf } from "./search.js";
import { isInFlight } from "./status.js";
import { readableTime, secondOf, timeOf, zoneName } from "./times.js";

export function eventsView(store, query) {
  const matching = [...store.events.values()].filter((event) => isFound(store, event, query)).reverse();
  const { rows, more } = paged(store, "events", matching);
  if (!rows.length) return emptyList(query, "No event has been recorded yet.");
  const requests = requestsByEvent(store);
  return html`
    <ol class="rows list events-list" aria-label="Events">
      ${repeat(rows, (event) => event.number, (event) => html`
        <li class="row">
          <span class="when">${secondOf(event.timestamp)}</span>
          <span class="title"><a class="name" href=${href(`/events/${event.number}`)}>${event.name}</a> ${tags(event)}
            ${repeats(requests.get(event.number))}</span>
          <a class="who" href=${href(`/people/${event.person}`)}>${nameOf(store, event.person)}</a>
          <span class="data muted">${Object.keys(event.data).length ? jsonLine(event.data) : nothing}</span>
        </li>`)}
    </ol>
    ${more}`;
}

export function eventView(store, number) {
  const event = store.events.get(Number(number));
  if (!event) return html`
    <p class="empty">This sandbox does not keep an event with the number ${number}.</p>`;
  const requests = requestsByEvent(store).get(event.number) ?? [];
  const times = Object.entries(event.data)
    .map(([name, value]) => [name, readableTime(name, value)])
    .filter(([, reading]) => reading !== "");
  return html`
    <article class="page" aria-labelledby="event-title">
      <div class="page-head">
        <a href=${href("/events")}>All events</a>
        <h2 id="event-title">${event.name} ${tags(event)} ${repeats(requests)}</h2>
      </div>
      <div class="card"><dl class="pairs">
        <dt>Person</dt>
        <dd><a href=${href(`/people/${event.person}`)}>${nameOf(store, event.person)}</a></dd>
        <dt>Time</dt>
        <dd>${secondOf(event.timestamp)} ${zoneName(event.timestamp)} <span class="muted mono">${event.timestamp}</span></dd>
        <dt>Event id</dt>
        <dd>${event.id === null
          ? html`<span class="muted">none: a repeat of this request would be a second event</span>`
          : html`<code>${event.id}</code>`}</dd>
      </dl></div>
      <h3>Data</h3>
      ${Object.keys(event.data).length ? jsonBlock(event.data) : html`<p class="empty">This event has no data.</p>`}
      ${times.length ? html`
        <ul class="readings" aria-label="Times in the data">
          ${times.map(([name, reading]) => html`<li><code>${name}</code> ${reading}</li>`)}
        </ul>` : nothing}
      <h3>${requests.length > 1 ? `Sent ${requests.length} times, recorded once` : "Recorded by"}</h3>
      ${requests.length ? html`
        <ol class="rows list" aria-label="Requests">${requests.map((request) => requestRow(store, request))}</ol>` : html`
        <p class="empty">The request is no longer kept.</p>`}
    </article>`;
}

function requestRow(store, request) {
  const call = store.callOf(request);
  return html`
    <li class="row">
      <span class="when">${timeOf(request.at)}</span>
      <span class="title">
        <a href=${href(requestPath(request))}>Request ${request.number}</a>
        ${call ? html`of the call <a href=${href(store.entryOfRequest(request.number).path)}>${call.tool}</a>` : nothing}
        <span class="muted">${[effectOf(request), ...responseOf(request)].join(", ")}</span>
      </span>
    </li>`;
}

function effectOf(request) {
  return request.is_repeat ? "a repeat, which the API ignored" : "recorded the event";
}

function responseOf(request) {
  if (isInFlight(request)) return ["still waiting for the response"];
  return request.status === null ? ["no response reached the client"] : [];
}

function tags(event) {
  return event.type === "event" ? nothing : html`<span class="tag">${event.type}</span>`;
}

function repeats(requests) {
  if (!requests || requests.length < 2) return nothing;
  return html`<span class="badge info">sent ${requests.length} times, recorded once</span>`;
}

/** Return the requests that recorded or repeated each event, by its number, oldest first. */
function requestsByEvent(store) {
  const found = new Map();
  for (const request of store.requests.values()) {
    if (request.event === null || request.event === undefined) continue;
    const others = found.get(request.event);
    if (others) others.push(request);
    else found.set(request.event, [request]);
  }
  return found;
}

function isFound(store, event, { search, person, event: name }) {
  return (
    (!person || matchesPerson(store.people.get(event.person), person)) &&
    (!name || event.name.toLowerCase().includes(name.toLowerCase())) &&
    search.split(/\s+/).every((word) => matchesText(event, word) || matchesPerson(store.people.get(event.person), word))
  );
}
