// What to paste into a host or a program so that it uses this sandbox. No markup, and nothing of the browser.
//
// tests/project/test_sandbox_snippets.py compares the hosts' configurations with those that `install` writes, and runs
// the others.

export const SITE_ID = "sandbox";
export const API_KEY = "sandbox";

const NAME = "customerio-track";
const PROGRAM = "customerio-track-mcp";

/**
 * Return the snippets for a sandbox at an origin, such as `http://127.0.0.1:8765`.
 *
 * Each has an `id`, a `title`, its `text` and `place` (where the text belongs). Some have `next` (what to do or to know
 * afterwards) and `install` (a command that does the same).
 */
export function snippets(origin) {
  const isTls = origin.startsWith("https:");
  const clients = isTls ? TLS_CLIENTS : CLIENTS;
  return [...hosts(origin, isTls), ...clients.map(({ text, ...others }) => ({ ...others, text: text(origin) }))];
}

/** Return where `sandbox --tls` at an origin writes its CA certificate by default, for a shell. */
export function certificateFile(origin) {
  return `$HOME/.customerio-track-mcp/sandbox-ca-${new URL(origin).port || 443}.pem`;
}

function hosts(origin, isTls) {
  const file = certificateFile(origin);
  const fields = {
    command: PROGRAM,
    args: ["--sandbox", origin],
    ...(isTls ? { env: { SSL_CERT_FILE: file.replace("$HOME", "/path/to") } } : {}),
  };
  const configuration = (key, entry) => JSON.stringify({ [key]: { [NAME]: entry } }, null, 2);
  const install = (id) =>
    `${PROGRAM} install ${id} --sandbox ${origin}${isTls ? ` --env SSL_CERT_FILE="${file}"` : ""}`;
  const variables = isTls ? ` -e SSL_CERT_FILE="${file}"` : "";
  return [
    {
      id: "claude-desktop",
      title: "Claude Desktop",
      text: configuration("mcpServers", fields),
      place: "claude_desktop_config.json, which Settings > Developer > Edit Config opens",
      next: "Quit Claude Desktop completely (from its menu or tray icon) and start it again",
      install: install("claude-desktop"),
    },
    {
      id: "claude-code",
      title: "Claude Code",
      text: `claude mcp add --scope user ${NAME}${variables} -- ${PROGRAM} --sandbox ${origin}`,
      place: "a terminal",
      next: "Start a new session of Claude Code (/mcp lists its servers)",
      install: install("claude-code"),
    },
    {
      id: "cursor",
      title: "Cursor",
      text: configuration("mcpServers", fields),
      place: "~/.cursor/mcp.json, or .cursor/mcp.json in a project",
      next: "Switch the server on in Cursor's settings, under MCP",
      install: install("cursor"),
    },
    {
      id: "vscode",
      title: "VS Code",
      text: configuration("servers", { type: "stdio", ...fields }),
      place: "mcp.json, which 'MCP: Open User Configuration' opens, or .vscode/mcp.json in a project",
      next: "Run 'MCP: List Servers' in VS Code and start the server",
      install: install("vscode"),
    },
  ];
}

const CLIENTS = [
  { id: "curl", title: "curl", place: "a terminal", text: (origin) => curl(origin, "") },
  {
    id: "python",
    title: "Python",
    place: "a program with the package httpx",
    next: "Customer.io's package customerio speaks https only: for it, run 'customerio-track-mcp sandbox --tls'",
    text: (origin) => `import httpx

with httpx.Client(base_url="${origin}/api/v1", auth=("${SITE_ID}", "${API_KEY}")) as track:
    person = {"email": "ann@example.com", "plan": "pro"}
    track.put("/customers/cust_123", json=person).raise_for_status()
    event = {"name": "purchase", "data": {"price": 23.45}}
    track.post("/customers/cust_123/events", json=event).raise_for_status()`,
  },
  {
    id: "node",
    title: "Node",
    place: "a module (.mjs), for Node 18 or newer",
    next: "Customer.io's package customerio-node works from version 5 on; version 4 speaks https only",
    text: (origin) => `const headers = {
  Authorization: "Basic " + btoa("${SITE_ID}:${API_KEY}"),
  "Content-Type": "application/json",
};

async function send(method, path, body) {
  const url = "${origin}/api/v1" + path;
  const response = await fetch(url, { method, headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(await response.text());
}

await send("PUT", "/customers/cust_123", { email: "ann@example.com", plan: "pro" });
await send("POST", "/customers/cust_123/events", { name: "purchase", data: { price: 23.45 } });`,
  },
];

const TLS_CLIENTS = [
  {
    id: "curl",
    title: "curl",
    place: "a terminal",
    text: (origin) => curl(origin, ` --cacert "${certificateFile(origin)}"`),
  },
  {
    id: "python",
    title: "Python",
    place: "a program with Customer.io's package customerio",
    text: (origin) => {
      const { hostname, port } = new URL(origin);
      return `# Start it with REQUESTS_CA_BUNDLE="${certificateFile(origin)}"
from customerio import CustomerIO

with CustomerIO("${SITE_ID}", "${API_KEY}", host="${hostname}", port=${port || 443}) as track:
    track.identify(id="cust_123", email="ann@example.com", plan="pro")
    track.track("cust_123", "purchase", {"price": 23.45})`;
    },
  },
  {
    id: "node",
    title: "Node",
    place: "a module (.mjs) with Customer.io's package customerio-node",
    text: (origin) => `// Start it with NODE_EXTRA_CA_CERTS="${certificateFile(origin)}"
import { TrackClient } from "customerio-node";

const track = new TrackClient("${SITE_ID}", "${API_KEY}", { url: "${origin}/api/v1" });
await track.identify("cust_123", { email: "ann@example.com", plan: "pro" });
await track.track("cust_123", { name: "purchase", data: { price: 23.45 } });`,
  },
];

function curl(origin, options) {
  const request = (method, path, body) => [
    `curl${options} -u ${SITE_ID}:${API_KEY} -X ${method} '${origin}/api/v1${path}' \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d '${body}'`,
  ];
  return [
    ...request("PUT", "/customers/cust_123", '{"email": "ann@example.com", "plan": "pro"}'),
    ...request("POST", "/customers/cust_123/events", '{"name": "purchase", "data": {"price": 23.45}}'),
  ].join("\n");
}
