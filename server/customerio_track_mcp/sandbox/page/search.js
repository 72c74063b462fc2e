// What the search and the filters find. A record's text is made once: a change replaces the record.

import { jsonLine, parseJson } from "./json.js";

const texts = new WeakMap();
const bodies = new WeakMap();

/** Return whether a person's id, email or cio_id contains the text. */
export function matchesPerson(person, text) {
  if (!text) return true;
  if (!person) return false;
  const wanted = normalized(text);
  return [person.id, person.email, person.cio_id].some((value) => (value ?? "").toLowerCase().includes(wanted));
}

/** Return whether a record contains every word of the text, in its names or its values. */
export function matchesText(record, text) {
  return words(text).every((word) => textOf(record).includes(word));
}

/** Return whether an entry of the timeline, or a person that it is about, contains every word of the text. */
export function entryMatchesText(store, entry, text) {
  const wanted = words(text);
  if (wanted.length === 0) return true;
  entry.text ??= entryRecords(store, entry).map(textOf).join("\n");
  const missing = wanted.filter((word) => !entry.text.includes(word));
  if (missing.length === 0) return true;
  const people = peopleOf(store, entry).map(textOf);
  return missing.every((word) => people.some((person) => person.includes(word)));
}

/** Return whether an entry is about a person whose id, email or cio_id contains the text. */
export function entryMatchesPerson(store, entry, text) {
  if (!text) return true;
  const wanted = normalized(text);
  if (peopleOf(store, entry).some((person) => matchesPerson(person, wanted))) return true;
  return identifiersOf(entry).some((value) => identifierText(value).toLowerCase().includes(wanted));
}

/** Return whether the name of an entry's event contains the text. */
export function entryMatchesEvent(entry, text) {
  if (!text) return true;
  const wanted = normalized(text);
  return [argumentsOf(entry).event_name, ...entry.requests.map(eventNameOf)].some(
    (name) => typeof name === "string" && name.toLowerCase().includes(wanted),
  );
}

/** Return whether the arguments of a call have names, as they must: a server reports any that it received. */
export function isNamed(given) {
  return given !== null && typeof given === "object" && !Array.isArray(given);
}

/** Return the arguments of an entry's call by name; empty if there are none. */
export function argumentsOf({ call }) {
  return call && isNamed(call.arguments) ? call.arguments : {};
}

/** Return the name by which a person is shown. */
export function nameOf(store, cioId) {
  const person = store.people.get(cioId);
  return person?.id ?? person?.email ?? `cio_${cioId}`;
}

/** Return a path with its percent-encoded characters decoded, if it can be. */
export function decodedPath(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** Return a text as JSON, if it is JSON; otherwise the text. */
export function parsed(text) {
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

/** Return the body of a request as JSON, if it is JSON. */
export function bodyOf(request) {
  if (!bodies.has(request)) bodies.set(request, parsed(request.body));
  return bodies.get(request);
}

/** Return the name of the event that a request sends; undefined if it sends none. */
export function eventNameOf(request) {
  return request.operation === "track" ? bodyOf(request)?.name : undefined;
}

function normalized(text) {
  return text.trim().toLowerCase();
}

function words(text) {
  return normalized(text).split(/\s+/).filter(Boolean);
}

/** Return the identifier of the person in a request's path; undefined if there is none. */
export function personInPath(request) {
  const [, identifier] = /^\/api\/v1\/customers\/([^/?]+)/.exec(request.path) ?? [];
  return identifier && decodedPath(identifier);
}

/** Return the identifiers that an entry's call and requests name. */
function identifiersOf(entry) {
  const { customer_id: id, email, customer_ids: ids } = argumentsOf(entry);
  const members = entry.requests
    .filter(({ operation }) => operation === "add_to_segment")
    .map((request) => bodyOf(request)?.ids);
  const named = [id, email, ids, members, entry.requests.map(personInPath)];
  return named.flat(Infinity).filter((value) => value !== undefined && value !== null);
}

/** Return an identifier as text, whatever a client gave as one. */
export function identifierText(value) {
  return typeof value === "string" ? value : jsonLine(value);
}

function peopleOf(store, entry) {
  return entry.requests.map((request) => store.people.get(request.person)).filter(Boolean);
}

function entryRecords(store, entry) {
  const drops = entry.requests.flatMap((request) => store.dropsOf(request));
  return [...(entry.call ? [entry.call] : []), ...entry.requests, ...drops];
}

function textOf(record) {
  if (!texts.has(record)) {
    const parts = [];
    collect(record, parts);
    if (typeof record.path === "string") parts.push(decodedPath(record.path));
    texts.set(record, parts.join(" ").toLowerCase());
  }
  return texts.get(record);
}

function collect(value, parts) {
  if (value === null || typeof value !== "object") {
    parts.push(String(value));
  } else {
    for (const [name, inner] of Object.entries(value)) {
      if (!Array.isArray(value)) parts.push(name);
      collect(inner, parts);
    }
  }
}
