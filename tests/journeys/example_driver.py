"""Drive an example that prints an address and waits for the browser to come back."""

import subprocess
from collections.abc import Sequence

from app.demo.browser import Browser, Page
from app.demo.instance import Instance


def sign_in_with_example(command: Sequence[str], instance: Instance, port: int) -> str:
    """Run the example, open what it prints, sign in and agree; return all that it says."""
    with subprocess.Popen(
        [*command, str(port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as example:
        assert example.stdout is not None
        said = ""
        while not said.rpartition("Open ")[1]:
            line = example.stdout.readline()
            assert line, said
            said += line
        address = said.rpartition("Open ")[2].strip()
        browser = Browser(language="en")
        page = browser.open(address)
        page = sign_in_and_allow(browser, page, instance)
        browser.close()
        rest, _ = example.communicate(timeout=30)
        assert page.response.text == "You are signed in.", said + rest
        assert example.returncode == 0, said + rest
        return said + rest


def sign_in_and_allow(browser: Browser, page: Page, instance: Instance) -> Page:
    """Sign the first demo person in on the page, and agree unless that was done before."""
    person = instance.people[0]
    page = browser.sign_in(page, str(person["username"]), str(person["password"]))
    return browser.decide(page, "allow") if page.url.startswith(instance.issuer) else page
