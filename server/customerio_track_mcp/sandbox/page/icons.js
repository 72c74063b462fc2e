// The shapes beside words: a state is never shown by its color alone.

import { svg, html } from "./vendor/lit-html/lit-html.js";

const shapes = {
  check: svg`<path d="M3 8.5l3.2 3.2L13 4.8"/>`,
  retry: svg`<path d="M13 8a5 5 0 1 1-1.5-3.6M13 2.2v3h-3"/>`,
  stop: svg`<path d="M5.2 2h5.6L14 5.2v5.6L10.8 14H5.2L2 10.8V5.2zM5 8h6"/>`,
  drop: svg`<path d="M8 2v8M4.2 6.6L8 10.4l3.8-3.8M3 13.5h10"/>`,
  cross: svg`<path d="M4 4l8 8M12 4l-8 8"/>`,
  clock: svg`<circle cx="8" cy="8" r="6"/><path d="M8 4.6V8l2.4 1.8"/>`,
  slash: svg`<circle cx="8" cy="8" r="6"/><path d="M3.8 12.2l8.4-8.4"/>`,
  question: svg`<path d="M5.4 5.6a2.6 2.6 0 1 1 3.7 2.5c-.8.4-1.1.8-1.1 1.7M8 12.6v.2"/>`,
  eye: svg`<path d="M1.5 8S4 3.8 8 3.8 14.5 8 14.5 8 12 12.2 8 12.2 1.5 8 1.5 8z"/><circle cx="8" cy="8" r="1.8"/>`,
  link: svg`<path d="M3 3.5v3.2a2 2 0 0 0 2 2h8M10 5.5l3.2 3.2L10 12"/>`,
};

/** Return the shape of this name. Words beside it say the same. */
export function icon(name) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">${shapes[name]}</svg>`;
}
