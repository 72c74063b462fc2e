// The tab Segments, and a segment's page.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { emptyList } from "./filters.js";
import { paged } from "./paging.js";
import { href } from "./route.js";
import { matchesPerson, nameOf } from "./search.js";

const EXPLAINED = {
  manual: "A manual segment contains the people whom a request has added. Others do not enter it by themselves.",
  "data-driven": "A data-driven segment contains the people who match its conditions. Customer.io computes it: the API " +
    "rejects requests that add people, and this sandbox does not compute members.",
};

export function countOf(number, one, many) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

export function segmentsView(store, query) {
  const matching = [...store.segments.values()].filter((segment) => isFound(store, segment, query))
    .sort((one, other) => one.id - other.id);
  if (!matching.length) return emptyList(query, "This sandbox has no segments.");
  return html`
    <ul class="rows list" aria-label="Segments">
      ${matching.map((segment) => html`
        <li class="row">
          <a class="name" href=${href(`/segments/${segment.id}`)}>${segment.name}</a>
          ${tags(segment)}
          <span class="row-end muted">${countOf(segment.members.length, "person", "people")}</span>
        </li>`)}
    </ul>`;
}

export function segmentView(store, id) {
  const segment = store.segments.get(Number(id));
  if (!segment) return html`<p class="empty">This sandbox does not have a segment with the id ${id}.</p>`;
  const { rows, more } = paged(store, `segment ${segment.id}`, segment.members);
  return html`
    <article class="page" aria-labelledby="segment-title">
      <div class="page-head">
        <a href=${href("/segments")}>All segments</a>
        <h2 id="segment-title">${segment.name} ${tags(segment)}</h2>
      </div>
      <p class="muted">${EXPLAINED[segment.kind]}</p>
      <h3>${countOf(segment.members.length, "member", "members")}</h3>
      ${segment.members.length ? html`
        <ol class="rows list" aria-label="Members">
          ${rows.map((cioId) => html`
            <li class="row"><a href=${href(`/people/${cioId}`)}>${nameOf(store, cioId)}</a>
              <span class="muted">${secondIdentifier(store.people.get(cioId))}</span></li>`)}
        </ol>
        ${more}` : html`<p class="empty">Nobody yet.</p>`}
    </article>`;
}

function tags({ id, kind }) {
  return html`<span class="tag">id ${id}</span> <span class="tag">${kind}</span>`;
}

/** Return a person's email address, unless it is the name by which the person is shown. */
export function secondIdentifier(person) {
  return person?.id ? person.email ?? "" : "";
}

function isFound(store, segment, { search, person }) {
  const found = (text) => segment.members.some((cioId) => matchesPerson(store.people.get(cioId), text));
  const ownText = `${segment.id} ${segment.name} ${segment.kind}`.toLowerCase();
  const words = search.toLowerCase().split(/\s+/);
  return (!person || found(person)) && words.every((word) => ownText.includes(word) || found(word));
}
