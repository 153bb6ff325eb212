"""Looks at /docs in a headless Chromium, and uses it as a person would.

  page.py URL KEY FOLDER       pictures go into FOLDER
"""
import json
import shutil
import sys

from axe_playwright_python.sync_playwright import Axe
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


def audit(browser):
    """What axe-core finds: names and roles for those who do not see the page, contrast, what the keyboard reaches."""
    for scheme in ("light", "dark"):
        for width in (360, 1720):
            page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
            page.goto(url + "/docs")
            page.wait_for_selector("#runTransaction")
            page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true })")
            # An answer is there, too.
            page.locator("#live form").get_by_role("button", name="Send").click()
            page.locator("#live form .status.good").wait_for()
            found = Axe().run(page)
            assert found.violations_count == 0, f"{scheme}, {width} pixels: {found.generate_report()}"
            page.close()


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
    page.close()


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--no-proxy-server"])
    faults = []
    look(browser, faults)
    use(browser, faults)
    audit(browser)
    assert faults == [], faults
    browser.close()
print(f"the page is as it should be; pictures: {folder}/*.png")
