// The tab People, and a person's page.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { emptyList } from "./filters.js";
import { jsonBlock } from "./json.js";
import { paged } from "./paging.js";
import { href } from "./route.js";
import { argumentsOf, bodyOf, identifierText, matchesPerson, matchesText, nameOf, personInPath } from "./search.js";
import { countOf, secondIdentifier } from "./segments.js";
import { entryList } from "./timeline.js";
import { readableTime, secondOf, zoneName } from "./times.js";

export function peopleView(store, query) {
  const matching = [...store.people.values()].filter((person) => isFound(person, query)).reverse();
  const { rows, more } = paged(store, "people", matching);
  if (!rows.length) return emptyList(query, "Nobody has been identified yet.");
  return html`
    <ol class="rows list people-list" aria-label="People">
      ${repeat(rows, (person) => person.cio_id, (person) => html`
        <li class="row">
          <a class="name" href=${href(`/people/${person.cio_id}`)}>${nameOf(store, person.cio_id)}</a>
          <span class="muted">${secondIdentifier(person)}</span>
          <span class="row-end muted">${countOf(Object.keys(person.attributes).length, "attribute", "attributes")},
            ${countOf(store.eventsOfPerson(person.cio_id).length, "event", "events")}</span>
        </li>`)}
    </ol>
    ${more}`;
}

export function personView(store, cioId) {
  const person = store.people.get(cioId);
  if (!person) return html`<p class="empty">This sandbox does not have a person with the cio_id ${cioId}.</p>`;
  const segments = [...store.segments.values()].filter((segment) => segment.members.includes(cioId));
  return html`
    <article class="page person" aria-labelledby="person-title">
      <div class="page-head">
        <a href=${href("/people")}>All people</a>
        <h2 id="person-title">${nameOf(store, cioId)}</h2>
      </div>
      <div class="card"><dl class="pairs">
        ${["id", "email", "cio_id"].map((name) => html`
          <dt>${name}</dt>
          <dd>${person[name] ?? html`<span class="muted">none</span>`}</dd>`)}
        <dt>Segments</dt>
        <dd>${segments.length ? segments.map(({ id, name }) => html`<a href=${href(`/segments/${id}`)}>${name}</a> `)
          : html`<span class="muted">none</span>`}</dd>
        </dl>
        ${attributes(person)}
      </div>
      <div>${timeline(store, person)}</div>
    </article>`;
}

function timeline(store, person) {
  const entries = store.timeline().filter((entry) => isAbout(entry, person));
  const shown = new Set(entries.flatMap((entry) => entry.requests.map((request) => request.event)));
  const others = store.eventsOfPerson(person.cio_id).filter((event) => !shown.has(event.number));
  return html`
    <h3>Timeline</h3>
    ${entries.length ? entryList(store, "person-timeline", entries) : nothing}
    ${others.length ? earlierEvents(store, person, others) : nothing}
    ${entries.length || others.length ? nothing : html`<p class="empty">Nothing about this person is still kept.</p>`}`;
}

function earlierEvents(store, person, events) {
  const { rows, more } = paged(store, `events of ${person.cio_id}`, events);
  return html`
    <h3>Events whose requests are no longer kept</h3>
    <ol class="rows list" aria-label="Events whose requests are no longer kept">
      ${repeat(rows, ({ number }) => number, ({ number, name, timestamp }) => html`
        <li class="row"><span class="when">${secondOf(timestamp)}</span>
          <a class="name" href=${href(`/events/${number}`)}>${name}</a></li>`)}
    </ol>
    ${more}`;
}

/** Return whether an entry of the timeline is about this person; unlike a filter, it compares whole identifiers. */
function isAbout(entry, person) {
  const { customer_id: id, email, customer_ids: ids } = argumentsOf(entry);
  const named = [id, email, ...(Array.isArray(ids) ? ids : [ids])];
  return named.some((name) => isIdentifier(person, name)) ||
    entry.requests.some((request) => request.person === person.cio_id || isIdentifier(person, personInPath(request)) ||
      isMember(request, person));
}

function isMember(request, person) {
  if (request.operation !== "add_to_segment") return false;
  const ids = bodyOf(request)?.ids;
  return Array.isArray(ids) && ids.some((id) => isIdentifier(person, id));
}

function isIdentifier(person, name) {
  if (name === undefined || name === null) return false;
  const text = identifierText(name);
  return text === person.id || text.toLowerCase() === person.email?.toLowerCase() ||
    text.replace(/^cio_/, "") === person.cio_id;
}

function attributes(person) {
  const named = Object.entries(person.attributes).map(([name, value]) => ({ name, value, time: readableTime(name, value) }));
  if (!named.length) return html`<h3>Attributes</h3><p class="empty">This person has no attributes.</p>`;
  return html`
    <h3>${countOf(named.length, "attribute", "attributes")}
      ${named.some(({ time }) => time !== "") ? html`<small class="muted">Times are in ${zoneName()}</small>` : nothing}</h3>
    <table class="attributes">
      <thead class="visually-hidden"><tr><th scope="col">Name</th><th scope="col">Value</th></tr></thead>
      <tbody>
        ${named.map(({ name, value, time }) => html`
          <tr><th scope="row">${name}</th><td>${valueOf(value)} ${time}</td></tr>`)}
      </tbody>
    </table>`;
}

function valueOf(value) {
  if (typeof value === "string") return html`<span class="value">${value}</span>`;
  const text = JSON.stringify(value);
  return /^[[{]/.test(text) ? jsonBlock(value) : html`<span class="value mono">${text}</span>`;
}

function isFound(person, { search, person: identifier }) {
  return (!identifier || matchesPerson(person, identifier)) && (!search || matchesText(person, search));
}
