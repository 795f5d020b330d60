"""What is typed beside the sliders of views: read by the one grammar, or refused and put back."""

import pytest

from dirtylab import explore
from dirtylab._format import share_text
from dirtylab.explore.kit.controls import Slider
from dirtylab.explore.kit.slider_steps import frames_label, pages_read
from dirtylab.explore.kit.typed import typed

PAGES = Slider("pages", "slot", (1000, 10_000_000, 2**34), 10_000_000, pages_read)
DIRTY = Slider("dirty", "dirty", (1, 100_000, 2**34), 100_000, frames_label)
SHARE = Slider("density", "dirty", (1e-7, 0.01, 1.0), 0.01, share_text)
BITS = Slider("radix", "radix", (8, 64), 64, lambda bits: f"{bits} bits")
LENGTH = Slider(
    "length", "length", (0, 1, 2**20), 1, lambda n: f"{n} pages" if n else "as it comes"
)


@pytest.mark.parametrize(
    ("slider", "text", "value"),
    [
        (PAGES, "64GiB", 2**24), (PAGES, "1 TiB", 2**28), (PAGES, "20M", 20_000_000),
        (PAGES, "38.1 GiB = 10 M", 10_000_000), (PAGES, "64 GiB = 10 M", 2**24),
        (PAGES, "38.1 GiB = 20 M", 20_000_000), (PAGES, "2^20 pages", 2**20),
        (DIRTY, "1%", 100_000), (DIRTY, "0.01", 100_000), (DIRTY, "5k frames", 5000),
        (SHARE, "2.5 %", 0.025), (SHARE, "1e-3", 0.001), (BITS, "16", 16), (BITS, "16 bits", 16),
        (LENGTH, "as it comes", 0), (LENGTH, "512", 512), (LENGTH, "2MiB", 512),
    ],
)  # fmt: skip
def test_what_is_typed_is_read(slider, text, value):
    found = typed(slider, text, 10_000_000)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("slider", "text"),
    [
        (PAGES, "many"), (PAGES, ""), (PAGES, "0"), (PAGES, "1e400"), (PAGES, "1 TiB = 20 M"),
        (PAGES, "1k..4k"), (PAGES, "10GB"), (DIRTY, "200%"), (DIRTY, "-1"), (SHARE, "2"),
        (SHARE, "nan"), (BITS, "7"), (BITS, "16 words"), (LENGTH, "-1"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_by_name(slider, text):
    with pytest.raises(ValueError, match=f"^{slider.name}='"):
        typed(slider, text, 10_000_000)


@pytest.fixture
def shown():
    frame = explore.crossovers()
    yield frame
    frame.close()


def test_a_typed_slot_is_what_is_drawn(shown):
    shown.panel.widgets["pages typed"].value = "1TiB"
    assert shown.view.state.pages == 2**28
    assert shown.panel.widgets["pages"].value == 2**28
    assert shown.panel.widgets["pages typed"].value == "1 TiB = 268 M"
    assert shown._message.value == ""


@pytest.mark.parametrize("text", ["64 gigs", "0", "1e400", ""])
def test_what_cannot_be_used_is_said_and_the_readout_put_back(shown, text):
    entry = shown.panel.widgets["pages typed"]
    entry.value = text
    assert entry.value == "64 GiB = 16.8 M"
    assert shown.view.state.pages == 2**24
    assert 'role="alert"' in shown._message.value
    assert "pages=" in shown._message.value
    entry.value = "20M"
    assert shown._message.value == ""


def test_a_typed_share_is_one_of_the_slot_and_reset_puts_readouts_back(shown):
    shown.panel.widgets["dirty typed"].value = "5%"
    assert shown.view.state.dirty == round(0.05 * 2**24)
    shown._reset()
    assert shown.panel.widgets["dirty typed"].value == "100 k frames"


def test_views_take_text_as_commands_do():
    state = explore.crossovers(pages="64GiB", dirty="1%", dataset="clustered", length=16).view.state
    assert (state.pages, state.dirty) == (2**24, 167_772)
    assert explore.crossovers(density="2%").view.state.density == 0.02
    assert explore.memory(pages="1 TiB", dirty="5k").view.state.pages == 2**28
    assert explore.patterns(pages="2^20", dirty="0.01").view.state.dirty == 10_486
    assert explore.anatomy(pages="48").view.state.pages == 48
    with pytest.raises(ValueError, match="pages='12 apples': must be a number of pages"):
        explore.memory(pages="12 apples")
