// The empty state: what to connect with, snippets to copy, and the demo's data.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { post } from "./api.js";
import { copyButton } from "./copy.js";
import { API_KEY, SITE_ID, certificateFile, snippets } from "./snippets.js";

let selected = "claude-desktop"; // the id of the snippet that is shown

export function startView(store) {
  const isEmpty = store.people.size + store.requests.size + store.calls.size === 0;
  return html`
    <section class="start" aria-labelledby="start-title">
      <h2 id="start-title">${isEmpty ? "Nothing has reached this sandbox yet" : "Connect to this sandbox"}</h2>
      <p class="lead">Point an MCP host or a program at it. Each tool call and each request then appears here, with what
        Customer.io's API would have recorded, rejected or silently dropped.</p>
      ${demo(store)}
      <h3 id="address-title">What to connect with</h3>
      <dl class="address" aria-labelledby="address-title">
        ${[["URL", location.origin], ["Site ID", SITE_ID], ["API key", API_KEY]].map(([name, value]) => html`
          <div>
            <dt>${name}</dt>
            <dd><code>${value}</code> ${copyButton(store, `address ${name}`, `Copy ${name}`, value)}</dd>
          </div>`)}
      </dl>
      <h3 id="snippets-title">Ready to paste</h3>
      ${location.protocol === "https:" ? html`
        <p class="muted">Clients must trust this sandbox's CA certificate. It is in the file whose path the sandbox
          printed when it started; by default <code>${certificateFile(location.origin)}</code>. A host's configuration needs
          its absolute path.</p>` : nothing}
      ${chosenSnippet(store)}
    </section>`;
}

function demo(store) {
  if (!store.canPlayDemo) return nothing;
  const problem = store.demoProblem;
  return html`
    <div class="demo">
      <button type="button" class="primary" ?disabled=${store.isPlayingDemo} @click=${() => post("/_sandbox/demo", {})}>
        ${store.isPlayingDemo ? "Playing the demo's data…" : "Play the demo's data"}</button>
      <span class="muted">Customers, events, a segment, retries, a rejected call and a silent drop: no account, no model.</span>
      <p role="status" class="problem">${problem ? html`${problem}.` : nothing}</p>
    </div>`;
}

function chosenSnippet(store) {
  const all = snippets(location.origin);
  const shown = all.find((snippet) => snippet.id === selected);
  const choose = (id) => {
    selected = id;
    store.redraw();
  };
  return html`
    <div class="snippets">
      <div role="tablist" aria-labelledby="snippets-title" @keydown=${(event) => moveFocus(event, all, choose)}>
        ${all.map(({ id, title }) => html`
          <button type="button" role="tab" id="tab-${id}" aria-selected=${id === selected} aria-controls="snippet"
            tabindex=${id === selected ? 0 : -1} @click=${() => choose(id)}>${title}</button>`)}
      </div>
      <div role="tabpanel" id="snippet" aria-labelledby="tab-${shown.id}">
        <div class="snippet-head">
          <span class="muted">For ${shown.place}</span>
          ${copyButton(store, `snippet ${shown.id}`, copyLabel(shown), shown.text)}
        </div>
        <pre class="snippet-text">${shown.text}</pre>
        ${shown.install ? html`
          <div class="snippet-head">
            <span class="muted">Or let the program write it: <code>${shown.install}</code></span>
            ${copyButton(store, `install ${shown.id}`, "Copy command", shown.install)}
          </div>` : nothing}
        ${shown.next ? html`<p class="muted">${shown.next}.</p>` : nothing}
      </div>
    </div>`;
}

function copyLabel({ title }) {
  return html`Copy<span class="visually-hidden"> the snippet for ${title}</span>`;
}

/** Move through the tabs by arrow keys, as https://www.w3.org/WAI/ARIA/apg/patterns/tabs/ describes. */
function moveFocus(event, all, choose) {
  const current = all.findIndex(({ id }) => id === selected);
  const next = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: all.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  const { id } = all[(next + all.length) % all.length];
  choose(id);
  document.getElementById(`tab-${id}`).focus();
}
