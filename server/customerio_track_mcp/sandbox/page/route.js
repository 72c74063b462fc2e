// The page's address: which view is shown, which entry is open, and the filters.

const FILTERS = ["search", "tool", "person", "event", "status"];
const VIEWS = ["people", "events", "segments", "start"]; // any other path is the timeline

let parsedHash = null;
let parsed = null;

/** Return the current route: `view`, `id` (of a person, an event or a segment), `entry`, and `query`. */
export function route() {
  if (location.hash !== parsedHash) {
    parsedHash = location.hash;
    parsed = parse(location.hash);
  }
  return parsed;
}

/** Return a link to a path of this page, such as `/people/abc`, with the current filters unless others are given. */
export function href(path, query = route().query) {
  const parameters = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
  return `#${path}${parameters.size ? `?${parameters}` : ""}`;
}

/**
 * Return the path of a request. The time is a part of it, because numbers are used again after a reset, and by another
 * sandbox at this address: a link must not open another request.
 */
export function requestPath({ number, at }) {
  return `/request/${number}/${Math.round(at * 1000)}`;
}

/** Open a path of this page. With `replace`, the browser's Back does not lead to the present one. */
export function go(path, query = route().query, { replace = false } = {}) {
  const target = href(path, query);
  if (replace) {
    history.replaceState(null, "", target);
    dispatchEvent(new Event("hashchange"));
  } else {
    location.hash = target;
  }
}

/** Change some of the filters; the view and the open entry stay. */
export function setQuery(changes) {
  go(route().path, { ...route().query, ...changes }, { replace: true });
}

function parse(hash) {
  const [given, parameters = ""] = split(hash.slice(1));
  const path = given.startsWith("/") ? given : "/";
  const [first = "", id = null, time = null] = path.split("/").slice(1).map(decoded);
  const values = new URLSearchParams(parameters);
  const query = Object.fromEntries(FILTERS.map((name) => [name, values.get(name) ?? ""]));
  const isEntry = (first === "call" || first === "request") && Boolean(id);
  const isView = VIEWS.includes(first);
  return {
    path,
    view: isView ? first : "timeline",
    id: (isView && id) || null,
    entry: isEntry ? { kind: first, id, time } : null,
    query,
  };
}

function split(text) {
  const mark = text.indexOf("?");
  return mark === -1 ? [text] : [text.slice(0, mark), text.slice(mark + 1)];
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
