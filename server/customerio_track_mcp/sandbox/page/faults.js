// The faults that wait for the next requests: a form that adds one, and a chip for each that removes it.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { post, remove } from "./api.js";

const MAX_CHIPS = 12;
const FAULTS = {
  unavailable: { label: "503 Service Unavailable", fault: { kind: "status", status: 503 } },
  limited: { label: "429 with Retry-After: 2", fault: { kind: "status", status: 429, retry_after: "2" } },
  timeout: { label: "Timeout: response after 15 s", fault: { kind: "delay", seconds: 15 } },
  lost: { label: "Lost response, but carried out", fault: { kind: "lost_reply" } },
  reset: { label: "Connection reset, not carried out", fault: { kind: "reset" } },
  redirect: { label: "Redirect to the EU host", fault: { kind: "redirect" } },
};
const OPERATIONS = {
  "": "any write",
  identify: "create or update a person",
  track: "send an event",
  add_to_segment: "add people to a segment",
  find_region: "find the region",
};

const NAMES = {
  status: "error status",
  delay: "delayed response",
  lost_reply: "lost response",
  reset: "connection reset",
};

/** Return the name of a kind of fault in plain words. */
export function faultName(kind) {
  return NAMES[kind] ?? kind;
}

export function faultsView(store) {
  const count = store.faultsWaiting;
  return html`
    <div class="faults">
      <details @keydown=${closeOnEscape}>
        <summary>Faults${count ? html` <span class="count">${count.toLocaleString("en")}</span>` : nothing}</summary>
        ${form(store)}
      </details>
      ${chips(store.faults)}
    </div>`;
}

function form(store) {
  return html`
    <form class="fault-form" @submit=${add}>
      ${choice("fault", "Fail with", Object.entries(FAULTS).map(([key, { label }]) => [key, label]))}
      ${choice("operation", "Which requests", Object.entries(OPERATIONS))}
      <div><label for="fault-count">How many</label>
        <input id="fault-count" name="count" type="number" min="1" max="1000" value="1" required></div>
      <button class="primary">Add fault</button>
      <p class="hint" role="status">${waiting(store.faultsWaiting)}</p>
      <p class="hint">Probes and <code>check</code> do not take a fault, except one for “${OPERATIONS.find_region}”.</p>
    </form>`;
}

function choice(name, label, options) {
  return html`
    <div><label for="fault-${name}">${label}</label>
      <select id="fault-${name}" name=${name}>
        ${options.map(([value, text]) => html`<option value=${value}>${text}</option>`)}
      </select></div>`;
}

function waiting(count) {
  if (!count) return "No fault is waiting.";
  return count === 1 ? "1 request will fail." : `${count.toLocaleString("en")} requests will fail.`;
}

function chips(faults) {
  if (!faults.length) return nothing;
  const hidden = faults.length - MAX_CHIPS;
  return html`
    <ul class="fault-chips" aria-label="Waiting faults">
      ${repeat(faults.slice(0, MAX_CHIPS), ({ id }) => id, chip)}
      ${hidden > 0 ? html`<li class="muted">and ${hidden} more</li>` : nothing}
    </ul>`;
}

function chip(fault) {
  const text = [nameOf(fault), ...(fault.operation ? [OPERATIONS[fault.operation]] : [])].join(", ");
  return html`
    <li class="chip">
      <span>${text}${fault.count > 1 ? html`, <b>${fault.count.toLocaleString("en")} times</b>` : nothing}</span>
      <button type="button" aria-label="Remove fault: ${text}" title="Remove"
        @click=${(event) => removeFault(event, fault)}>×</button>
    </li>`;
}

function nameOf({ kind, status, retry_after: retryAfter, seconds }) {
  if (kind === "status") return retryAfter === null ? String(status) : `${status} with Retry-After: ${retryAfter}`;
  return kind === "delay" ? `response after ${seconds} s` : faultName(kind);
}

async function add(event) {
  event.preventDefault();
  const data = new FormData(event.target);
  const operation = data.get("operation");
  const fault = { ...FAULTS[data.get("fault")].fault, count: Number(data.get("count")) };
  await post("/_sandbox/faults", operation ? { ...fault, operation } : fault);
}

async function removeFault({ currentTarget: button }, { id }) {
  const all = button.closest(".faults");
  const buttons = [...all.querySelectorAll(".chip button:not(:disabled)")];
  const index = buttons.indexOf(button);
  // The button disappears, and would take the keyboard's focus with it.
  (buttons[index + 1] ?? buttons[index - 1] ?? all.querySelector("summary")).focus();
  button.disabled = true;
  if ((await remove(`/_sandbox/faults/${id}`)) === null) button.disabled = false;
}

function closeOnEscape(event) {
  if (event.key !== "Escape" || !event.currentTarget.open) return;
  event.preventDefault();
  event.currentTarget.open = false;
  event.currentTarget.querySelector("summary").focus();
}

addEventListener("click", ({ target }) => {
  for (const open of document.querySelectorAll(".faults details[open]")) if (!open.contains(target)) open.open = false;
});
