"use strict";

// Client data is inserted through textContent only, so that markup in it is shown as text.

const ROWS_PER_PAGE = 100;
const MAX_TIMELINE_EVENTS = 50;
const MAX_MEMBERS_SHOWN = 1000;
const RETRY_MILLISECONDS = 2000;

const people = new Map(); // cio_id -> person
const segments = new Map(); // id -> segment
const numbered = { event: new Map(), dropped: new Map(), request: new Map() }; // number -> record, oldest first
const shown = { dropped: ROWS_PER_PAGE, events: ROWS_PER_PAGE, people: ROWS_PER_PAGE, requests: ROWS_PER_PAGE };
const opened = new Set(); // keys of the open <details>, so that they stay open when they are drawn again
let kept = 10000;

const byId = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  Object.assign(node, properties);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function formatted(number) {
  return number.toLocaleString("en");
}

// --- state

function applyState(state) {
  kept = state.kept;
  people.clear();
  segments.clear();
  for (const person of state.people) people.set(person.cio_id, person);
  for (const segment of state.segments) segments.set(segment.id, segment);
  const lists = { event: state.events, dropped: state.dropped, request: state.request_log };
  for (const [kind, list] of Object.entries(lists)) {
    numbered[kind].clear();
    for (const record of list) numbered[kind].set(record.number, record);
  }
  const place = state.stored ? "in a file" : "in memory";
  byId("kept").textContent =
    `The newest ${formatted(kept)} events, drops and requests are kept ${place}, up to 32 MiB of each.`;
  byId("confirm-file").textContent = state.stored ? "from memory and from the file" : "from memory";
  applyFaults(state);
}

function applyChange(change) {
  if (change.kind === "person") {
    people.set(change.key, change.record);
  } else if (change.kind === "segment") {
    segments.set(change.record.id, change.record);
  } else {
    const records = numbered[change.kind];
    const number = Number(change.key);
    records.set(number, { ...change.record, number });
    for (const old of records.keys()) {
      if (old >= change.oldest) break;
      records.delete(old);
    }
  }
}

function applyFaults(state) {
  byId("faults-waiting").textContent = state.faults_waiting ? `${state.faults_waiting} waiting` : "";
}

// --- drawing, at most once per frame

let drawing = false;
let pressed = false; // a redraw between press and release would prevent the click
function draw() {
  if (drawing || pressed) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const personFilter = byId("filter-person").value.trim().toLowerCase();
    const eventFilter = byId("filter-event").value.trim().toLowerCase();
    drawDropped(personFilter, eventFilter);
    drawEvents(personFilter, eventFilter);
    drawPeople(personFilter);
    drawSegments(personFilter);
    drawRequests(personFilter, eventFilter);
  });
}

addEventListener("pointerdown", () => { pressed = true; });
for (const release of ["pointerup", "pointercancel"]) {
  addEventListener(release, () => { pressed = false; setTimeout(draw); });
}

function newestFirst(kind) {
  return [...numbered[kind].values()].reverse();
}

