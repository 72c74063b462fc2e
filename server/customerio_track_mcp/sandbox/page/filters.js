// The search and the filters. They are part of the address, so that they survive a reload and an opened entry.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { live } from "./vendor/lit-html/directives/live.js";
import { icon } from "./icons.js";
import { setQuery } from "./route.js";
import { STATUSES } from "./status.js";

const FIELDS = {
  timeline: ["search", "tool", "person", "event"],
  people: ["search", "person"],
  events: ["search", "person", "event"],
  segments: ["search", "person"],
};
/** The tool filter's name for requests that belong to no tool call. */
export const OTHER_CLIENTS = "other clients";
const NO_FILTERS = { search: "", tool: "", person: "", event: "", status: "" };

let isExpanded = false; // on a narrow page

/** Return the fields of a view; nothing if it has none. */
export function filtersView(store, { view, query }) {
  const fields = FIELDS[view];
  if (!fields) return nothing;
  const toggle = () => {
    isExpanded = !isExpanded;
    store.redraw();
  };
  const active = fields.filter((name) => name !== "search" && query[name]).length;
  return html`
    <form class="filters ${isExpanded ? "expanded" : ""}" role="search" @submit=${(event) => event.preventDefault()}>
      ${textField("search", "Search", "Search everything", query)}
      <button type="button" class="filters-toggle" aria-expanded=${isExpanded} @click=${toggle}>
        Filters${active ? ` (${active})` : ""}
      </button>
      <div class="more-filters">
        ${fields.includes("tool") ? toolField(query, toolsOf(store)) : nothing}
        ${fields.includes("person") ? textField("person", "Person", "Person: id, email or cio_id", query) : nothing}
        ${fields.includes("event") ? textField("event", "Event name", "Event name", query) : nothing}
        ${hasFilters(query) ? clearButton() : nothing}
      </div>
    </form>`;
}

/** Return one button for each status that entries have; `counts` are their numbers by status. */
export function statusFilter(query, counts) {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const names = Object.keys(STATUSES).filter((name) => counts[name] || query.status === name);
  return html`
    <div class="statuses" role="group" aria-label="Status">
      ${statusButton(query, "", "All", total, nothing, "")}
      ${names.map((name) => {
        const { short, shape, tone } = STATUSES[name];
        return statusButton(query, name, short, counts[name] ?? 0, icon(shape), tone);
      })}
    </div>`;
}

/** Return what a list without rows says: nothing is there yet, or the filters match nothing. */
export function emptyList(query, text) {
  if (!hasFilters(query)) return html`<p class="empty">${text}</p>`;
  return html`<p class="empty">Nothing matches. ${clearButton()}</p>`;
}

/** Return whether a filter is set. */
export function hasFilters(query) {
  return Object.values(query).some(Boolean);
}

function clearButton() {
  return html`<button type="button" class="clear" @click=${() => setQuery(NO_FILTERS)}>Clear filters</button>`;
}

/** Return the names that the tool filter offers. */
function toolsOf(store) {
  const tools = new Set();
  for (const { tool } of store.calls.values()) if (tool) tools.add(tool);
  const names = [...tools].sort();
  return store.timeline().some((entry) => entry.callId === null) ? [...names, OTHER_CLIENTS] : names;
}

function textField(name, label, placeholder, query) {
  return html`
    <label class="field field-${name}"><span class="visually-hidden">${label}</span>
      <input type="search" name=${name} placeholder=${placeholder} autocomplete="off" spellcheck="false"
        .value=${live(query[name])} @input=${(event) => setQuery({ [name]: event.target.value })}></label>`;
}

function toolField(query, tools) {
  const names = query.tool && !tools.includes(query.tool) ? [...tools, query.tool] : tools;
  return html`
    <label class="field"><span class="visually-hidden">Tool</span>
      <select name="tool" .value=${live(query.tool)} @change=${(event) => setQuery({ tool: event.target.value })}>
        <option value="">All tools</option>
        ${names.map((name) => html`<option value=${name} ?selected=${name === query.tool}>${name}</option>`)}
      </select></label>`;
}

function statusButton(query, name, word, count, shape, tone) {
  const isActive = query.status === name;
  return html`
    <button type="button" class="status-filter ${tone}" aria-pressed=${isActive}
      @click=${() => setQuery({ status: name })}>
      ${shape}${word} <span class="count">${count.toLocaleString("en")}</span>
    </button>`;
}
