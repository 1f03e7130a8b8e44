"""The page in a real browser: no error, no request, sorting, filtering, every width, no JavaScript, paper, contrast."""

import base64
import json
import shutil
import time
from pathlib import Path

import pytest

from rescore.reporting.page import overview
from rescore.reporting.tables import read_result
from tests.reporting.tree import TABLES

BROWSER, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium and chromedriver (Debian: chromium-driver)"),
]
WIDTHS = (320, 390, 700, 930, 1100, 1280, 1345, 1400, 1440, 1920)


@pytest.fixture(scope="module")
def start():
    """Starts browsers, and quits them at the end."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    browsers = []

    def make(scripts=True):
        options = webdriver.ChromeOptions()
        options.binary_location = BROWSER
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        if not scripts:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        browsers.append(webdriver.Chrome(options=options, service=Service(DRIVER)))
        return browsers[-1]

    yield make
    for browser in browsers:
        browser.quit()


@pytest.fixture(scope="module")
def browser(start):
    return start()


def resize(browser, width, height=1000):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def show(browser, path, width=1400):
    resize(browser, width)
    browser.get(path.as_uri())
    browser.execute_script("document.querySelectorAll('details.list').forEach(item => { item.open = true; })")


def wait_for(browser, script, *arguments):
    """Wait, at most 20 seconds, until a script returns something true, and return it."""
    end = time.monotonic() + 20
    while not (found := browser.execute_script(script, *arguments)):
        assert time.monotonic() < end, script
        time.sleep(0.1)
    return found


def requests(browser):
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]


def column(browser, table, selector):
    """Texts of one column's visible cells, without what stands small beside them."""
    script = """return [...document.querySelectorAll(`#${arguments[0]} tbody tr:not([hidden])`)].map(row => {
      const cell = row.querySelector(arguments[1]);
      return cell ? [...cell.childNodes].filter(node => node.nodeType === 3).map(node => node.data).join("").trim() : "";
    })"""
    return browser.execute_script(script, table, selector)


@pytest.fixture(scope="module")
def pages(demo_tree, demo_page, tmp_path_factory):
    """The page of a scale, and the overview."""
    top = tmp_path_factory.mktemp("top") / "index.html"
    overview(demo_tree / "results", top, demo_tree / "results/audit.csv")
    return demo_page, top


def test_loads_without_error_or_request(browser, pages):
    for path in pages:
        browser.get_log("performance")
        show(browser, path)
        # Scrolled through, so that every plot is drawn.
        browser.execute_script("document.querySelectorAll('details').forEach(item => { item.open = true; })")
        for place in browser.find_elements("css selector", "[data-plot]"):
            browser.execute_script("arguments[0].scrollIntoView()", place)
            wait_for(browser, "return arguments[0].dataset.drawn === 'yes'", place)
        asked = [url for url in requests(browser) if not url.startswith("data:")]
        assert asked == [path.as_uri()]
        assert browser.get_log("browser") == []


def test_plots_are_drawn_with_every_point(browser, demo_page):
    show(browser, demo_page)
    place = browser.find_element("css selector", "#aqa7-table2-scatter [data-plot]")
    browser.execute_script("arguments[0].closest('details').open = true; arguments[0].scrollIntoView()", place)
    wait_for(browser, "return arguments[0].dataset.drawn === 'yes'", place)
    specification = json.loads(
        browser.execute_script("return document.getElementById('aqa7-table2-scatter-specification').textContent")
    )
    points = specification["data"]["values"].strip().count("\n")
    drawn = browser.execute_script("return arguments[0].querySelectorAll('.mark-symbol path').length", place)
    assert drawn == points > 100


def test_sorting(browser, demo_tree, demo_page):
    show(browser, demo_page)
    printed = column(browser, "aqa7_table2-rows", "td.ours")
    header = "#aqa7_table2-rows thead th:nth-child(4)"
    button = browser.find_element("css selector", f"{header} button")
    state = f"return document.querySelector('{header}').getAttribute('aria-sort')"
    for way, reverse in (("ascending", False), ("descending", True)):
        browser.execute_script("arguments[0].click()", button)
        assert browser.execute_script(state) == way
        shown = column(browser, "aqa7_table2-rows", "td.ours")
        numbers = [float(text) for text in shown if text]
        assert numbers == sorted(numbers, reverse=reverse)
        assert shown[len(numbers) :] == [""] * (len(shown) - len(numbers))
        assert sorted(shown) == sorted(printed)
    browser.execute_script("arguments[0].click()", button)
    assert browser.execute_script(state) is None
    assert column(browser, "aqa7_table2-rows", "td.ours") == printed
    button = browser.find_element("css selector", "#aqa7_table2-rows thead th:nth-child(1) button")
    button.send_keys("\n")  # by keyboard, words by the alphabet
    rows = column(browser, "aqa7_table2-rows", "th")
    assert rows == sorted(rows, key=str.casefold)


