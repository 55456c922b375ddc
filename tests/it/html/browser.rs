//! The page in Chromium, driven through chromedriver as a reader would use it.

use super::{clean, golden, html, long, page, sample};
use pagescrub::consolidate::report::ScrubReport;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The key of an element in the protocol that the driver speaks.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const ENTER: &str = "\u{e007}";
const ARROW_DOWN: &str = "\u{e015}";
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser with one page.
struct Browser {
    driver: Child,
    session: String,
    folder: TempDir,
}

impl Browser {
    /// A browser that shows `report`.
    fn showing(report: &ScrubReport) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("report.html"), page(report)).expect("room");
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed");
        let driver_url = url_of(&mut driver);
        let options = json!({ "args": ["--headless=new", "--no-sandbox", "--disable-gpu",
            "--disable-dev-shm-usage"] });
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } } } });
        let url = format!("{driver_url}/session");
        let session = request(&url, Some(&capabilities));
        let id = session["sessionId"].as_str().expect("a session");
        let browser = Self { driver, session: format!("{url}/{id}"), folder };
        let url = format!("file://{}/report.html", browser.folder.path().display());
        browser.post("url", &json!({ "url": url }));
        browser
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        request(&format!("{}/{command}", self.session), Some(body))
    }

    /// What `script` returns.
    fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    fn find(&self, selector: &str) -> String {
        let body = json!({ "using": "css selector", "value": selector });
        let found = self.post("element", &body);
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("{selector}: {found}")).to_owned()
    }

    fn click(&self, selector: &str) {
        // Not under the header, which stays where it is.
        let script = "document.querySelector(SELECTOR).scrollIntoView({ block: 'center' })";
        self.run(&script.replace("SELECTOR", &format!("{selector:?}")));
        self.post(&format!("element/{}/click", self.find(selector)), &json!({}));
    }

    fn type_into(&self, selector: &str, text: &str) {
        self.post(&format!("element/{}/value", self.find(selector)), &json!({ "text": text }));
    }

    /// The text of the first element.
    fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({selector:?}).textContent");
        self.run(&script).as_str().expect("text").to_owned()
    }

    fn count(&self, selector: &str) -> u64 {
        let script = format!("return document.querySelectorAll({selector:?}).length");
        self.run(&script).as_u64().expect("a number")
    }

    /// Ranks of the rows that are shown.
    fn ranks(&self) -> Vec<u64> {
        let script = "return [...document.querySelectorAll('.opens')].map(b => +b.textContent)";
        serde_json::from_value(self.run(script)).expect("numbers")
    }

    /// Errors of scripts and of what the policy forbids both come here.
    fn assert_quiet(&self) {
        let log = self.post("se/log", &json!({ "type": "browser" }));
        assert_eq!(log, json!([]));
        assert_eq!(self.run("return typeof window.pwned"), "undefined");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser; then it can be ended itself.
        let _ = ureq::delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The driver says on which port it listens.
fn url_of(driver: &mut Child) -> String {
    let mut lines = BufReader::new(driver.stdout.take().expect("piped")).lines();
    let port = lines.find_map(|line| {
        let line = line.expect("text");
        Some(line.split_once("successfully on port ")?.1.trim_end_matches('.').to_owned())
    });
    // Whatever else it says must not block it.
    std::thread::spawn(move || lines.for_each(drop));
    format!("http://127.0.0.1:{}", port.expect("it listens"))
}

fn request(url: &str, body: Option<&Value>) -> Value {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent: ureq::Agent = config.timeout_global(Some(4 * PATIENCE)).build().into();
    let answer = agent.post(url).send_json(body.unwrap_or(&Value::Null));
    let answer: Value = answer.expect("it answers").body_mut().read_json().expect("JSON");
    assert!(answer["value"]["error"].is_null(), "{url}: {answer}");
    answer["value"].clone()
}

#[test]
#[cfg_attr(not(browser_tests), ignore = "PAGESCRUB_BROWSER_TESTS is not 1")]
fn pages_of_every_kind_open_without_a_complaint_and_fit_a_phone() {
    for report in [sample(), golden(), clean()] {
        let browser = Browser::showing(&report);
        for width in [400, 1200] {
            let metrics =
                json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
            let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": metrics });
            browser.post("goog/cdp/execute", &command);
            browser.run("document.querySelectorAll('.opens').forEach(button => button.click())");
            let hidden = "const { scrollWidth, clientWidth } = document.documentElement;\
                return scrollWidth - clientWidth";
            assert_eq!(browser.run(hidden), 0, "{width}");
        }
        browser.assert_quiet();
    }
}

#[test]
#[cfg_attr(not(browser_tests), ignore = "PAGESCRUB_BROWSER_TESTS is not 1")]
fn headings_sort_and_say_so() {
    let browser = Browser::showing(&sample());
    assert_eq!(browser.ranks(), (1..=14).collect::<Vec<_>>());
    browser.click("#table th:nth-child(5) button");
    let order = "return [...document.querySelectorAll('tr.suspect td:nth-child(5)')]\
        .map(td => td.textContent)";
    let pages = browser.run(order);
    assert_eq!((&pages[0], &pages[13]), (&json!("(1:9)"), &json!("(3:90300)")));
    assert_eq!(browser.count("th[aria-sort=ascending]:nth-child(5)"), 1);
    browser.click("#table th:nth-child(5) button");
    assert_eq!(browser.run(order)[0], "(3:90300)");
    assert_eq!(browser.count("th[aria-sort=descending]:nth-child(5)"), 1);
    for column in 1..=10 {
        browser.click(&format!("#table th:nth-child({column}) button"));
        assert_eq!(browser.count("th[aria-sort]"), 1);
    }
    browser.assert_quiet();
}

#[test]
#[cfg_attr(not(browser_tests), ignore = "PAGESCRUB_BROWSER_TESTS is not 1")]
fn filters_narrow_the_list_and_are_cleared() {
    let browser = Browser::showing(&sample());
    browser.type_into("#filter", "lost block");
    assert_eq!((browser.ranks(), browser.text("#count")), (vec![4, 5], "2 of 14".to_owned()));
    browser.click("#clear");
    assert_eq!(
        (browser.ranks().len(), browser.text("#count")),
        (14, "14 suspect pages".to_owned())
    );
    for (filter, ranks) in [
        ("#2-3, 7", vec![2, 3, 7]),
        ("incident:3", vec![3, 4, 5, 6, 7]),
        ("</SCRIPT>", vec![12]),
        ("nothing has this", vec![]),
    ] {
        browser.type_into("#filter", filter);
        assert_eq!(browser.ranks(), ranks, "{filter}");
        browser.click("#clear");
    }
    browser.click("#plan li:nth-child(4) button.jump");
    assert_eq!(browser.ranks(), (3..=9).collect::<Vec<_>>());
    browser.click("#clear");
    browser.run(
        "const select = document.getElementById('by-tier');\
         select.value = [...select.options].find(option => option.text === 'T3').value;\
         select.dispatchEvent(new Event('change'));",
    );
    assert_eq!(browser.ranks(), [11, 12]);
    browser.assert_quiet();
}

#[test]
#[cfg_attr(not(browser_tests), ignore = "PAGESCRUB_BROWSER_TESTS is not 1")]
fn files_have_a_filter_also_where_nothing_is_suspect() {
    for report in [sample(), clean()] {
        let browser = Browser::showing(&report);
        browser.type_into("#file-filter", "SALES");
        let shown = browser.count("#files tbody tr:not([hidden])");
        let all = browser.count("#files tbody tr");
        assert!(0 < shown && shown < all, "{shown} of {all}");
        browser.type_into("#file-filter", " is in no path");
        assert_eq!(browser.count("#files tbody tr:not([hidden]), #files li:not([hidden])"), 0);
        browser.assert_quiet();
    }
}

#[test]
#[cfg_attr(not(browser_tests), ignore = "PAGESCRUB_BROWSER_TESTS is not 1")]
fn a_phone_shows_what_a_suspect_belongs_to() {
    let browser = Browser::showing(&sample());
    let metrics = json!({ "width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": true });
    let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": metrics });
    browser.post("goog/cdp/execute", &command);
    let widths = "return [...document.querySelectorAll('tr.suspect td:nth-child(9)')]\
        .filter(td => td.textContent).map(td => td.getBoundingClientRect().width)";
    let widths: Vec<f64> = serde_json::from_value(browser.run(widths)).expect("numbers");
    assert!(!widths.is_empty() && widths.iter().all(|width| *width > 200.0), "{widths:?}");
}

#[test]
#[cfg_attr(not(browser_tests), ignore = "PAGESCRUB_BROWSER_TESTS is not 1")]
fn a_keyboard_is_enough_to_read_everything_about_a_suspect() {
    let browser = Browser::showing(&sample());
    browser.run("document.querySelector('.opens').focus()");
    let rest = format!("{ARROW_DOWN}{ARROW_DOWN}{ARROW_DOWN}{ENTER}");
    browser.type_into(".opens", &rest);
    assert_eq!(browser.run("return +document.activeElement.textContent"), 4);
    assert_eq!(browser.count("tr.details"), 1);
    assert_eq!(browser.count(".opens[aria-expanded=true]"), 1);
    let details = browser.text("tr.details");
    let suspect = &sample().suspects[3];
    let (stored, computed) = (suspect.stored.expect("both"), suspect.computed.expect("both"));
    for words in [
        &*suspect.message.to_string(),
        &*suspect.action,
        &*suspect.path,
        &format!("stored {stored}, computed {computed}"),
        &format!("byte {} of the file", suspect.offset_bytes),
        "380 consequence + 90 certainty + 60 incident + 40 recovery + 30 blast = 600",
        "lost block (likely)",
    ] {
        assert!(details.contains(words), "{words} is not in {details}");
    }
    browser.run("document.activeElement.click()");
    assert_eq!(browser.count("tr.details"), 0);
    browser.assert_quiet();
}

#[test]
#[cfg_attr(not(browser_tests), ignore = "PAGESCRUB_BROWSER_TESTS is not 1")]
fn a_hundred_thousand_suspects_open_sort_and_print() {
    let began = Instant::now();
    let browser = Browser::showing(&long(html::SUSPECTS_MAX));
    assert_eq!(browser.text("#count"), "100,000 suspect pages");
    assert!(browser.count("tr.suspect") <= 100, "only what is seen is in the page");
    browser.click("#table th:first-child button");
    assert_eq!(browser.ranks()[0], 100_000);
    browser.click("#pages [data-go=last]");
    assert_eq!(browser.ranks().last(), Some(&1));
    browser.click("#table th:nth-child(9) button");
    browser.type_into("#filter", "(3:3)");
    assert_eq!(browser.ranks(), [2]);
    browser.click("#clear");
    browser.run("dispatchEvent(new Event('beforeprint'))");
    assert_eq!((browser.count("tr.suspect"), browser.count("tr.details")), (200, 200));
    assert_eq!(browser.count("details.card:not([open])"), 0);
    browser.run("dispatchEvent(new Event('afterprint'))");
    assert_eq!((browser.count("tr.suspect"), browser.count("tr.details")), (100, 0));
    browser.assert_quiet();
    assert!(began.elapsed() < 4 * PATIENCE, "{:?}", began.elapsed());
}
