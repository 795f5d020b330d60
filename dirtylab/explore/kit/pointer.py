"""Drags and keys on a view's picture, and on numbers in its sentence.

ipywidgets has no event for a place on a picture.  A script, run once a page, listens and writes
what happened into a hidden field of the view, as if it had been typed:

============================  ===================================================================
``drag X Y``                  the pointer, held down, is at that place of the axes, each 0 … 1
``move X Y``                  arrow keys on the picture: so many steps to the right and up
``step NAME STEPS``           a number of the sentence was dragged, or had a key
``press NAME``                a link that stands for a button
``ready``                     the view is on a page that is alive
============================  ===================================================================

A number to drag is a ``span`` of class :data:`SCRUB` with ``data-name``.  Where a page runs no
scripts, sliders and buttons do the same.
"""

import html
from collections.abc import Callable

import ipywidgets as widgets

SCRUB, PRESS = "dirtylab-scrub", "dirtylab-press"
_FIELD, _PICTURE = "dirtylab-gesture", "dirtylab-picture"
PIXELS_A_STEP = 14
"""Of a number that is dragged."""
STYLE = (
    f"<style>.{SCRUB}{{cursor:ew-resize;border-bottom:2px dotted currentColor;touch-action:none;"
    f"white-space:nowrap;user-select:none}}.{SCRUB}:focus-visible,.{_PICTURE} figure:focus-visible"
    f"{{outline:2px solid #1a73e8;outline-offset:2px}}.{PRESS}{{cursor:pointer;"
    f"text-decoration:underline}}.{_PICTURE} figure[data-name] img{{cursor:crosshair;"
    "touch-action:none}</style>"
)
_SCRIPT = """
(() => {
  const send = (root, words) => {
    const field = root.querySelector('.FIELD input');
    if (!field) return;
    window.dirtylabCount = (window.dirtylabCount || 0) + 1;
    field.value = words + ' ' + window.dirtylabCount;
    field.dispatchEvent(new Event('input', {bubbles: true}));
  };
  const prepare = root => {
    const shown = root.querySelector('.PICTURE');
    if (!shown || root.dirtylabReady) return false;
    root.dirtylabReady = true;
    root.dataset.lmSuppressShortcuts = 'true';
    const dress = () => {
      const figure = shown.querySelector('figure');
      if (figure && shown.querySelector('.dirtylab-axes')) {
        figure.dataset.name = 'point';
        figure.tabIndex = 0;
        figure.setAttribute('role', 'application');
        figure.setAttribute('aria-label', 'Map; arrow keys move the guest');
      }
      const lost = !document.activeElement || document.activeElement === document.body;
      if (root.dirtylabFocus && lost)
        shown.querySelector(`[data-name="${root.dirtylabFocus}"]`)?.focus({preventScroll: true});
    };
    new MutationObserver(dress).observe(shown, {childList: true, subtree: true});
    dress();
    send(root, 'ready');
    return true;
  };
  let tries = 0;
  const look = setInterval(() => {
    const found = [...document.querySelectorAll('.dirtylab-view')].filter(prepare);
    if (found.length || ++tries > 100) clearInterval(look);
  }, 100);
  if (window.dirtylabPointer) return;
  window.dirtylabPointer = true;
  let held = null;
  const rootOf = node => node.closest && node.closest('.dirtylab-view');
  const within = (root, event) => {
    const image = root.querySelector('.PICTURE figure img');
    const marks = root.querySelector('.dirtylab-axes');
    if (!image || !marks) return null;
    const [left, bottom, width, height] = marks.dataset.axes.split(' ').map(Number);
    const box = image.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width - left) / width,
            ((box.bottom - event.clientY) / box.height - bottom) / height];
  };
  const drag = (root, event) => {
    const at = within(root, event);
    if (at) send(root, `drag ${at[0].toFixed(4)} ${at[1].toFixed(4)}`);
  };
  const options = {capture: true};
  window.addEventListener('pointerdown', event => {
    const root = rootOf(event.target);
    document.querySelectorAll('.dirtylab-view').forEach(one => { one.dirtylabFocus = ''; });
    if (!root || event.button) return;
    const number = event.target.closest('.SCRUB');
    if (number) {
      held = {root, name: number.dataset.name, x: event.clientX};
      root.dirtylabFocus = held.name;
      number.focus({preventScroll: true});
      event.preventDefault();
    } else if (event.target.closest('figure[data-name] img')) {
      const at = within(root, event);
      if (!at || at.some(part => part < -0.03 || part > 1.03)) return;
      held = {root};
      root.dirtylabFocus = 'point';
      event.target.closest('figure').focus({preventScroll: true});
      event.preventDefault();
      drag(root, event);
    }
  }, options);
  window.addEventListener('pointermove', event => {
    if (!held) return;
    event.preventDefault();
    if (!held.name) return drag(held.root, event);
    const steps = Math.trunc((event.clientX - held.x) / PIXELS);
    if (steps) {
      held.x += steps * PIXELS;
      send(held.root, `step ${held.name} ${steps}`);
    }
  }, options);
  for (const kind of ['pointerup', 'pointercancel'])
    window.addEventListener(kind, () => { held = null; }, options);
  window.addEventListener('dragstart', event => {
    if (event.target.closest && event.target.closest('figure[data-name]')) event.preventDefault();
  }, options);
  window.addEventListener('click', event => {
    const link = event.target.closest && event.target.closest('.PRESS');
    const root = link && rootOf(link);
    if (root) send(root, `press ${link.dataset.name}`);
  }, options);
  const ways = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]};
  window.addEventListener('keydown', event => {
    const named = event.target.closest && event.target.closest('.PICTURE [data-name]');
    const root = named && rootOf(named);
    if (!root || event.ctrlKey || event.altKey || event.metaKey) return;
    const link = named.classList.contains('PRESS');
    if (link && (event.key === 'Enter' || event.key === ' ')) {
      send(root, `press ${named.dataset.name}`);
    } else if (!link && ways[event.key]) {
      const [x, y] = ways[event.key];
      root.dirtylabFocus = named.dataset.name;
      send(root, named.dataset.name === 'point' ? `move ${x} ${y}`
        : `step ${named.dataset.name} ${x + y}`);
    } else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, options);
  window.addEventListener('focusin', event => {
    const named = event.target.closest && event.target.closest('.PICTURE [data-name]');
    document.querySelectorAll('.dirtylab-view').forEach(one => {
      one.dirtylabFocus = named && one.contains(named) ? named.dataset.name : '';
    });
  }, options);
})();
"""


