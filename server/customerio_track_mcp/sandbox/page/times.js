// Times as the page shows them: in the reader's time zone, with the exact time of the zone UTC in `datetime` and `title`.

import { html } from "./vendor/lit-html/lit-html.js";

const MIN_SECONDS = 315532800; // 1980-01-01
const MAX_SECONDS = 4102444800; // 2100-01-01
const RECENT_SECONDS = 1000000000; // 2001-09-09: any integer of ten digits is at least this
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric" });
const NAME_OF_A_TIME = /(^|[^a-z])(at|on|date|time|timestamp|since|until|expires|expiry|expiration|birthday|deadline)$/;
const NAME_OF_ANOTHER_NUMBER = /(^|[^a-z])(ids?|number|no|phone|mobile|tel|fax|zip|code|count|amount|price|total|size)$/;

function digits(number, length = 2) {
  return String(number).padStart(length, "0");
}

function dateOf(seconds) {
  if (typeof seconds !== "number") return null;
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? null : date;
}

function dateText(date) {
  return `${digits(date.getFullYear(), 4)}-${digits(date.getMonth() + 1)}-${digits(date.getDate())}`;
}

function secondText(date) {
  return `${digits(date.getHours())}:${digits(date.getMinutes())}:${digits(date.getSeconds())}`;
}

function clockText(date) {
  return `${secondText(date)}.${digits(date.getMilliseconds(), 3)}`;
}

function element(seconds, text) {
  const date = dateOf(seconds);
  if (!date) return html`<span>${String(seconds)}</span>`;
  const exact = date.toISOString();
  return html`<time datetime=${exact} title=${exact}>${text(date)}</time>`;
}

/** Return a `<time>` with date and milliseconds; the number itself if it is not a valid time. */
export function timeOf(seconds) {
  return element(seconds, (date) => `${dateText(date)} ${clockText(date)}`);
}

/** Return a `<time>` with date and seconds, for times that clients give in whole seconds. */
export function secondOf(seconds) {
  return element(seconds, (date) => `${dateText(date)} ${secondText(date)}`);
}

/** Return a `<time>` without the date, with milliseconds. */
export function clockOf(seconds) {
  return element(seconds, clockText);
}

/** Return the day of a time as text, relative to `now` if it is near; an empty text if it is not a valid time. */
export function dayOf(seconds, now = new Date()) {
  const date = dateOf(seconds);
  if (!date) return "";
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  if (dateText(date) === dateText(now)) return "Today";
  if (dateText(date) === dateText(yesterday)) return "Yesterday";
  return DAY.format(date);
}

/** Return a duration as text. */
export function durationText(seconds) {
  if (!Number.isFinite(seconds)) return "";
  const milliseconds = Math.round(seconds * 1000);
  if (milliseconds < 1) return "< 1 ms";
  if (milliseconds < 1000) return `${milliseconds} ms`;
  if (milliseconds < 59995) return `${(milliseconds / 1000).toFixed(2)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** Return the name of the page's time zone, and its difference from UTC at a time; without a time, that of now. */
export function zoneName(seconds = null) {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  if (timeZone === "UTC") return timeZone;
  const minutes = -(dateOf(seconds) ?? new Date()).getTimezoneOffset();
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${timeZone} (${seconds === null ? "now " : ""}UTC${minutes < 0 ? "−" : "+"}${digits(hours)}:${digits(rest)})`;
}

/**
 * Return how a value reads as a time, if its name or the value suggests one.
 *
 * `seconds` is a plausible time in UNIX seconds. `milliseconds` is one in milliseconds, which Customer.io does not
 * expect: the caller points it out. `null` is anything else.
 */
export function timeUnit(name, value) {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();
  const isNamed = NAME_OF_A_TIME.test(words);
  const number = isNamed && typeof value === "string" && /^\d{9,13}$/.test(value) ? Number(value) : value;
  if (!Number.isInteger(number)) return null;
  if (!isNamed && NAME_OF_ANOTHER_NUMBER.test(words)) return null;
  const min = isNamed ? MIN_SECONDS : RECENT_SECONDS;
  if (number >= min && number < MAX_SECONDS) return "seconds";
  return number >= min * 1000 && number < MAX_SECONDS * 1000 ? "milliseconds" : null;
}

/** Return a value with the time that it seems to be beside it; nothing beside any other value. */
export function readableTime(name, value) {
  switch (timeUnit(name, value)) {
    case "seconds":
      return html` <span class="reading">${secondOf(Number(value))}</span>`;
    case "milliseconds":
      return html` <span class="reading suspicious">looks like milliseconds (${timeOf(Number(value) / 1000)}); Customer.io
        expects seconds</span>`;
    default:
      return "";
  }
}
