// Buttons that copy a text.

import { html } from "./vendor/lit-html/lit-html.js";

const COPIED_MILLISECONDS = 1500;

let copied = null; // the key of the button that has just copied

/** Return a button that copies a text; `text` may be a function that returns it. `key` names the button. */
export function copyButton(store, key, label, text) {
  const copy = async () => {
    const value = typeof text === "function" ? text() : text;
    try {
      await navigator.clipboard.writeText(value);
    } catch {
      window.prompt("Copy this text:", value);
      return;
    }
    copied = key;
    store.redraw();
    setTimeout(() => {
      if (copied === key) copied = null;
      store.redraw();
    }, COPIED_MILLISECONDS);
  };
  return html`<button type="button" class="small copy" @click=${copy}>${copied === key ? "Copied" : label}</button>`;
}
