"use strict";

// Everything that came from outside is put into the page by textContent alone, so a customer named <script> is a name.

const SHOWN_AT_ONCE = 100;
const TIMELINE = 50;

const people = new Map(); // cio_id -> person
const segments = new Map(); // id -> segment
const numbered = { event: new Map(), dropped: new Map(), request: new Map() }; // number -> record, oldest first
const shown = { dropped: SHOWN_AT_ONCE, events: SHOWN_AT_ONCE, people: SHOWN_AT_ONCE, requests: SHOWN_AT_ONCE };
const opened = new Set(); // which details are open, so that they stay open when they are drawn again
let kept = 10000;

const byId = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  Object.assign(node, properties);
  node.append(...children.filter((child) => child !== null));
  return node;
}

// --- what is known

function takeState(state) {
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
  byId("kept").textContent =
    `The newest ${kept.toLocaleString("en")} events, drops and requests are kept, up to 32 MiB of each, ` +
    (state.stored ? "in a file; the oldest go first." : "in memory; the oldest go first.");
  byId("confirm-file").textContent = state.stored ? "from the file too" : "from memory";
  takeFaults(state);
}

function takeChange(change) {
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

function takeFaults(state) {
  byId("faults-waiting").textContent = state.faults_waiting ? `${state.faults_waiting} waiting` : "";
}

// --- drawing: at most once a frame, however much arrives

let drawing = false;
let pressed = false; // a redraw between press and release would take the click from under the pointer
function draw() {
  if (drawing || pressed) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const person = byId("filter-person").value.trim().toLowerCase();
    const name = byId("filter-event").value.trim().toLowerCase();
    drawDropped(person, name);
    drawEvents(person, name);
    drawPeople(person);
    drawSegments(person);
    drawRequests(person, name);
  });
}

addEventListener("pointerdown", () => { pressed = true; });
for (const release of ["pointerup", "pointercancel"]) {
  addEventListener(release, () => { pressed = false; setTimeout(draw); });
}

function newestFirst(kind) {
  return [...numbered[kind].values()].reverse();
}

