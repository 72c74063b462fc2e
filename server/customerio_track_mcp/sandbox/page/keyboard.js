// The keyboard in the timeline: arrows move between entries, Enter opens one, Escape closes it.

import { go, route } from "./route.js";

let opened = null; // the path of the entry that is open
let isLinkShown = true; // whether its link was scrolled into view
let isPanelWanted = false; // whether the panel gets the focus when an entry opens

/** Listen to the keyboard; `close` closes the open entry, and `isCovering` returns whether it covers the timeline. */
export function addKeyboard(close, isCovering) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.key === "Escape" && route().entry && !hasOwnEscape(event.target)) {
      event.preventDefault();
      close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      moveFocus(event);
    }
  });
  // A click by the keyboard has no detail. After one by the mouse, the arrows continue from what was clicked.
  document.addEventListener("click", (event) => {
    isPanelWanted = event.detail === 0;
  });
  return { restoreFocus: () => restoreFocus(isCovering()) };
}

function restoreFocus(isCovering) {
  const { entry, path } = route();
  const wasOpened = opened;
  opened = entry ? path : null;
  if (opened !== wasOpened) isLinkShown = false;
  if (entry && !isLinkShown && linkTo(path)) {
    isLinkShown = true;
    linkTo(path).closest(".entry").scrollIntoView({ block: "nearest" });
  }
  if (opened === wasOpened) return;
  if (!entry) {
    (linkTo(wasOpened) ?? document.getElementById("main")).focus({ preventScroll: true });
    return;
  }
  if (wasOpened) document.getElementById("entry").scrollTop = 0;
  if (isPanelWanted || isCovering) document.querySelector("#entry h2").focus({ preventScroll: true });
}

function hasOwnEscape(target) {
  return document.querySelector("dialog[open], .faults details[open]") || (target.matches("input") && target.value);
}

function linkTo(path) {
  return [...document.querySelectorAll(".timeline a")].find((link) => pathOf(link) === path);
}

function pathOf(link) {
  return link.getAttribute("href").slice(1).split("?")[0];
}

function moveFocus(event) {
  const links = [...document.querySelectorAll(".timeline a")];
  const index = links.indexOf(document.activeElement);
  const next = index === -1 ? undefined : links[index + (event.key === "ArrowDown" ? 1 : -1)];
  if (!next) return;
  event.preventDefault();
  next.focus();
  if (!route().entry) return;
  isPanelWanted = false;
  go(pathOf(next), undefined, { replace: true });
}
