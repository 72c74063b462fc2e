// The panel of an open entry: everything that is known of a call and its requests.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { copyButton } from "./copy.js";
import { curlCommand } from "./curl.js";
import { faultName } from "./faults.js";
import { jsonBlock, prettyJson } from "./json.js";
import { href, requestPath } from "./route.js";
import { bodyOf, nameOf, parsed } from "./search.js";
import { badge, isReportExpected, requestStatusOf, responseText, responseTone, statusOf } from "./status.js";
import { headline, notesOf, reasonOf, repeatText } from "./summary.js";
import { openedEntry, openedRequest } from "./timeline.js";
import { durationText, timeOf } from "./times.js";

const NOT_KEPT = "The body was not received completely, or it is too long to keep.";

/** Return the panel of the entry that the route opens; `close` closes it. */
export function entryView(store, opened, close) {
  const entry = openedEntry(store, opened);
  const closeButton = html`<button type="button" class="close" @click=${close}>Close</button>`;
  if (!entry) {
    return html`
      <div class="panel-head">
        <h2 tabindex="-1">${store.isLoaded ? "No longer kept" : "Loading…"}</h2>
        ${closeButton}
      </div>
      ${store.isLoaded ? notKept(store, opened) : nothing}`;
  }
  const { call, requests } = entry;
  const shown = openedRequest(store, opened);
  const shared = new URL(href(shown ? requestPath(shown) : entry.path, {}), location.href).href;
  return html`
    <div class="panel-head">
      ${badge(statusOf(entry))}
      <h2 tabindex="-1">${headline(store, entry)}</h2>
      ${closeButton}
    </div>
    <p class="entry-facts">
      ${timeOf(entry.at)}
      ${call ? html` · ${durationText(call.seconds)} · outcome <code>${call.outcome}</code>` : nothing}
      ${call?.client ? html` · ${call.client}` : nothing}
    </p>
    ${(call ? notesOf(store, entry) : []).map(({ tone, text }) => html`<p class="note-full ${tone}">${text}</p>`)}
    <p class="actions">
      ${copyButton(store, `link ${entry.key}`, "Copy link", shared)}
      ${copyButton(store, `json ${entry.key}`, "Copy as JSON", () => prettyJson(everythingOf(entry)))}
    </p>
    ${call ? callDetails(call) : nothing}
    ${entry.callId !== null && !call ? html`<p class="muted">${pendingText(entry)}</p>` : nothing}
    ${requests.length ? nothing : html`<p class="part muted">${withoutRequestsText(entry)}</p>`}
    ${repeat(
      requests,
      (request) => request.number,
      (request, index) =>
        requestDetails(store, request, shown ? request === shown : index === requests.length - 1),
    )}
    ${call?.meta ? metadata(call.meta) : nothing}`;
}

function notKept(store, { kind, id }) {
  const what = kind === "call" ? "tool call" : "request";
  return html`<p>This ${what} (<code>${id}</code>) is no longer kept, or it was deleted.
    The sandbox keeps the newest ${store.kept.toLocaleString("en")} of each.</p>`;
}

function everythingOf({ call, requests, callId }) {
  return callId === null ? requests[0] : { ...call, requests };
}

function pendingText(entry) {
  if (entry.isCallRemoved) return "The tool call of these requests is no longer kept.";
  return isReportExpected(entry)
    ? "The tool call is in progress: its arguments and its result appear when it ends."
    : "The server has not reported the tool call of these requests.";
}

function withoutRequestsText(entry) {
  const status = statusOf(entry);
  if (status === "joined") return "No request of its own was sent: the identical call sent one.";
  return status === "accepted" ? "Its requests are no longer kept." : "No request was sent to the Track API.";
}

function callDetails(call) {
  return html`
    <section class="part"><h3>Arguments</h3>${jsonBlock(call.arguments)}</section>
    <section class="part"><h3>Result</h3>
      ${call.result === null ? html`<p class="muted">None.</p>` : jsonBlock(call.result)}</section>`;
}

function metadata(meta) {
  return html`<details class="headers"><summary>Metadata of the result (_meta)</summary>${jsonBlock(meta)}</details>`;
}

function requestDetails(store, request, isOpen) {
  const status = requestStatusOf(request);
  const curl = () => curlCommand(request);
  const reason = reasonOf(request);
  return html`
    <details class="part request-part" ?open=${isOpen} id="request-${request.number}">
      <summary>
        <h3>
          <span class="method">${request.method}</span> <span class="path">${request.path}</span>
          <span class="response ${responseTone(request)}">${responseText(request)}</span>
        </h3>
      </summary>
      <p class="entry-facts">
        ${badge(status)} ${timeOf(request.at)}
        ${request.seconds === null ? nothing : html` · ${durationText(request.seconds)}`} · attempt ${request.attempt}
        ${request.fault ? html` · <span class="fault">injected fault: ${faultName(request.fault)}</span>` : nothing}
      </p>
      ${reason ? html`<p class="note-full bad">${reason}</p>` : nothing}
      ${store.dropsOf(request).map(dropNote)}
      ${factsOf(store, request)}
      <p class="actions">
        ${request.body === null ? nothing : copyButton(store, `curl ${request.number}`, "Copy as curl", curl)}
        ${copyButton(store, `request ${request.number}`, "Copy as JSON", () => prettyJson(request))}
      </p>
      <h4>Request body</h4>
      ${request.body === null ? html`<p class="muted">${NOT_KEPT}</p>` : bodyBlock(bodyOf(request))}
      ${headersBlock("Request headers", request.headers)}
      <h4>Response body</h4>
      ${request.response === null ? html`<p class="muted">None.</p>` : bodyBlock(parsed(request.response))}
      ${headersBlock("Response headers", request.response_headers)}
    </details>`;
}

function dropNote({ what, reason }) {
  return html`<p class="note-full bad">Dropped: ${what}: ${reason}</p>`;
}

function factsOf(store, request) {
  const rows = [];
  if (request.person)
    rows.push(["Person", html`<a href=${href(`/people/${request.person}`)}>${nameOf(store, request.person)}</a>`]);
  if (request.event !== null) {
    const event = store.events.get(request.event);
    rows.push(["Event", html`<a href=${href(`/events/${request.event}`)}>${event?.name ?? `#${request.event}`}</a>`]);
    if (event?.id) rows.push(["Event id", html`<code>${event.id}</code>`]);
    if (request.is_repeat) rows.push(["", repeatText(store, request)]);
  }
  return rows.length
    ? html`<dl class="pairs">${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`
    : nothing;
}

function bodyBlock(value) {
  if (value === "") return html`<p class="muted">Empty.</p>`;
  return typeof value === "string" ? html`<pre class="json" tabindex="0">${value}</pre>` : jsonBlock(value);
}

function headersBlock(title, headers) {
  if (!headers.length) return nothing;
  return html`
    <details class="headers">
      <summary>${title} (${headers.length})</summary>
      <dl class="pairs mono">${headers.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
    </details>`;
}
