// The sandbox's own endpoints: live changes, and what the page asks the sandbox to do.

import { parseJson } from "./json.js";
import { store } from "./store.js";

const RETRY_MILLISECONDS = 2000;

let changes = null;
let nextTry = null;

/** Send JSON. Return the response's JSON, or null after the failure was reported in the page's status line. */
export function post(path, body) {
  return send(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

/** Send DELETE; see `post` for what it returns. */
export function remove(path) {
  return send(path, { method: "DELETE" });
}

async function send(path, options) {
  const response = await fetch(path, options).catch(() => null);
  const result = await response?.json().catch(() => null);
  if (response?.ok) {
    store.setProblem(null);
    return result;
  }
  const reason = result?.meta?.errors?.join("; ") ?? result?.meta?.error ?? response?.status;
  store.setProblem(response ? `The sandbox rejected the request (${reason}).` : "The sandbox does not respond.");
  return null;
}

/** Receive changes while the page is visible: a browser opens at most six connections to one host. */
export function watch() {
  clearTimeout(nextTry);
  changes?.close();
  changes = null;
  if (document.hidden) {
    store.setConnection("paused", "Paused while hidden");
    return;
  }
  changes = new EventSource("/_sandbox/changes");
  const on = (name, apply) => changes.addEventListener(name, (message) => apply(parseJson(message.data)));
  on("state", (state) => store.applyState(state));
  on("change", (change) => store.applyChange(change));
  on("faults", (faults) => store.applyFaults(faults));
  on("demo", (demo) => store.applyDemo(demo));
  changes.addEventListener("open", () => {
    store.setProblem(null); // of a request that was made without a connection
    store.setConnection("live", "Live");
  });
  changes.addEventListener("error", () => {
    // A browser reconnects by itself, except after a response with an error status.
    if (changes.readyState === EventSource.CLOSED) {
      store.setConnection(
        "refused",
        "The sandbox has as many pages or connections as it may. Close some; this page tries again.",
      );
      nextTry = setTimeout(watch, RETRY_MILLISECONDS);
    } else {
      store.setConnection("lost", "Connection to the sandbox lost. The page shows the last state it received.");
    }
  });
}
