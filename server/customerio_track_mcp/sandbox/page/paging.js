// Long lists are drawn in parts, so that a page with 10,000 records stays fast.

import { html, nothing } from "./vendor/lit-html/lit-html.js";

const ROWS_PER_PAGE = 100;
const shown = new Map(); // key of a list -> number of rows

/** Return the rows of a list to draw, and the button that draws more of them; `key` names the list. */
export function paged(store, key, list) {
  const count = shown.get(key) ?? ROWS_PER_PAGE;
  const rest = list.length - count;
  const showMore = () => {
    shown.set(key, count + ROWS_PER_PAGE);
    store.redraw();
  };
  const label = `Show ${ROWS_PER_PAGE} more of ${rest.toLocaleString("en")}`;
  const more = rest > 0 ? html`<button type="button" class="more" @click=${showMore}>${label}</button>` : nothing;
  return { rows: list.slice(0, count), more };
}