def test_filtering(browser, demo_tree, demo_page):
    show(browser, demo_page)
    result = read_result(demo_tree / "results/demo/tables/aqa7_table2.csv")
    form = browser.find_element("css selector", "form[data-table='aqa7_table2-rows']")
    output = form.find_element("css selector", "output")
    assert output.text == f"{len(result)} rows"
    words = form.find_element("css selector", "input")
    words.send_keys("C3D-LSTM Diving")
    wanted = result["row"].str.contains("C3D-LSTM") & result["column"].eq("Diving")
    assert output.text == f"{wanted.sum()} of {len(result)} rows"
    assert column(browser, "aqa7_table2-rows", "th") == list(result.loc[wanted, "row"])
    form.find_element("css selector", "select[name=protocol] option[value='last iteration']").click()
    wanted &= result["protocol"] == "last_iteration"
    assert column(browser, "aqa7_table2-rows", "td.ours") == list(result.loc[wanted, "reproduced"])
    words.send_keys(" nothing has these words")
    assert output.text == f"0 of {len(result)} rows"
    claims = browser.find_element("css selector", "form[data-table='aqa7-claims-rows']")
    claims.find_element("css selector", "select[name=reported] option[value='does not hold']").click()
    found = read_result(demo_tree / "results/demo/tables/aqa7_claims.csv")
    failing = found[(found["source"] == "reported") & (found["result"] == "does not hold")]
    assert claims.find_element("css selector", "output").text.startswith(f"{len(failing)} of ")


def test_every_number_equals_its_csv(browser, demo_tree, demo_page):
    show(browser, demo_page)
    for table in TABLES:
        result = read_result(demo_tree / "results/demo/tables" / f"aqa7_{table}.csv")
        name = f"aqa7_{table}-rows"
        for selector, wanted in (
            ("th", result["row"]),
            ("td.column", result["column"]),
            ("td.said", result["reported"]),
            ("td.ours", result["reproduced"]),
            ("td.n", result["n"]),
            ("td.seeds", result["seeds"]),
        ):
            assert column(browser, name, selector) == list(wanted), (table, selector)
        interval = [f"{low} to {high}" if low else "" for low, high in zip(result["low"], result["high"], strict=True)]
        assert column(browser, name, "td.interval") == interval


def test_intervals_are_drawn_where_the_numbers_are(browser, demo_tree, demo_page):
    show(browser, demo_page)
    script = """return [...document.querySelectorAll("#aqa7_table2-rows tbody tr")].map(row => [
      row.querySelector(".span")?.getPointAtLength(0).x, row.querySelector(".dot")?.getPointAtLength(0).x,
      row.querySelector(".span")?.getPointAtLength(999).x])"""
    drawn = browser.execute_script(script)
    result = read_result(demo_tree / "results/demo/tables/aqa7_table2.csv")
    pairs = [
        (place, float(line[name]))
        for places, line in zip(drawn, result.to_dict("records"), strict=True)
        for place, name in zip(places, ("low", "reproduced", "high"), strict=True)
        if line["low"]
    ]
    (x0, v0), (x1, v1) = min(pairs, key=lambda pair: pair[1]), max(pairs, key=lambda pair: pair[1])
    assert x1 - x0 > 60
    for place, value in pairs:
        assert place == pytest.approx(x0 + (value - v0) * (x1 - x0) / (v1 - v0), abs=0.3)


OVERFLOWING = """
const inside = element => element.closest(".scroll, .picture, .rows, .skip, .hidden, svg, pre, script, style");
return [document.documentElement.scrollWidth, [...document.querySelectorAll("body *")].filter(element => {
  const box = element.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && !inside(element) && element.checkVisibility();
}).map(element => `${element.tagName} ${element.className} ${element.textContent.slice(0, 40)}`)];"""


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows(browser, pages, width):
    for path in pages:
        show(browser, path, width)
        for folded in ("details:not(.why)[open]", "details:not(.why)"):  # as it comes, and with everything opened
            browser.execute_script(f"document.querySelectorAll('{folded}').forEach(item => {{ item.open = true; }})")
            scroll_width, wide = browser.execute_script(OVERFLOWING)
            assert wide == []
            assert scroll_width <= width
    if width < 400:
        small = browser.execute_script(
            "return [...document.querySelectorAll('td, th, p, li')].filter(e => e.checkVisibility() && "
            "parseFloat(getComputedStyle(e).fontSize) < 11).length"
        )
        assert small == 0


