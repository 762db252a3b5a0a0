//! The page in a real browser: the demo's, in headless Chromium, where a person approves with a click.
//!
//! Needs `chromium` and `chromedriver`; without them it is skipped, except in continuous integration. Screenshots go to
//! `target/tmp`. Not here: what the page says in each state (`web`'s own tests) and who may use it (`tests/api.rs`).

mod driver;
mod process;

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use reqwest::Client;
use serde_json::Value;

use driver::Browser;
use process::Running;

/// A desk and a telephone, CSS pixels.
const WIDTHS: [u32; 2] = [1280, 390];
/// Simulated seconds in a real one. Slower than by default: in a build without optimization on a busy machine a cycle takes
/// seconds, and at an hour a second its points would be stale before anybody can approve what rests on them.
const SPEED: &str = "120";
/// The demo proposes and changes within two minutes; a busy machine is given twice that.
const PATIENCE: Duration = Duration::from_secs(240);
/// Time passes fast in the demo: a proposal may be replaced between a look and a click.
const CLICKS_MAX: usize = 5;

/// What is missing, unless everything is there.
fn reason_not_runnable() -> Option<String> {
    let missing: Vec<&str> = ["chromium", "chromedriver"]
        .into_iter()
        .filter(|program| !process::answers(program))
        .collect();
    (!missing.is_empty()).then(|| format!("not installed: {}", missing.join(", ")))
}

#[expect(clippy::disallowed_methods, reason = "who runs a test is told by its own environment")]
fn is_continuous_integration() -> bool {
    std::env::var_os("CI").is_some()
}

#[expect(clippy::print_stderr, reason = "a skipped test must not look like one that passed")]
fn skip(reason: &str) {
    eprintln!("SKIPPED: the page is not tried in a browser: {reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_is_approved_with_a_click_and_fits_a_telephone() {
    if let Some(reason) = reason_not_runnable() {
        assert!(!is_continuous_integration(), "{reason}");
        return skip(&reason);
    }
    let arguments = ["demo", "--seed", "7", "--port", "0", "--speed", SPEED];
    let mut demo = Running::start(env!("CARGO_BIN_EXE_trimtab"), &arguments);
    let page = demo.wait_for_line(|line| line.strip_prefix("page: ").map(str::to_owned));
    let mut chromedriver = Running::start("chromedriver", &["--port=0"]);
    let port = chromedriver.wait_for_line(driver::port);
    let browser = Browser::open(&port).await;
    // The browser is closed whatever the test finds.
    let tried = AssertUnwindSafe(visit(&browser, &page)).catch_unwind().await;
    browser.close().await;
    if let Err(panic) = tried {
        std::panic::resume_unwind(panic);
    }
}

async fn visit(browser: &Browser, page: &str) {
    let api = Api::new(page);
    api.wait_for("recommendations", |one| one["state"] == "awaiting_approval").await;
    approve(browser, page, &api).await;
    // By itself the demo changes something, too: both sections are then full.
    api.wait_for("changes", |one| one["state"] == "watching" || one["state"] == "kept").await;
    for width in WIDTHS {
        browser.resize(width).await;
        browser.go(page).await;
        fits(browser, width, "index").await;
        let first = browser.find("#recommendations tbody tr td a").await;
        browser.click(&first).await;
        let path = browser.evaluate("return location.pathname").await;
        let path = path.as_str().expect("a path is text");
        assert!(path.starts_with("/recommendations/"), "the link leads to {path}");
        fits(browser, width, "detail").await;
    }
    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "the browser complains: {complaints:#?}");
}

/// Clicks the first Approve button; the API must then tell of the approval.
async fn approve(browser: &Browser, page: &str, api: &Api) {
    let button = "form[action$='/approve'] button.primary";
    browser.resize(WIDTHS[0]).await;
    let mut seen = Vec::new();
    for _ in 0..CLICKS_MAX {
        browser.go(page).await;
        let action = browser.attribute("form[action$='/approve']", "action").await;
        let id = action.split('/').nth(2).expect("the form's action names the recommendation");
        let first = browser.find(button).await;
        browser.click(&first).await;
        let state = api.state_of(id).await;
        if state == "approved" || state == "changed" {
            let path = browser.evaluate("return location.pathname").await;
            assert_eq!(path, "/", "after an approval the page is shown again");
            return;
        }
        let answer = browser.evaluate("return document.querySelector('main').innerText").await;
        seen.push(format!("{id}: {state}: {answer}"));
    }
    panic!("no click approved anything: {seen:#?}");
}

/// Nothing of the page is wider than the screen.
async fn fits(browser: &Browser, width: u32, name: &str) {
    let widest = browser.evaluate("return document.documentElement.scrollWidth").await;
    let widest = widest.as_u64().expect("a width is whole");
    let screenshot = browser.screenshot(&format!("{name}-{width}.png")).await;
    assert!(
        widest <= u64::from(width),
        "{name} is {widest} px wide on a screen of {width} px: see {}",
        screenshot.display()
    );
}

/// The demo's API, which is open to this machine.
struct Api {
    page: String,
    http: Client,
}

impl Api {
    fn new(page: &str) -> Self {
        let http = Client::builder().no_proxy().build().expect("a plain client");
        Self { page: page.trim_end_matches('/').to_owned(), http }
    }

    async fn list(&self, name: &str) -> Vec<Value> {
        let url = format!("{}/api/v1/{name}", self.page);
        let answer = self.http.get(url).send().await.expect("the demo answers");
        assert!(answer.status().is_success(), "{name}: {}", answer.status());
        let body: Value = answer.json().await.expect("the API speaks JSON");
        body[name].as_array().expect("a list under its own name").clone()
    }

    async fn wait_for(&self, name: &str, wanted: impl Fn(&Value) -> bool) {
        let seen = tokio::time::timeout(PATIENCE, async {
            while !self.list(name).await.iter().any(&wanted) {
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        });
        if seen.await.is_err() {
            let states: Vec<_> =
                self.list(name).await.iter().map(|one| one["state"].clone()).collect();
            panic!("the {name} never became what the page is to show: {states:?}");
        }
    }

    async fn state_of(&self, id: &str) -> String {
        let all = self.list("recommendations").await;
        let one = all.iter().find(|one| one["id"] == id);
        one.and_then(|one| one["state"].as_str()).unwrap_or("gone").to_owned()
    }
}
