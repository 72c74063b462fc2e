// What an entry of the timeline is about, in a few words.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { faultName } from "./faults.js";
import { jsonLine, shortened } from "./json.js";
import { argumentsOf, bodyOf, eventNameOf, isNamed, nameOf, parsed, personInPath } from "./search.js";
import { STATUSES, responseText, responseTone, statusOf } from "./status.js";

/** Return what an entry is about: the tool and its arguments in short, or the request of another client. */
export function headline(store, entry) {
  const { call, requests } = entry;
  if (entry.callId === null) {
    const [request] = requests;
    return html`<span class="tool other">${clientOf(request)}</span> ${subjectOf(store, request)}
      <span class="request">${requestLine(request)}</span>`;
  }
  if (!call) return html`<span class="tool other">tool call</span> ${subjectOf(store, requests[0])}`;
  const given = argumentsOf(entry);
  const { customer_id: id, event_name: name, email, segment_id: segment, customer_ids: ids, ...others } = given;
  return html`<span class="tool">${call.tool}</span>
    ${name === undefined ? nothing : html`<strong>${textOf(name)}</strong>`}
    ${id === undefined ? nothing : html`${name === undefined ? "" : "for "}<strong>${textOf(id)}</strong>`}
    ${email === undefined ? nothing : html`<span class="muted">${textOf(email)}</span>`}
    ${ids === undefined ? nothing : html`<strong>${peopleText(ids)}</strong>`}
    ${segment === undefined ? nothing : html`to segment <strong>${segmentText(store, segment)}</strong>`}
    <span class="arguments">${isNamed(call.arguments) ? argumentsText(others) : jsonLine(call.arguments)}</span>`;
}

/** Return whom a request is about, and what it sends. */
function subjectOf(store, request) {
  const body = bodyOf(request);
  if (request.operation === "add_to_segment") {
    const [, segment] = /segments\/(\d+)\//.exec(request.path) ?? [];
    return html`<strong>${peopleText(body?.ids ?? [])}</strong>
      to segment <strong>${segmentText(store, segment)}</strong>`;
  }
  const person = request.person ? nameOf(store, request.person) : personInPath(request);
  const event = eventNameOf(request);
  if (event !== undefined) return html`<strong>${textOf(event)}</strong> for <strong>${person}</strong>`;
  return person ? html`<strong>${person}</strong>` : nothing;
}

/** Return what is worth saying about an entry below its headline, each with a tone. */
export function notesOf(store, entry) {
  const { call, requests } = entry;
  const notes = [];
  const { error, message } = call?.result ?? {};
  if (error) notes.push({ tone: STATUSES[statusOf(entry)].tone, text: sentenceOf(error) });
  else if (message) notes.push({ tone: "quiet", text: sentenceOf(message) });
  for (const request of requests) {
    const reason = call ? null : reasonOf(request);
    if (reason) notes.push({ tone: "bad", text: reason });
    for (const dropped of store.dropsOf(request)) {
      notes.push({ tone: "bad", text: `Dropped: ${dropped.what} of ${dropped.identifier}: ${dropped.reason}` });
    }
    if (request.is_repeat) notes.push({ tone: "quiet", text: repeatText(store, request) });
  }
  return notes;
}

/** Return why the API rejected a request, if it says so in the response. */
export function reasonOf(request) {
  if (request.status === null || request.status < 400 || request.response === null) return null;
  const meta = parsed(request.response)?.meta;
  return meta?.errors?.join?.("; ") ?? meta?.error ?? null;
}

/** Return what a request is that repeated an event. */
export function repeatText(store, request) {
  const id = store.events.get(request.event)?.id;
  return `Repeat of event ${id ?? request.event}, recorded once`;
}

/** Return a request in one line; `isRepeated` says whether the call sent several. */
export function requestLine(request, isRepeated = false) {
  return html`
    <span class="line"><span class="method">${request.method}</span> <span class="path">${request.path}</span></span>
    <span class="response ${responseTone(request)}">${responseText(request)}</span>
    ${isRepeated || request.attempt > 1 ? html`<span class="attempt">attempt ${request.attempt}</span>` : nothing}
    ${request.fault ? html`<span class="fault">fault: ${faultName(request.fault)}</span>` : nothing}
    ${request.drops.length ? html`<span class="response bad">dropped</span>` : nothing}`;
}

function clientOf(request) {
  const agent = request.headers.find(([name]) => name.toLowerCase() === "user-agent")?.[1];
  return agent ? agent.split(" ")[0].slice(0, 40) : "another client";
}

function argumentsText(named) {
  return Object.entries(named)
    .map(([name, value]) => `${name} ${jsonLine(value)}`)
    .join("  ");
}

function peopleText(ids) {
  if (!Array.isArray(ids)) return textOf(ids);
  return ids.length === 1 ? textOf(ids[0]) : `${ids.length.toLocaleString("en")} people`;
}

function segmentText(store, segment) {
  const name = store.segments.get(Number(segment))?.name;
  return name ? `${textOf(segment)} (${name})` : textOf(segment);
}

/** Return an error or a message, which a stranger may report as something else than a text. */
function sentenceOf(value) {
  return typeof value === "string" ? value : jsonLine(value);
}

/** Return a text as it is, and anything else, or a text of which nothing would be seen, as JSON. */
function textOf(value) {
  return typeof value === "string" && value.trim() ? shortened(value) : jsonLine(value);
}