function list(id, records, total, row) {
  const section = byId(id);
  section.querySelector(".count").textContent =
    records.length === total ? `(${total.toLocaleString("en")})` : `(${records.length.toLocaleString("en")} of ${total.toLocaleString("en")})`;
  const rows = records.slice(0, shown[id] ?? records.length).map(row);
  if (!rows.length) rows.push(element("li", { className: "empty", textContent: total ? "Nothing fits the filter." : "Nothing yet." }));
  if (records.length > rows.length) {
    const more = element("button", { type: "button", className: "more", textContent: `Show ${SHOWN_AT_ONCE} more of ${records.length - rows.length}` });
    more.dataset.key = `more ${id}`;
    more.addEventListener("click", () => { shown[id] += SHOWN_AT_ONCE; draw(); });
    rows.push(element("li", {}, more));
  }
  const container = section.querySelector(".rows");
  const focused = container.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  container.replaceChildren(...rows);
  if (focused) container.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function isPerson(person, filter) {
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
  if (Number.isNaN(date.getTime())) return element("span", { className: "quiet", textContent: String(seconds) });
  return element("time", { className: "quiet", dateTime: date.toISOString(), textContent: date.toLocaleTimeString() });
}

function details(key, summary, ...content) {
  const heading = element("summary", {}, ...summary);
  heading.dataset.key = key; // by which the keyboard's focus is found again after a redraw
  const node = element("details", { open: opened.has(key) }, heading, ...content);
  node.addEventListener("toggle", () => {
    if (node.open === opened.has(key)) return; // it was only drawn again
    if (node.open) opened.add(key);
    else opened.delete(key);
    draw();
  });
  return node;
}

function json(value) {
  return element("code", { textContent: JSON.stringify(value) });
}

function drawDropped(person, name) {
  const all = newestFirst("dropped");
  const fitting = all.filter((dropped) =>
    (!person || dropped.identifier.toLowerCase().includes(person)) && (!name || dropped.what.toLowerCase().includes(name)));
  byId("dropped").classList.toggle("some", all.length > 0);
  list("dropped", fitting, all.length, (dropped) => element("li", {},
    time(dropped.at), " ", element("span", { className: "name", textContent: dropped.what }), " of ",
    element("span", { textContent: dropped.identifier }), " ",
    element("span", { className: "tag", textContent: dropped.operation }),
    element("div", { className: "reason", textContent: dropped.reason })));
}

function drawEvents(person, name) {
  const all = newestFirst("event");
  const fitting = all.filter((event) =>
    isPerson(people.get(event.person), person) && (!name || event.name.toLowerCase().includes(name)));
  list("events", fitting, all.length, (event) => element("li", {},
    time(event.timestamp), " ", element("span", { className: "name", textContent: event.name }), " ",
    event.type === "event" ? null : element("span", { className: "tag", textContent: event.type }),
    " by ", element("span", { textContent: nameOf(event.person) }),
    Object.keys(event.data).length ? element("div", {}, json(event.data)) : null));
}

function drawPeople(person) {
  const all = [...people.values()].reverse();
  const fitting = all.filter((somebody) => isPerson(somebody, person));
  list("people", fitting, all.length, (somebody) => {
    const key = `person ${somebody.cio_id}`;
    const summary = [element("span", { className: "name", textContent: nameOf(somebody.cio_id) }), " ",
      element("span", { className: "quiet", textContent: somebody.email ?? "" })];
    return element("li", {}, details(key, summary, ...(opened.has(key) ? portrait(somebody) : [])));
  });
}

function portrait(somebody) {
  const rows = Object.entries({ cio_id: somebody.cio_id, id: somebody.id, email: somebody.email, ...somebody.attributes });
  const timeline = newestFirst("event").filter((event) => event.person === somebody.cio_id).slice(0, TIMELINE);
  return [
    element("dl", {}, ...rows.flatMap(([name, value]) => [
      element("dt", { textContent: name }),
      element("dd", { textContent: typeof value === "string" ? value : JSON.stringify(value) })])),
    element("ol", { className: "rows" }, ...timeline.map((event) => element("li", {}, time(event.timestamp), ` ${event.name}`))),
  ];
}

function drawSegments(person) {
  const all = [...segments.values()];
  list("segments", all, all.length, (segment) => {
    const members = segment.members.filter((member) => isPerson(people.get(member), person));
    const summary = [element("span", { className: "name", textContent: segment.name }), " ",
      element("span", { className: "tag", textContent: `${segment.id} · ${segment.kind}` }),
      ` ${members.length.toLocaleString("en")} ${members.length === 1 ? "person" : "people"}`];
    const key = `segment ${segment.id}`;
    const names = opened.has(key) ? members.slice(0, 1000).map((member) => element("li", { textContent: nameOf(member) })) : [];
    return element("li", {}, details(key, summary, element("ol", { className: "rows" }, ...names)));
  });
}

function drawRequests(person, name) {
  const all = newestFirst("request").sort((one, other) => other.at - one.at); // one that was held up is logged late
  const fitting = all.filter((request) =>
    (!person || decoded(request.path).toLowerCase().includes(person)) && (!name || (request.body ?? "").toLowerCase().includes(name)));
  list("requests", fitting, all.length, (request) => {
    const label = request.number === copied ? "Copied" : "Copy as curl";
    const copy = element("button", { type: "button", textContent: label, disabled: request.body === null });
    copy.dataset.key = `request ${request.number}`;
    copy.addEventListener("click", () => copyCurl(request));
    const failed = request.status === null || request.status >= 300;
    return element("li", {},
      element("span", { className: "row-end" }, copy), time(request.at), " ",
      element("span", { className: failed ? "name failed" : "name fine", textContent: request.status ?? "no answer" }), " ",
      request.attempt > 1 ? element("span", { className: "warn", textContent: `attempt ${request.attempt} ` }) : null,
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

// --- doing

function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function curl(request) {
  const data = request.body ? ` -H 'Content-Type: application/json' --data-raw ${quoted(request.body)}` : "";
  return `curl --globoff --path-as-is -X ${request.method} -u "$CUSTOMERIO_SITE_ID:$CUSTOMERIO_API_KEY"${data} ${quoted(location.origin + request.path)}`;
}

let copied = null; // the number of the request whose line was copied just now
async function copyCurl(request) {
  try {
    await navigator.clipboard.writeText(curl(request));
  } catch {
    window.prompt("Copy this line:", curl(request));
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
  const reply = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }).catch(() => null);
  if (!reply?.ok) say(`The sandbox refused that (${reply?.status ?? "no answer"}).`, true);
}

function say(text, isTrouble) {
  byId("connection").textContent = text;
  byId("connection").className = isTrouble ? "lost" : "";
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

// A hidden tab watches nothing: a browser has but six connections to one host.
let changes = null;
function watch() {
  changes?.close();
  changes = null;
  if (document.hidden) return;
  changes = new EventSource("/_sandbox/changes");
  changes.addEventListener("state", (message) => { takeState(JSON.parse(message.data)); draw(); });
  changes.addEventListener("change", (message) => { takeChange(JSON.parse(message.data)); draw(); });
  changes.addEventListener("faults", (message) => takeFaults(JSON.parse(message.data)));
  changes.addEventListener("open", () => say("Live.", false));
  changes.addEventListener("error", () => say("The sandbox does not answer. What you see is what it last said.", true));
}
document.addEventListener("visibilitychange", watch);
watch();