function drawList(id, records, total, row) {
  const section = byId(id);
  section.querySelector(".count").textContent =
    records.length === total ? `(${formatted(total)})` : `(${formatted(records.length)} of ${formatted(total)})`;
  const rows = records.slice(0, shown[id] ?? records.length).map(row);
  if (!rows.length) {
    const textContent = total ? "Nothing matches the filter." : "Nothing yet.";
    rows.push(element("li", { className: "empty", textContent }));
  }
  if (records.length > rows.length) {
    const textContent = `Show ${ROWS_PER_PAGE} more of ${records.length - rows.length}`;
    const more = element("button", { type: "button", className: "more", textContent });
    more.dataset.key = `more ${id}`;
    more.addEventListener("click", () => { shown[id] += ROWS_PER_PAGE; draw(); });
    rows.push(element("li", {}, more));
  }
  const container = section.querySelector(".rows");
  const focused = container.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  container.replaceChildren(...rows);
  if (focused) container.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function matchesPerson(person, filter) {
  if (!filter) return true;
  if (!person) return false;
  return [person.id, person.email, person.cio_id].some((value) => (value ?? "").toLowerCase().includes(filter));
}

function nameOf(cioId) {
  const person = people.get(cioId);
  return person ? person.id ?? person.email ?? `cio_${cioId}` : `cio_${cioId}`;
}

function time(seconds) {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return element("span", { className: "muted", textContent: String(seconds) });
  return element("time", { className: "muted", dateTime: date.toISOString(), textContent: date.toLocaleTimeString() });
}

function details(key, summary, ...content) {
  const heading = element("summary", {}, ...summary);
  heading.dataset.key = key; // restores the keyboard focus after a redraw
  const node = element("details", { open: opened.has(key) }, heading, ...content);
  node.addEventListener("toggle", () => {
    if (node.open === opened.has(key)) return; // caused by a redraw
    if (node.open) opened.add(key);
    else opened.delete(key);
    draw();
  });
  return node;
}

function json(value) {
  return element("code", { textContent: JSON.stringify(value) });
}

function drawDropped(personFilter, eventFilter) {
  const all = newestFirst("dropped");
  const matching = all.filter((dropped) =>
    (!personFilter || dropped.identifier.toLowerCase().includes(personFilter)) &&
    (!eventFilter || dropped.what.toLowerCase().includes(eventFilter)));
  byId("dropped").classList.toggle("has-items", all.length > 0);
  drawList("dropped", matching, all.length, (dropped) => element("li", {},
    time(dropped.at), " ", element("span", { className: "name", textContent: dropped.what }), " for ",
    element("span", { textContent: dropped.identifier }), " ",
    element("span", { className: "tag", textContent: dropped.operation }),
    element("div", { className: "reason", textContent: dropped.reason })));
}

function drawEvents(personFilter, eventFilter) {
  const all = newestFirst("event");
  const matching = all.filter((event) =>
    matchesPerson(people.get(event.person), personFilter) &&
    (!eventFilter || event.name.toLowerCase().includes(eventFilter)));
  drawList("events", matching, all.length, (event) => element("li", {},
    time(event.timestamp), " ", element("span", { className: "name", textContent: event.name }), " ",
    event.type === "event" ? null : element("span", { className: "tag", textContent: event.type }),
    " by ", element("span", { textContent: nameOf(event.person) }),
    Object.keys(event.data).length ? element("div", {}, json(event.data)) : null));
}

function drawPeople(personFilter) {
  const all = [...people.values()].reverse();
  const matching = all.filter((person) => matchesPerson(person, personFilter));
  drawList("people", matching, all.length, (person) => {
    const key = `person ${person.cio_id}`;
    const summary = [element("span", { className: "name", textContent: nameOf(person.cio_id) }), " ",
      element("span", { className: "muted", textContent: person.email ?? "" })];
    return element("li", {}, details(key, summary, ...(opened.has(key) ? personDetails(person) : [])));
  });
}

function personDetails(person) {
  const rows = Object.entries({ cio_id: person.cio_id, id: person.id, email: person.email, ...person.attributes });
  const timeline = newestFirst("event").filter((event) => event.person === person.cio_id).slice(0, MAX_TIMELINE_EVENTS);
  return [
    element("dl", {}, ...rows.flatMap(([name, value]) => [
      element("dt", { textContent: name }),
      element("dd", { textContent: typeof value === "string" ? value : JSON.stringify(value) })])),
    element("ol", { className: "rows" }, ...timeline.map((event) =>
      element("li", {}, time(event.timestamp), ` ${event.name}`))),
  ];
}

function drawSegments(personFilter) {
  const all = [...segments.values()];
  drawList("segments", all, all.length, (segment) => {
    const members = segment.members.filter((member) => matchesPerson(people.get(member), personFilter));
    const summary = [element("span", { className: "name", textContent: segment.name }), " ",
      element("span", { className: "tag", textContent: `${segment.id} · ${segment.kind}` }),
      ` ${formatted(members.length)} ${members.length === 1 ? "person" : "people"}`];
    const key = `segment ${segment.id}`;
    const membersShown = opened.has(key) ? members.slice(0, MAX_MEMBERS_SHOWN) : [];
    const names = membersShown.map((member) => element("li", { textContent: nameOf(member) }));
    return element("li", {}, details(key, summary, element("ol", { className: "rows" }, ...names)));
  });
}

function drawRequests(personFilter, eventFilter) {
  const all = newestFirst("request").sort((one, other) => other.at - one.at); // a delayed request is logged late
  const matching = all.filter((request) =>
    (!personFilter || decoded(request.path).toLowerCase().includes(personFilter)) &&
    (!eventFilter || (request.body ?? "").toLowerCase().includes(eventFilter)));
  drawList("requests", matching, all.length, (request) => {
    const label = request.number === copied ? "Copied" : "Copy as curl";
    const copy = element("button", { type: "button", textContent: label, disabled: request.body === null });
    copy.dataset.key = `request ${request.number}`;
    copy.addEventListener("click", () => copyCurl(request));
    const failed = request.status === null || request.status >= 300;
    const status = { className: failed ? "name failed" : "name success", textContent: request.status ?? "no response" };
    const attempt = { className: "warning", textContent: `attempt ${request.attempt} ` };
    return element("li", {},
      element("span", { className: "row-end" }, copy), time(request.at), " ",
      element("span", status), " ",
      request.attempt > 1 ? element("span", attempt) : null,
      request.fault ? element("span", { className: "tag", textContent: `fault: ${request.fault}` }) : null,
      element("div", {}, element("code", { textContent: `${request.method} ${request.path}` })));
  });
}

function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

// --- actions

function shellQuoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function curlCommand(request) {
  const credentials = '-u "$CUSTOMERIO_SITE_ID:$CUSTOMERIO_API_KEY"';
  const data = request.body ? ` -H 'Content-Type: application/json' --data-raw ${shellQuoted(request.body)}` : "";
  const url = shellQuoted(location.origin + request.path);
  return `curl --globoff --path-as-is -X ${request.method} ${credentials}${data} ${url}`;
}

let copied = null; // the number of the request that was copied just now
async function copyCurl(request) {
  try {
    await navigator.clipboard.writeText(curlCommand(request));
  } catch {
    window.prompt("Copy this command:", curlCommand(request));
    return;
  }
  copied = request.number;
  draw();
  setTimeout(() => {
    if (copied === request.number) copied = null;
    draw();
  }, 1500);
}

async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }).catch(() => null);
  if (!response?.ok) showStatus(`The sandbox rejected the request (${response?.status ?? "no response"}).`, true);
}