def test_the_lineage_of_a_cell_opens_and_closes(browser, demo_page):
    show(browser, demo_page)
    first, second = browser.find_elements("css selector", "#aqa7_table3-rows details.why > summary")[:2]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", first)
    first.click()
    panel = first.find_element("xpath", "..")
    assert "rescore explain results/demo/tables/aqa7_table3.csv" in panel.text
    browser.execute_script("arguments[0].click()", second)
    assert panel.get_attribute("open") is None
    browser.find_element("css selector", "body").send_keys("\ue00c")  # Escape
    assert browser.find_elements("css selector", "details.why[open]") == []


def test_cards_are_a_table_for_a_screen_reader(browser, demo_page):
    show(browser, demo_page, 390)
    script = "return document.querySelector(arguments[0]).role"
    wanted = {"": "table", " thead": "rowgroup", " tbody tr": "row", " tbody th": "rowheader", " td": "cell"}
    for part, role in wanted.items():
        assert browser.execute_script(script, f"#aqa7_table2-rows{part}") == role
    label = "return getComputedStyle(document.querySelector('#aqa7_table2-rows td.said'), '::before').content"
    assert browser.execute_script(label) == '"reported "'


def test_headers_stay_in_sight(browser, demo_page):
    show(browser, demo_page)
    browser.execute_script("document.querySelector('#aqa7_table3-rows tbody tr:nth-child(40)').scrollIntoView()")
    script = "return document.querySelector('#aqa7_table3-rows thead th').getBoundingClientRect().top"
    assert 0 <= browser.execute_script(script) < 60


def test_works_without_scripts(start, demo_tree, demo_page):
    browser = start(scripts=False)
    show(browser, demo_page)
    assert browser.find_element("css selector", "html").get_attribute("class") == "marked"
    tables = browser.find_elements("css selector", "table.long")
    assert len(tables) >= len(TABLES)
    assert all(table.is_displayed() for table in tables)
    result = read_result(demo_tree / "results/demo/tables/aqa7_table2.csv")
    rows = browser.find_elements("css selector", "#aqa7_table2-rows tbody tr")
    assert [row.find_element("css selector", "td.ours").text for row in rows[:8]] == list(result["reproduced"][:8])
    assert not any(form.is_displayed() for form in browser.find_elements("css selector", "form.tools"))
    picture = browser.find_element("css selector", "#aqa7-figure3-plot .picture svg")
    assert picture.is_displayed()
    assert picture.size["width"] > 500
    folded = browser.find_element("css selector", "#aqa7-table2-scatter")
    assert not folded.is_displayed()
    browser.find_element("xpath", "//figure[@id='aqa7-table2-scatter']/ancestor::details/summary").click()
    assert folded.find_element("css selector", "svg").is_displayed()


def test_prints(browser, demo_page, tmp_path):
    show(browser, demo_page)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
    data = base64.b64decode(printed["data"])
    (tmp_path / "page.pdf").write_bytes(data)
    assert data.startswith(b"%PDF")
    assert len(data) > 100_000
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not any(item.is_displayed() for item in browser.find_elements("css selector", "nav.toc, form.tools"))
        assert browser.find_element("css selector", ".banner").is_displayed()
        resize(browser, 703)  # A4 less its margins
        scroll_width, wide = browser.execute_script(OVERFLOWING.replace(".rows, ", ""))
        assert wide == []
        assert scroll_width <= 703
        row = browser.find_element("css selector", "#aqa7_table2-rows tbody tr")
        assert browser.execute_script("return getComputedStyle(arguments[0]).display", row) == "table-row"
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


CONTRAST = """
const rgb = text => text.match(/[\\d.]+/g).map(Number);
const luminance = c => c.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const ground = element => { for (let e = element; e; e = e.parentElement) {
  const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > .99) return c; } return [255, 255, 255]; };
return [...document.querySelectorAll("h1,h2,h3,p,a,td,th,small,summary,.badge,.mark,.hash,figcaption,dt,dd,caption,code")]
  .filter(e => e.checkVisibility() && !e.closest(".picture") && e.textContent.trim()).map(e => {
    const [x, y] = [luminance(rgb(getComputedStyle(e).color)), luminance(ground(e))];
    return [(Math.max(x, y) + .05) / (Math.min(x, y) + .05), e.tagName + " " + e.className];
  }).filter(([ratio]) => ratio < 4.5).slice(0, 5);"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(browser, pages, scheme):
    """WCAG 2.1, 1.4.3: at least 4.5 to 1."""
    feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    for path in pages:
        show(browser, path)
        assert browser.execute_script(CONTRAST) == []


def test_the_pages_are_where_the_overview_says(pages, demo_page):
    links = {part.split('"')[0] for part in pages[1].read_text(encoding="utf-8").split('href="')[1:]}
    assert "demo/index.html" in links
    assert demo_page.parts[-2:] == ("demo", "index.html")
    assert Path(demo_page).is_file()
