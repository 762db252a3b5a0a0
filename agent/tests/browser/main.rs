//! The page in a real browser, headless Chromium: a person signs in, reads, approves, watches, takes back and stops.
//!
//! Needs `chromium` and `chromedriver`; without them it is skipped, except in continuous integration. Screenshots go to
//! `target/tmp`. Not here: what the page says in each state (`tests/page.rs`) and who may use it (`tests/api.rs`).

mod daemon;
mod driver;
mod looks;
mod process;

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use serde_json::Value;
use tokio::sync::Mutex;

use daemon::{Api, Daemon, SPEED};
use driver::Browser;
use looks::{WIDTHS, axe, look};
use process::Running;

/// Time passes fast here: a proposal may be replaced between a look and a click.
const CLICKS_MAX: usize = 5;

/// Daemons and browsers together are much for a small machine: one test at a time.
static TURN: Mutex<()> = Mutex::const_new(());

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
    eprintln!("SKIPPED: {reason}");
}

/// Whether there is a browser; without one the test is skipped.
fn is_runnable() -> bool {
    let reason = reason_not_runnable();
    if let Some(reason) = &reason {
        assert!(!is_continuous_integration(), "{reason}");
        skip(&format!("the page is not tried in a browser: {reason}"));
    }
    reason.is_none()
}

