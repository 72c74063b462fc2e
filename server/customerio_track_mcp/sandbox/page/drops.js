// The drops that the timeline cannot show with their request.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { paged } from "./paging.js";
import { matchesText } from "./search.js";
import { timeOf } from "./times.js";

/** Return the drops that the search finds and whose request is in flight or no longer kept; nothing if none is. */
export function otherDrops(store, query) {
  const drops = [...store.dropped.values()]
    .filter(
      (dropped) => !store.requestOfDrop(dropped.number) && matchesText(dropped, `${query.search} ${query.person}`),
    )
    .reverse();
  if (!drops.length) return nothing;
  const { rows, more } = paged(store, "drops", drops);
  return html`
    <h2 class="other-drops">Drops whose requests are not complete or no longer kept</h2>
    <ol class="rows timeline">
      ${rows.map(
        (dropped) => html`
        <li class="entry bad drop">
          <span class="when">${timeOf(dropped.at)}</span>
          <strong>${dropped.what}</strong> of <strong>${dropped.identifier}</strong>
          <span class="note bad">${dropped.reason}</span>
        </li>`,
      )}
    </ol>
    ${more}`;
}
