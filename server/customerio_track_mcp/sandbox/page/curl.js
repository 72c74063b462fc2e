// A request as a curl command, which a shell runs as it is.

import { API_KEY, SITE_ID, certificateFile } from "./snippets.js";

const MAX_ARGUMENT_CHARACTERS = 30000; // Linux limits an argument of a program to 128 KiB

/** Return the command that sends a request again, to this sandbox. The request's body must be kept. */
export function curlCommand({ method, path, body }) {
  const certificate = location.protocol === "https:" ? ` --cacert "${certificateFile(location.origin)}"` : "";
  const url = shellQuoted(location.origin + path);
  const start = `curl --globoff --path-as-is${certificate} -u ${SITE_ID}:${API_KEY} ${methodOption(method)}`;
  if (!body) return `${start} ${url}`;
  const type = "-H 'Content-Type: application/json'";
  if (body.length <= MAX_ARGUMENT_CHARACTERS) return `${start} ${type} --data-raw ${shellQuoted(body)} ${url}`;
  return `printf %s ${shellQuoted(body)} | ${start} ${type} --data-binary @- ${url}`;
}

function methodOption(method) {
  if (method === "HEAD") return "--head"; // with -X HEAD, curl would wait for a body
  return `-X ${/^[A-Z]+$/.test(method) ? method : shellQuoted(method)}`;
}

function shellQuoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