/// Opens a browser for `visit` and closes it whatever that finds.
async fn with_browser(visit: impl AsyncFnOnce(&Browser)) {
    let mut chromedriver = Running::start("chromedriver", &["--port=0"]);
    let port = chromedriver.wait_for_line(driver::port);
    let browser = Browser::open(&port).await;
    browser.resize(WIDTHS[0]).await;
    let tried = AssertUnwindSafe(visit(&browser)).catch_unwind().await;
    browser.close().await;
    if let Err(panic) = tried {
        std::panic::resume_unwind(panic);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_is_approved_with_a_click() {
    let _turn = TURN.lock().await;
    if !is_runnable() {
        return;
    }
    let arguments = ["demo", "--seed", "7", "--port", "0", "--speed", SPEED];
    let mut demo = Running::start(env!("CARGO_BIN_EXE_trimtab"), &arguments);
    let page = demo.wait_for_line(|line| line.strip_prefix("page: ").map(str::to_owned));
    with_browser(async |browser| {
        let api = Api::new(&page, None);
        api.wait_for("recommendations", is_asked).await;
        approve(browser, &page, &api).await;
        let complaints = browser.complaints().await;
        assert!(complaints.is_empty(), "the browser complains: {complaints:#?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_approved_watched_taken_back_and_everything_stopped() {
    let _turn = TURN.lock().await;
    if !is_runnable() {
        return;
    }
    let daemon = Daemon::start().await;
    with_browser(async |browser| {
        let (page, api) = (&daemon.page, Api::new(&daemon.page, Some(&daemon.token)));
        sign_in(browser, &daemon).await;
        api.wait_for("recommendations", is_asked).await;
        let id = approve(browser, page, &api).await;
        let change = carried_out(browser, page, &api, &id).await;
        look_everywhere(browser, page, &api, (&id, &change)).await;
        taken_back(browser, page, &api, &change).await;
        stopped(browser, page, &api).await;
        browser.follow("form[action='/logout'] button").await;
        assert_eq!(browser.path().await, "/login", "signed out");
        browser.go(&format!("{page}/recommendations")).await;
        assert_eq!(browser.path().await, "/login", "and out it is");
        let complaints = browser.complaints().await;
        assert!(complaints.is_empty(), "the browser complains: {complaints:#?}");
    })
    .await;
}

fn is_asked(one: &Value) -> bool {
    one["state"] == "awaiting_approval" && one["action"] == "resize-instance"
}

async fn sign_in(browser: &Browser, daemon: &Daemon) {
    browser.go(&daemon.page).await;
    assert_eq!(browser.path().await, "/login", "a stranger is shown the way in");
    look(browser, ("login", &format!("{}/login", daemon.page)), axe().as_deref()).await;
    browser.fill("input[name=token]", &daemon.token).await;
    browser.follow("main button").await;
    assert_eq!(browser.path().await, "/", "signed in");
}

/// From the list to a machine's page to the button; the API must then tell of the approval. Its id.
async fn approve(browser: &Browser, page: &str, api: &Api) -> String {
    let mut seen = Vec::new();
    for _ in 0..CLICKS_MAX {
        let list = "recommendations?state=awaiting_approval&action=resize-instance";
        browser.go(&format!("{page}/{list}")).await;
        browser.follow("table.queue tbody a").await;
        let path = browser.path().await;
        let id = path.strip_prefix("/recommendations/").expect("the link leads to one").to_owned();
        let text = browser.text().await;
        for part in ["CPU over the look-back", "Checks", "Steps and their undo", "Not seen"] {
            assert!(text.contains(part), "the page does not tell of `{part}`: {text}");
        }
        browser.fill("form[action$='/approve'] input[name=reason]", "seen in the browser").await;
        browser.press("form[action$='/approve'] input[name=now]").await;
        browser.follow("form[action$='/approve'] button.primary").await;
        let state = api.state_of(&id).await;
        if state == "approved" || state == "changed" {
            assert_eq!(browser.path().await, path, "after an approval its page is shown again");
            return id;
        }
        seen.push(format!("{id}: {state}: {}", browser.text().await));
    }
    panic!("no click approved anything: {seen:#?}");
}

/// Waits until the change is watched, and finds it so on its page. Its id.
async fn carried_out(browser: &Browser, page: &str, api: &Api, id: &str) -> String {
    let is_its = |one: &Value| one["recommendation_id"] == id && one["state"] == "watching";
    let change = api.wait_for("changes", is_its).await;
    browser.go(&format!("{page}/changes?state=watching")).await;
    browser.follow(&format!("a[href='/changes/{change}']")).await;
    let text = browser.text().await;
    for part in ["set-type", "done", "since the change", "Undo this change", "operator"] {
        assert!(text.contains(part), "the change's page does not tell of `{part}`: {text}");
    }
    change
}

async fn taken_back(browser: &Browser, page: &str, api: &Api, change: &str) {
    browser.go(&format!("{page}/changes/{change}")).await;
    browser.follow("form[action$='/undo'] button").await;
    assert_eq!(browser.path().await, format!("/changes/{change}"), "its page is shown again");
    api.wait_for("changes", |one| one["id"] == change && one["state"] == "undone").await;
    browser.go(&format!("{page}/changes/{change}?refresh=5")).await;
    let text = browser.text().await;
    assert!(text.contains("undone") && text.contains("asked for by operator"), "{text}");
    browser.go(&format!("{page}/audit?q=asked+for+by")).await;
    let text = browser.text().await;
    assert!(text.contains(change) && text.contains("it is taken back"), "{text}");
}

async fn stopped(browser: &Browser, page: &str, api: &Api) {
    browser.go(page).await;
    browser.fill("form[action='/stop'] input[name=reason]", "end of the test").await;
    browser.follow("form[action='/stop'] button").await;
    let said = "stopped by operator: end of the test";
    assert_eq!(api.get("status").await["stopped"], said);
    let alert = browser.evaluate("return document.querySelector('[role=alert]').innerText").await;
    assert!(alert.as_str().is_some_and(|alert| alert.contains(said)), "{alert}");
    browser.follow("form[action='/resume'] button").await;
    assert_eq!(api.get("status").await["stopped"], Value::Null);
}

/// Every page, at a desk and on a telephone, by day and by night.
async fn look_everywhere(browser: &Browser, page: &str, api: &Api, (id, change): (&str, &str)) {
    let one = api.get(&format!("recommendations/{id}")).await;
    let arn = one["resource"]["arn"].as_str().expect("it has an ARN").to_owned();
    let asked = api.wait_for("recommendations", |one| one["state"] == "awaiting_approval").await;
    let axe = axe();
    for (name, path) in [
        ("overview", "/".to_owned()),
        ("list", "/recommendations?state=all".to_owned()),
        ("recommendation", format!("/recommendations/{asked}")),
        ("approve", format!("/recommendations/review?verdict=approve&id={asked}")),
        ("reject", format!("/recommendations/review?verdict=reject&id={asked}")),
        ("changes", "/changes".to_owned()),
        ("change", format!("/changes/{change}")),
        ("inventory", "/inventory".to_owned()),
        ("resource", format!("/inventory/resource?arn={arn}")),
        ("audit", "/audit".to_owned()),
    ] {
        look(browser, (name, &format!("{page}{path}")), axe.as_deref()).await;
    }
    browser.theme("light").await;
    browser.resize(WIDTHS[0]).await;
}