function showStatus(text, isError) {
  byId("connection").textContent = text;
  byId("connection").className = isError ? "lost" : "";
}

for (const id of ["filter-person", "filter-event"]) byId(id).addEventListener("input", draw);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("faults").addEventListener("click", (event) => {
  if (event.target.dataset.fault) post("/_sandbox/faults", JSON.parse(event.target.dataset.fault));
});
byId("reset").addEventListener("click", () => byId("confirm-reset").showModal());
byId("confirm-reset").addEventListener("close", (event) => {
  if (event.target.returnValue === "yes") post("/_sandbox/reset", {});
  event.target.returnValue = "";
});

// A hidden tab disconnects, because a browser opens at most six connections to one host.
let changes = null;
let nextTry = null;
function watch() {
  clearTimeout(nextTry);
  changes?.close();
  changes = null;
  if (document.hidden) return;
  changes = new EventSource("/_sandbox/changes");
  changes.addEventListener("state", (message) => { applyState(JSON.parse(message.data)); draw(); });
  changes.addEventListener("change", (message) => { applyChange(JSON.parse(message.data)); draw(); });
  changes.addEventListener("faults", (message) => applyFaults(JSON.parse(message.data)));
  changes.addEventListener("open", () => showStatus("Live.", false));
  changes.addEventListener("error", () => {
    // A browser reconnects by itself, except after a response with an error status.
    if (changes.readyState === EventSource.CLOSED) {
      showStatus("The sandbox has as many pages or connections as it may. Close some; this page tries again.", true);
      nextTry = setTimeout(watch, RETRY_MILLISECONDS);
    } else {
      showStatus("Connection to the sandbox lost. The page shows the last state it received.", true);
    }
  });
}
document.addEventListener("visibilitychange", watch);
watch();
