// A request as a curl command. It names the variables of the credentials, never their values.

/** Return the command that sends the request again, to this sandbox. Its body must be kept. */
export function curlCommand(request) {
  const credentials = '-u "$CUSTOMERIO_SITE_ID:$CUSTOMERIO_API_KEY"';
  const data = request.body ? ` -H 'Content-Type: application/json' --data-raw ${shellQuoted(request.body)}` : "";
  const url = shellQuoted(location.origin + request.path);
  const method = /^[A-Z]+$/.test(request.method) ? request.method : shellQuoted(request.method);
  return `curl --globoff --path-as-is -X ${method} ${credentials}${data} ${url}`;
}

function shellQuoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