class Pointer:
    """The hidden field of a view, and the script that writes into it.

    Parameters
    ----------
    on_gesture : callable
        Called with the words of each gesture, without its number, on any thread.
    picture : widget
        The widget with the picture and the sentence.
    """

    def __init__(self, on_gesture: Callable[[list[str]], None], picture: widgets.Widget) -> None:
        picture.add_class(_PICTURE)
        self.field = widgets.Text(continuous_update=True)
        self.field.add_class(_FIELD)
        self.field.observe(lambda change: self._take(on_gesture, change["new"]), names="value")
        script = _SCRIPT
        for word, value in (("FIELD", _FIELD), ("PICTURE", _PICTURE), ("SCRUB", SCRUB),
                            ("PRESS", PRESS), ("PIXELS", str(PIXELS_A_STEP))):  # fmt: skip
            script = script.replace(word, value)
        data = {"application/javascript": script, "text/plain": ""}
        shown = {"output_type": "display_data", "data": data, "metadata": {}}
        run = widgets.Output(outputs=(shown,))
        self.box = widgets.HBox([self.field, run], layout=widgets.Layout(
            height="0", width="0", overflow="hidden", visibility="hidden", margin="0"
        ))  # fmt: skip

    @staticmethod
    def _take(on_gesture: Callable[[list[str]], None], text: str) -> None:
        words = text.split()[:-1]
        if words:
            on_gesture(words)


def scrub(name: str, label: str, text: str) -> str:
    """Return a number of a sentence that can be dragged, and moved by arrow keys."""
    label, text = html.escape(label, quote=True), html.escape(text)
    return (
        f'<span class="{SCRUB}" data-name="{name}" tabindex="0" role="slider" '
        f'aria-label="{label}" aria-valuetext="{text}" title="{label}: drag, or arrow keys">'
        f"{text}</span>"
    )


def press(name: str, text: str) -> str:
    """Return a link that stands for a button of the view."""
    return (
        f'<a class="{PRESS}" data-name="{name}" role="button" tabindex="0">{html.escape(text)}</a>'
    )


def axes_mark(rectangle: tuple[float, float, float, float]) -> str:
    """Return an element that tells the script where the axes are, in shares of the picture."""
    return f'<span class="dirtylab-axes" hidden data-axes="{" ".join(map(str, rectangle))}"></span>'
