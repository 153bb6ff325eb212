"""Looks at /docs in a headless Chromium, and uses it as a person would.

  page.py URL KEY FOLDER       pictures go into FOLDER
"""
import json
import shutil
import sys

from playwright.sync_api import sync_playwright

url, key, folder = sys.argv[1:]
sizes = {"narrow": (360, 800), "wide": (1280, 900), "very-wide": (1720, 1000)}


def watched(page, faults):
    """Notes what the page should not do: errors, refusals by its own policy, requests to others."""
    page.on("console", lambda message: message.type == "error" and "Failed to load resource" not in message.text
            and faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith((url, "data:")) else faults.append(request.url))
    return page


def look(browser, faults):
    for scheme in ("light", "dark"):
        for name, (width, height) in sizes.items():
            page = watched(browser.new_page(color_scheme=scheme, viewport={"width": width, "height": height}), faults)
            page.goto(url + "/docs")
            page.wait_for_selector("#runTransaction")
            page.screenshot(path=f"{folder}/{name}-{scheme}.png")
            # Nothing is wider than the window.
            overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert overflow <= 0, f"{name}: {overflow} pixels too wide"
            page.goto(url + "/docs#runTransaction")
            form = page.locator("#runTransaction form")
            page.fill("#key", key)
            form.locator("button[type=submit]").scroll_into_view_if_needed()
            form.locator("button[type=submit]").click()
            form.locator(".status.good, .status.bad").wait_for()
            page.screenshot(path=f"{folder}/{name}-{scheme}-tried.png")
            page.close()


def contrast(page):
    """Text is at least 4.5 times as bright as what is behind it, or the other way round (WCAG 2.2, 1.4.3)."""
    return page.evaluate("""() => {
      const parse = (text) => text.match(/[\\d.]+/g).map(Number);
      const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
      const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
      const ground = (node) => {
        for (; node; node = node.parentElement) {
          const colour = parse(getComputedStyle(node).backgroundColor);
          if (colour.length === 3 || colour[3] > 0) return colour;
        }
        return [255, 255, 255];
      };
      const poor = new Set();
      for (const node of document.querySelectorAll("body *")) {
        if (!node.checkVisibility() || ![...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim())) continue;
        const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5 && !node.disabled) poor.add(`${node.tagName}.${node.className} ${ratio.toFixed(2)}`);
      }
      return [...poor];
    }""")


def names(page):
    """Whatever can be used has a name for those who do not see it, and no id is there twice."""
    return page.evaluate("""() => {
      const bad = [];
      for (const node of document.querySelectorAll("input, select, textarea, button, [role=region], form, nav")) {
        const name = node.labels?.[0]?.textContent || node.getAttribute("aria-label") || node.textContent;
        if (!name?.trim()) bad.push(node.outerHTML.slice(0, 200));
      }
      const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
      bad.push(...ids.filter((id, index) => ids.indexOf(id) !== index));
      for (const node of document.querySelectorAll("[aria-describedby], [aria-labelledby], label[for]")) {
        for (const attribute of ["aria-describedby", "aria-labelledby", "for"]) {
          const id = node.getAttribute(attribute);
          if (id && !document.getElementById(id)) bad.push(`${attribute}=${id}`);
        }
      }
      return bad;
    }""")


def use(browser, faults):
    page = watched(browser.new_page(), faults)
    page.goto(url + "/docs#ready")
    page.wait_for_selector("#ready")
    served = page.evaluate("fetch('openapi.json').then((answer) => answer.json())")
    count = sum(method in item for item in served["paths"].values() for method in ("get", "post", "patch", "delete", "put", "head"))
    assert page.locator(".operation").count() == count == page.locator("nav a").count()
    assert page.locator("#ready").evaluate("(node) => node.getBoundingClientRect().top < innerHeight"), "the link leads there"
    form = page.locator("#runTransaction form")

    # Without a key.
    form.get_by_role("button", name="Send").click()
    form.locator(".status.bad", has_text="401").wait_for()

    # With one, by the keyboard alone, from the key's field on.
    page.locator("#key").focus()
    page.keyboard.type(key)
    area = form.get_by_label("Body", exact=True)
    area.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type('{"statements": [{"sql": "create table tried (n numeric)"}, '
                       '{"savepoint": [{"sql": "insert into tried values ($1) returning n", "params": [12345678901234567890.10]}]}]}')
    page.keyboard.press("Control+Enter")
    form.locator(".status.good", has_text="200").wait_for()
    assert '"n": 12345678901234567890.10' in form.locator("pre").first.text_content(), "the digits are all there"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Send"

    # It was stored: another form reads it, as lines.
    form.get_by_label("Answer as").select_option("application/x-ndjson")
    area.fill('{"statements": [{"sql": "select count(*) from tried"}]}')
    form.get_by_role("button", name="Send").click()
    form.locator("pre", has_text='{"row":{"count":1}}').wait_for()
    assert form.locator("pre").first.text_content().endswith('{"status":"committed"}\n')

    # An example of the document goes into the body.
    form.get_by_label("Example", exact=True).select_option("A group that may fail alone")
    assert '"on_error": "continue"' in area.input_value()

    # A webhook, whose id goes into a path.
    create = page.locator("#createWebhook form")
    create.get_by_role("button", name="Send").click()
    create.locator(".status.good", has_text="201").wait_for()
    made = json.loads(create.locator("pre").first.text_content())
    get = page.locator("#getWebhook form")
    get.locator("input").fill(made["id"])
    get.get_by_role("button", name="Send").click()
    get.locator(".status.good", has_text="200").wait_for()
    get.locator("input").fill("")
    get.get_by_role("button", name="Send").click()
    assert get.locator("input").evaluate("(node) => node.validity.valueMissing"), "a path needs its parts"

    # A call that takes long can be given up.
    area.fill('{"statements": [{"sql": "select pg_sleep(60)"}]}')
    form.get_by_role("button", name="Send").click()
    form.get_by_role("button", name="Cancel").click()
    form.locator(".status.bad", has_text="Cancelled").wait_for()
    form.get_by_role("button", name="Copy as curl").click()
    form.locator(".status", has_text="Copied").or_(form.locator("pre", has_text="curl -X POST")).wait_for()

    for details in page.locator("details").all():
        details.evaluate("(node) => { node.open = true }")
    assert (bad := names(page)) == [], bad
    page.close()
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(url + "/docs")
        page.wait_for_selector("#runTransaction")
        assert (poor := contrast(page)) == [], f"{scheme}: {poor}"
        page.close()


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--no-proxy-server"])
    faults = []
    look(browser, faults)
    use(browser, faults)
    assert faults == [], faults
    browser.close()
print(f"the page is as it should be; pictures: {folder}/*.png")
