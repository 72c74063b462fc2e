// The dialog that confirms the deletion of everything.

import { html } from "./vendor/lit-html/lit-html.js";
import { post } from "./api.js";

/** Open the dialog. */
export function openReset() {
  document.getElementById("confirm-reset").showModal();
}

/** Return the dialog, which is closed at first. */
export function resetDialog(store) {
  const close = (event) => {
    if (event.target.returnValue === "yes") post("/_sandbox/reset", {});
    event.target.returnValue = "";
  };
  return html`
    <dialog id="confirm-reset" aria-labelledby="confirm-title" @close=${close}>
      <h2 id="confirm-title">Delete everything?</h2>
      <p>This deletes all tool calls, requests, people, events, drops and segment members of this sandbox,
        ${store.stored ? "from memory and from the file" : "from memory"}.</p>
      <form method="dialog">
        <button value="no">Cancel</button>
        <button value="yes" class="danger">Delete everything</button>
      </form>
    </dialog>`;
}
