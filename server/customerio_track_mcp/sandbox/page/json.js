// JSON as the page shows it: pretty-printed with colors, or in one short line.

import { html } from "./vendor/lit-html/lit-html.js";

const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;
const LONG_NUMBER = /[[:,\s]-?\d{16}/; // it may have more digits than a number of JavaScript
const NUMBERS_OF_RECORDS = new Set(["at", "seconds", "timestamp"]); // the page calculates with them
const MAX_LINE_CHARACTERS = 300;
const MAX_COLORED_CHARACTERS = 20000; // each colored part is an element
const lines = new WeakMap(); // of values, which can be long and are drawn again with every change

/**
 * Parse JSON. An integer that JavaScript would round keeps its digits when it is shown, if the browser can do that: it
 * becomes an object of `JSON.rawJSON`.
 */
export function parseJson(text) {
  return JSON.rawJSON && LONG_NUMBER.test(text) ? JSON.parse(text, withAllDigits) : JSON.parse(text);
}

function withAllDigits(name, value, { source }) {
  const isExact = !Number.isInteger(value) || Number.isSafeInteger(value) || NUMBERS_OF_RECORDS.has(name);
  return isExact ? value : JSON.rawJSON(source);
}

/** Return a value as a block of pretty-printed JSON. */
export function jsonBlock(value) {
  const text = prettyJson(value);
  // Focusable, because a keyboard could not scroll it otherwise.
  return html`<pre class="json" tabindex="0">${text.length > MAX_COLORED_CHARACTERS ? text : colored(text)}</pre>`;
}

/** Return a value as the text of pretty-printed JSON. */
export function prettyJson(value) {
  return JSON.stringify(value, null, 2) ?? "";
}

/** Return a value as JSON in one line, shortened to what a line can show. */
export function jsonLine(value) {
  if (typeof value !== "object" || value === null) return shortened(JSON.stringify(value) ?? "");
  if (!lines.has(value)) lines.set(value, shortened(JSON.stringify(value)));
  return lines.get(value);
}

/** Return the beginning of a text that is too long for a line. */
export function shortened(text) {
  return text.length > MAX_LINE_CHARACTERS ? `${text.slice(0, MAX_LINE_CHARACTERS - 1)}…` : text;
}

function colored(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [whole, string, colon] = match;
    parts.push(text.slice(end, match.index));
    if (string && colon) parts.push(html`<span class="json-name">${string}</span>${colon}`);
    else parts.push(html`<span class=${string ? "json-string" : "json-literal"}>${whole}</span>`);
    end = match.index + whole.length;
  }
  parts.push(text.slice(end));
  return parts;
}
