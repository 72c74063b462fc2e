// The sandbox's state as this page knows it, and the indexes that every change updates.

import { requestPath } from "./route.js";

/**
 * One line of the timeline: a tool call with its requests, or one request of another client.
 *
 * `call` is null while the call is in progress, because a server reports a call when it ends.
 */
class Entry {
  constructor(key, path, callId) {
    this.key = key;
    this.path = path;
    this.callId = callId;
    this.call = null;
    this.isCallRemoved = false;
    this.requests = []; // oldest first
    this.at = 0; // in UNIX seconds: when the call began, or its first request was received
    this.status = null; // set by status.js, and the next one by search.js; every change discards them
    this.text = null;
  }

  /** Update what is derived from the call and the requests. */
  refresh() {
    this.at = Math.min(this.call?.at ?? Infinity, this.requests[0]?.at ?? Infinity);
    this.status = null;
    this.text = null;
  }

  get isEmpty() {
    return this.call === null && this.requests.length === 0;
  }
}

export class Store {
  constructor() {
    this.version = "";
    this.kept = 10000;
    this.stored = false;
    this.canPlayDemo = false;
    this.isPlayingDemo = false;
    this.demoProblem = null;
    this.faults = [];
    this.faultsWaiting = 0;
    this.connection = { state: "connecting", text: "Connecting…" };
    this.problem = null;
    this.isLoaded = false;
    this.onRedraw = () => {};
    this.#clear();
  }

  #entries;
  #ordered;
  #entryOfRequest;
  #requestOfDrop;
  #requestOfEvent;
  #eventsOfPerson;

