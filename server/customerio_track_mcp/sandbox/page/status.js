// How a call or a request ended, in one word: what the timeline shows and the status filter offers.

import { html } from "./vendor/lit-html/lit-html.js";
import { icon } from "./icons.js";

// In the order of the filter. `tone` is a class: what the color of the state is.
export const STATUSES = {
  accepted: { word: "Accepted", short: "Accepted", shape: "check", tone: "good" },
  retried: { word: "Retried, then accepted", short: "Retried", shape: "retry", tone: "info" },
  joined: { word: "Joined an identical call", short: "Joined", shape: "link", tone: "quiet" },
  rejected: { word: "Rejected before sending", short: "Rejected", shape: "stop", tone: "warn" },
  dropped: { word: "Dropped by the API", short: "Dropped", shape: "drop", tone: "bad" },
  failed: { word: "Failed", short: "Failed", shape: "cross", tone: "bad" },
  progress: { word: "In progress", short: "In progress", shape: "clock", tone: "info" },
  asked: { word: "Asked for confirmation", short: "Asked", shape: "question", tone: "quiet" },
  dry_run: { word: "Dry run, not sent", short: "Dry run", shape: "eye", tone: "quiet" },
  canceled: { word: "Canceled", short: "Canceled", shape: "slash", tone: "quiet" },
};

// A call whose last request ended so long ago has ended, too: its server cannot report it, or was stopped.
const MAX_SILENT_MILLISECONDS = 300000;

// A map, because an outcome is any word: an object would find "constructor", too.
const STATUS_OF_OUTCOME = new Map([
  ["joined", "joined"],
  ["cancelled", "canceled"], // the server's spelling
  ["dry_run", "dry_run"],
  ["confirmation_required", "asked"],
]);

/** Return the name of an entry's status, one of `STATUSES`. */
export function statusOf(entry) {
  if (entry.status) return entry.status;
  const status = findStatus(entry);
  if (status !== "progress") entry.status = status; // that one also ends without a change
  return status;
}

/** Return the name of the status of one request. */
export function requestStatusOf(request) {
  if (request.drops.length) return "dropped";
  if (isInFlight(request)) return "progress";
  if (!isAccepted(request)) return "failed";
  return request.attempt > 1 ? "retried" : "accepted";
}

/** Return whether a request has not ended. */
export function isInFlight(request) {
  return request.status === null && request.seconds === null;
}

/** Return the short text of a request's status. */
export function responseText(request) {
  if (isInFlight(request)) return "waiting";
  return request.status ?? "no response";
}

/** Return the class of the color of a request's status. */
export function responseTone(request) {
  if (isInFlight(request)) return "info";
  return isAccepted(request) ? "good" : "bad";
}

/** Return a status as its word and its shape. */
export function badge(name) {
  const { word, shape, tone } = STATUSES[name];
  return html`<span class="badge ${tone}">${icon(shape)}<span>${word}</span></span>`;
}

/** Return whether the server of a tool call will still report it. */
export function isReportExpected({ call, isCallRemoved, callId, requests }) {
  if (callId === null || call || isCallRemoved) return false;
  const last = requests.at(-1);
  return isInFlight(last) || Date.now() - (last.at + last.seconds) * 1000 < MAX_SILENT_MILLISECONDS;
}

function findStatus(entry) {
  const { call, requests } = entry;
  if (requests.some((request) => request.drops.length)) return "dropped";
  if (call) {
    const outcome = STATUS_OF_OUTCOME.get(call.outcome);
    if (outcome) return outcome;
    if (call.is_error) return requests.length ? "failed" : "rejected";
    return requests.length > 1 || requests.some((request) => request.attempt > 1) ? "retried" : "accepted";
  }
  if (requests.some(isInFlight) || isReportExpected(entry)) return "progress";
  const last = requestStatusOf(requests.at(-1));
  return last === "accepted" && requests.length > 1 ? "retried" : last;
}

function isAccepted(request) {
  return request.status !== null && request.status < 300;
}
