// What a view's page needs beyond its widgets: names of sliders, keys, copying, and its own size.
// Comes with a view, in an output of it, or from the server as an extension of JupyterLab, which a
// content security policy allows. Without it all controls work; pictures have one size.
(() => {
  "use strict";
  if (window.dirtylabPage) return;
  const VIEW = ".dirtylab-view";
  const FINDING = 56; // pixels of two lines above a picture
  let count = Date.now() * 1000;

  // --- to the kernel: a hidden text widget, whose value is the last few events -------------------

  const send = (view, kind, data) => {
    const field = view.querySelector(".dirtylab-bridge input");
    if (!field) return;
    const sent = (view.dirtylabSent = (view.dirtylabSent || []).slice(-30));
    sent.push([++count, kind, data]);
    field.value = JSON.stringify(sent);
    field.dispatchEvent(new Event("change", { bubbles: true }));
  };

  // --- size and sharpness ------------------------------------------------------------------------

  const scrollerOf = view => {
    for (let one = view.parentElement; one; one = one.parentElement) {
      const { overflowY } = getComputedStyle(one);
      if (/auto|scroll/.test(overflowY) && one.clientHeight > 300) return one;
    }
    return document.documentElement;
  };

  const measure = view => {
    const shown = view.querySelector(".dirtylab-shown");
    const left = view.querySelector(".dirtylab-left");
    if (!shown || !left || !shown.clientWidth) return;
    const high = Math.min(scrollerOf(view).clientHeight, window.innerHeight);
    const top = view.getBoundingClientRect().top;
    const above = Math.min(shown.getBoundingClientRect().top - top, 0.5 * high);
    const width = Math.floor(shown.clientWidth / 4) * 4;
    const height = Math.floor((high - above - FINDING) / 20) * 20;
    const scale = Math.min(Math.max(window.devicePixelRatio || 1, 1), 3);
    const now = [width, height, Math.round(scale * 100) / 100];
    if (String(now) === String(view.dirtylabSize)) return;
    view.dirtylabSize = now;
    send(view, "page", now);
  };

  const soon = (view, wait) => {
    clearTimeout(view.dirtylabTimer);
    view.dirtylabTimer = setTimeout(() => measure(view), wait);
  };

  // --- names and values of sliders ---------------------------------------------------------------

  const words = view => {
    const source = view.querySelector("[data-dirtylab-words]");
    if (!source) return {};
    const text = source.getAttribute("data-dirtylab-words");
    if (view.dirtylabText !== text) {
      view.dirtylabText = text;
      view.dirtylabWords = JSON.parse(text);
    }
    return view.dirtylabWords;
  };

  const set = (element, name, value) => {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  };

  const nameSlider = (view, slider) => {
    const handle = slider.querySelector(".noUi-handle");
    const label = slider.querySelector(".widget-label");
    if (!handle || !label) return;
    const name = label.textContent.trim();
    set(handle, "aria-label", name);
    const text = (words(view)[name] || [])[Math.round(Number(handle.getAttribute("aria-valuenow")))];
    if (text !== undefined) set(handle, "aria-valuetext", text);
    const entry = slider.closest(".dirtylab-slider")?.querySelector("input[type=text]");
    if (entry) set(entry, "aria-label", `${name}, typed`);
  };

  const nameAll = view => {
    for (const slider of view.querySelectorAll(".widget-hslider")) {
      nameSlider(view, slider);
      const handle = slider.querySelector(".noUi-handle");
      if (!handle || handle.dirtylabWatched) continue;
      handle.dirtylabWatched = true;
      new MutationObserver(() => nameSlider(view, slider)).observe(handle, {
        attributes: true, attributeFilter: ["aria-valuenow", "aria-valuetext"],
      });
    }
    for (const head of view.querySelectorAll(".jupyter-widget-Collapse-header")) {
      set(head, "role", "button");
      set(head, "tabindex", "0");
      const open = head.parentElement.classList.contains("jupyter-widget-Collapse-open");
      set(head, "aria-expanded", String(open));
    }
    for (const toggle of view.querySelectorAll(".dirtylab-more")) {
      set(toggle, "aria-expanded", String(toggle.classList.contains("mod-active")));
    }
  };

  // --- the pad: one stop of the Tab key, arrows within it ----------------------------------------

  const buttonsOf = pad => [...pad.querySelectorAll("button:not([disabled])")];

  const prepare = pad => {
    set(pad, "role", "group");
    set(pad, "aria-label", pad.getAttribute("data-label") || "dirty frames; arrow keys move");
    const every = [...pad.querySelectorAll("button")];
    const now = every.find(one => one.dirtylabStop && !one.disabled) || buttonsOf(pad)[0];
    for (const one of every) {
      one.dirtylabStop = one === now;
      set(one, "tabindex", one === now ? "0" : "-1");
      set(one, "aria-label", `frame ${one.textContent.trim()}`);
      set(one, "aria-pressed", String(one.classList.contains("mod-active")));
    }
  };

  const moveIn = (pad, button, event) => {
    const some = buttonsOf(pad);
    const at = some.indexOf(button);
    const row = some.filter(one => one.offsetTop === some[0].offsetTop).length;
    const steps = {
      ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - row, ArrowDown: at + row,
      Home: 0, End: some.length - 1,
    };
    const next = some[steps[event.key]];
    if (!(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation();
    if (!next) return;
    for (const one of some) one.dirtylabStop = one === next;
    prepare(pad);
    next.focus();
  };

  // --- the picture: clicks and keys --------------------------------------------------------------

  const PICTURE_KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "Enter", " "];

  const preparePicture = view => {
    const shown = view.querySelector(".dirtylab-shown");
    const told = shown?.querySelector("[data-dirtylab-pick]");
    if (!told) return;
    set(shown, "tabindex", "0");
    set(shown, "role", "group");
    set(shown, "aria-label", told.getAttribute("data-dirtylab-pick"));
  };

  // --- drags: of the picture's axes, of numbers in the finding; links that press a button ----------

  const PIXELS_A_STEP = 14;
  let held = null;

  const gesture = (view, ...told) => send(view, "gesture", told.map(String));

  const within = (view, event) => {
    const image = view.querySelector(".dirtylab-shown figure img");
    const axes = view.querySelector("[data-dirtylab-axes]");
    if (!image || !axes) return null;
    const [left, bottom, width, height] = axes.dataset.dirtylabAxes.split(" ").map(Number);
    const box = image.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width - left) / width,
            ((box.bottom - event.clientY) / box.height - bottom) / height];
  };

  const drag = (view, event) => {
    const at = within(view, event);
    if (at) gesture(view, "drag", at[0].toFixed(4), at[1].toFixed(4));
  };

  const take = event => {
    const view = event.target.closest?.(VIEW);
    if (!view || event.button) return;
    const number = event.target.closest(".dirtylab-scrub");
    if (number) {
      held = { view, name: number.dataset.name, x: event.clientX };
      number.focus({ preventScroll: true });
    } else if (event.target.closest(".dirtylab-shown figure img")) {
      const at = within(view, event);
      if (!at || at.some(part => part < -0.03 || part > 1.03)) return;
      held = { view };
      view.querySelector(".dirtylab-shown").focus({ preventScroll: true });
      drag(view, event);
    } else return;
    event.preventDefault();
  };

  const pull = event => {
    if (!held) return;
    event.preventDefault();
    if (!held.name) { drag(held.view, event); return; }
    const steps = Math.trunc((event.clientX - held.x) / PIXELS_A_STEP);
    if (!steps) return;
    held.x += steps * PIXELS_A_STEP;
    gesture(held.view, "step", held.name, steps);
  };

  const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: 1, ArrowDown: -1 };

  const keyOnNumber = event => {
    const number = event.target.closest?.(".dirtylab-scrub, .dirtylab-link");
    const view = number?.closest(VIEW);
    if (!view || event.ctrlKey || event.altKey || event.metaKey) return;
    if (number.matches(".dirtylab-link")) {
      if (event.key !== "Enter" && event.key !== " ") return;
      gesture(view, "press", number.dataset.name);
    } else {
      if (!STEPS[event.key]) return;
      gesture(view, "step", number.dataset.name, STEPS[event.key]);
    }
    event.preventDefault();
    event.stopImmediatePropagation();
  };

  // A number is made anew with each finding: the focus goes to the one of the same name.
  const keepFocus = view => {
    const focused = document.activeElement;
    if (view.dirtylabNumber && (!focused || focused === document.body))
      view.querySelector(`.dirtylab-scrub[data-name="${view.dirtylabNumber}"]`)
        ?.focus({ preventScroll: true });
  };

  const noteFocus = event => {
    for (const view of document.querySelectorAll(VIEW)) {
      const number = event.target.closest?.(".dirtylab-scrub");
      view.dirtylabNumber = number && view.contains(number) ? number.dataset.name : "";
    }
  };

  const listenForDrags = () => {
    const first = { capture: true };
    window.addEventListener("focusin", noteFocus, first);
    window.addEventListener("pointerdown", noteFocus, first);
    window.addEventListener("pointerdown", take, first);
    window.addEventListener("pointermove", pull, first);
    for (const end of ["pointerup", "pointercancel"])
      window.addEventListener(end, () => { held = null; }, first);
    window.addEventListener("keydown", keyOnNumber, first);
    window.addEventListener("click", event => {
      const link = event.target.closest?.(".dirtylab-link");
      if (link?.closest(VIEW)) gesture(link.closest(VIEW), "press", link.dataset.name);
    }, first);
  };

  const tellReady = (view, tries) => {
    if (view.querySelector(".dirtylab-bridge input")) gesture(view, "ready");
    else if (tries) setTimeout(() => tellReady(view, tries - 1), 200);
  };

  // --- copying -----------------------------------------------------------------------------------

  const select = element => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };

  const copy = async button => {
    const row = button.closest(".dirtylab-line");
    const line = row.querySelector("code");
    const say = text => {
      button.textContent = text;
      setTimeout(() => { button.textContent = "Copy parameters"; }, 2500);
    };
    try {
      await navigator.clipboard.writeText(line.textContent);
      say("Copied");
      return;
    } catch (error) { /* no clipboard on plain http */ }
    select(line);
    let done = false;
    try { done = document.execCommand("copy"); } catch (error) { /* not allowed */ }
    say(done ? "Copied" : "Selected: press Ctrl+C");
  };

  // --- all views, now and later ------------------------------------------------------------------

  const begin = view => {
    if (view.dirtylabBegun) return;
    if (![".dirtylab-shown", ".dirtylab-left"].every(one => view.querySelector(one))) return;
    view.dirtylabBegun = true;
    view.classList.add("dirtylab-live");
    const seen = new ResizeObserver(() => soon(view, 120));
    for (const name of [".dirtylab-shown", ".dirtylab-left"]) {
      const part = view.querySelector(name);
      if (part) seen.observe(part);
    }
    const follow = () => {
      view.dirtylabFrame = 0;
      nameAll(view);
      view.querySelectorAll(".dirtylab-pad").forEach(prepare);
      preparePicture(view);
    };
    new MutationObserver(() => {
      view.dirtylabFrame = view.dirtylabFrame || setTimeout(follow, 60);
    }).observe(view, { childList: true, subtree: true, attributes: true,
                       attributeFilter: ["class", "data-dirtylab-words", "disabled"] });
    new MutationObserver(() => keepFocus(view)).observe(view.querySelector(".dirtylab-shown"), {
      childList: true, subtree: true,
    });
    view.dataset.lmSuppressShortcuts = "true"; // JupyterLab takes arrow keys for its cells
    follow();
    soon(view, 0);
    tellReady(view, 50);
  };

  const beginAll = () => document.querySelectorAll(VIEW).forEach(begin);

  const start = () => {
    if (window.dirtylabPage) return;
    window.dirtylabPage = true;
    let waiting = 0;
    new MutationObserver(() => {
      waiting = waiting || setTimeout(() => { waiting = 0; beginAll(); }, 40);
    }).observe(document.body, { childList: true, subtree: true });
    beginAll();
    listenForDrags();
    window.addEventListener("resize", () => {
      document.querySelectorAll(VIEW).forEach(view => soon(view, 200));
    });
    document.addEventListener("click", event => {
      const target = event.target;
      const button = target.closest?.(".dirtylab-copy");
      if (button) copy(button);
      const image = target.closest?.("[data-dirtylab-pick] img");
      if (image && !within(image.closest(VIEW), event)) {
        const box = image.getBoundingClientRect();
        send(image.closest(VIEW), "pick", [(event.clientX - box.left) / box.width,
                                           1 - (event.clientY - box.top) / box.height]);
      }
    });
    document.addEventListener("keydown", event => {
      const target = event.target;
      const pad = target.closest?.(".dirtylab-pad");
      if (pad && target.tagName === "BUTTON") moveIn(pad, target, event);
      if (target.classList?.contains("dirtylab-shown") && PICTURE_KEYS.includes(event.key)
          && target.querySelector("[data-dirtylab-pick]")) {
        event.preventDefault();
        event.stopPropagation();
        send(target.closest(VIEW), "press", event.key);
      }
      const head = target.closest?.(".jupyter-widget-Collapse-header");
      if (head && target.closest(VIEW) && (event.key === "Enter" || event.key === " ")) {
        event.preventDefault();
        event.stopPropagation();
        head.click();
      }
    }, true);
  };

  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);

  // As an extension of JupyterLab: a container of one module, which has nothing left to do.
  const plugin = { id: "dirtylab:page", autoStart: true, activate: () => undefined };
  (window._JUPYTERLAB = window._JUPYTERLAB || {}).dirtylab = {
    init: () => undefined,
    get: () => Promise.resolve(() => ({ __esModule: true, default: plugin })),
  };
})();