  #clear() {
    this.people = new Map(); // cio_id -> person
    this.segments = new Map(); // id -> segment
    this.events = new Map(); // number -> record, oldest first; likewise the next three
    this.dropped = new Map();
    this.requests = new Map();
    this.calls = new Map();
    this.#entries = new Map();
    this.#ordered = null;
    this.#entryOfRequest = new Map();
    this.#requestOfDrop = new Map();
    this.#requestOfEvent = new Map();
    this.#eventsOfPerson = new Map();
  }

  /** Ask for the page to be drawn again. */
  redraw() {
    this.onRedraw();
  }

  /** Replace everything by the state that the sandbox sent. */
  applyState(state) {
    this.#clear();
    this.version = state.version ?? "";
    this.kept = state.kept;
    this.stored = state.stored;
    this.canPlayDemo = state.can_play_demo ?? false;
    this.isPlayingDemo = state.is_playing_demo ?? false;
    for (const person of state.people) this.people.set(person.cio_id, person);
    for (const segment of state.segments) this.segments.set(segment.id, segment);
    for (const event of state.events) this.#addEvent(event);
    for (const dropped of state.dropped) this.dropped.set(dropped.number, dropped);
    for (const call of state.calls ?? []) this.#addCall(call);
    for (const request of state.request_log) this.#addRequest(request);
    this.applyFaults(state);
    this.isLoaded = true;
    this.redraw();
  }

  /** Add or replace one record, and remove what the sandbox no longer keeps. */
  applyChange({ kind, key, record, oldest }) {
    const number = Number(key);
    if (kind === "person") this.people.set(key, record);
    else if (kind === "segment") this.segments.set(record.id, record);
    else if (number >= oldest) this.#addNumbered(kind, { ...record, number });
    if (oldest !== null) this.#removeBefore(kind, oldest);
    this.redraw();
  }

  applyFaults(state) {
    this.faults = state.faults ?? [];
    this.faultsWaiting = state.faults_waiting;
    this.redraw();
  }

  applyDemo(demo) {
    this.isPlayingDemo = demo.is_playing_demo;
    this.demoProblem = demo.problem;
    this.redraw();
  }

  /** Set the state of the connection: `connecting`, `live`, `paused`, `lost` or `refused`, and its text. */
  setConnection(state, text) {
    this.connection = { state, text };
    this.redraw();
  }

  /** Set what the page reports about the last request that it made; null if it succeeded. */
  setProblem(text) {
    this.problem = text;
    this.redraw();
  }

  /** Return the entries of the timeline, newest first. */
  timeline() {
    this.#ordered ??= [...this.#entries.values()].reverse().sort((one, other) => other.at - one.at);
    return this.#ordered;
  }

  /** Return the entry of a call, by the call's id; undefined if there is none. */
  entryOfCall(id) {
    return this.#entries.get(callKey(id));
  }

  /** Return the entry that contains a request, by its number; undefined if the request is no longer kept. */
  entryOfRequest(number) {
    return this.#entryOfRequest.get(number);
  }

  /** Return the requests of a call, oldest first. */
  requestsOfCall(id) {
    return this.entryOfCall(id)?.requests ?? [];
  }

  /** Return the call that sent a request; null if another client did, or if the call is still in progress. */
  callOf(request) {
    return this.entryOfRequest(request.number)?.call ?? null;
  }

  /** Return the request that recorded an event; undefined if it is no longer kept. */
  requestOfEvent(number) {
    return this.requests.get(this.#requestOfEvent.get(number));
  }

  /** Return the request whose data was dropped; undefined if it is no longer kept. */
  requestOfDrop(number) {
    return this.requests.get(this.#requestOfDrop.get(number));
  }

  /** Return the drops of a request that are still kept. */
  dropsOf(request) {
    return request.drops.map((number) => this.dropped.get(number)).filter(Boolean);
  }

  /** Return a person's events, newest first. */
  eventsOfPerson(cioId) {
    return [...(this.#eventsOfPerson.get(cioId)?.values() ?? [])].reverse();
  }

  #addNumbered(kind, record) {
    if (kind === "event") this.#addEvent(record);
    else if (kind === "dropped") this.dropped.set(record.number, record);
    else if (kind === "request") this.#addRequest(record);
    else if (kind === "call") this.#addCall(record);
  }

  #removeBefore(kind, oldest) {
    const [records, forget] = {
      event: [this.events, (event) => this.#forgetEvent(event)],
      dropped: [this.dropped, (dropped) => this.#requestOfDrop.delete(dropped.number)],
      request: [this.requests, (request) => this.#forgetRequest(request)],
      call: [this.calls, (call) => this.#forgetCall(call)],
    }[kind];
    for (const [number, record] of records) {
      if (number >= oldest) break;
      records.delete(number);
      forget(record);
    }
  }

  #addEvent(event) {
    this.events.set(event.number, event);
    if (!this.#eventsOfPerson.has(event.person)) this.#eventsOfPerson.set(event.person, new Map());
    this.#eventsOfPerson.get(event.person).set(event.number, event);
  }

  #forgetEvent(event) {
    const events = this.#eventsOfPerson.get(event.person);
    events.delete(event.number);
    if (events.size === 0) this.#eventsOfPerson.delete(event.person);
    this.#requestOfEvent.delete(event.number);
  }

  #addCall(call) {
    this.calls.set(call.number, call);
    const entry = this.#entry(callKey(call.id), `/call/${encodeURIComponent(call.id)}`, call.id);
    entry.call = call;
    this.#changed(entry);
  }

  #forgetCall(call) {
    const entry = this.entryOfCall(call.id);
    if (entry?.call?.number !== call.number) return;
    entry.call = null;
    entry.isCallRemoved = true;
    this.#changed(entry);
  }

  #addRequest(request) {
    const { number, call } = request;
    const isReplaced = this.requests.has(number);
    this.requests.set(number, request);
    for (const dropped of request.drops) this.#requestOfDrop.set(dropped, number);
    if (request.event !== null && !request.is_repeat) this.#requestOfEvent.set(request.event, number);
    const entry = call
      ? this.#entry(callKey(call), `/call/${encodeURIComponent(call)}`, call)
      : this.#entry(`request ${number}`, requestPath(request), null);
    if (isReplaced) entry.requests[entry.requests.findIndex((other) => other.number === number)] = request;
    else entry.requests.push(request);
    this.#entryOfRequest.set(number, entry);
    this.#changed(entry);
  }

  #forgetRequest(request) {
    const entry = this.#entryOfRequest.get(request.number);
    this.#entryOfRequest.delete(request.number);
    entry.requests = entry.requests.filter((other) => other.number !== request.number);
    this.#changed(entry);
  }

  #entry(key, path, callId) {
    if (!this.#entries.has(key)) this.#entries.set(key, new Entry(key, path, callId));
    return this.#entries.get(key);
  }

  #changed(entry) {
    entry.refresh();
    this.#ordered = null;
    if (entry.isEmpty) this.#entries.delete(entry.key);
  }
}

function callKey(id) {
  return `call ${id}`;
}

export const store = new Store();
