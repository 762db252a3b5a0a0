//! Chromium by the WebDriver protocol: plain JSON over HTTP (W3C WebDriver), as far as one page needs it.
//!
//! Not here: any expectation about the page.

use std::{fs, path::PathBuf, time::Duration};

use reqwest::{Client, Method};
use serde_json::{Value, json};

/// The key under which WebDriver wraps the id of an element (W3C WebDriver, section 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A page of ours is there in a fraction of a second; a busy machine is given more.
const LOAD_MAX: Duration = Duration::from_secs(60);

/// The port in the line by which chromedriver says that it has started.
pub(crate) fn port(line: &str) -> Option<String> {
    let rest = line.split_once("started successfully on port ")?.1;
    Some(rest.trim_end_matches('.').to_owned())
}

/// An open browser window.
pub(crate) struct Browser {
    http: Client,
    session: String,
}

impl Browser {
    /// Opens a headless window through the chromedriver on `port`.
    pub(crate) async fn open(port: &str) -> Self {
        let http = Client::builder().no_proxy().build().expect("a plain client");
        // Without a sandbox and shared memory, because containers offer neither; the page is our own.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-proxy-server",
            "--hide-scrollbars",
        ];
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let sessions = format!("http://127.0.0.1:{port}/session");
        let value = ask(&http, Method::POST, &sessions, &capabilities).await;
        let id = value["sessionId"].as_str().expect("a session has an id");
        Self { session: format!("{sessions}/{id}"), http }
    }

    pub(crate) async fn close(&self) {
        ask(&self.http, Method::DELETE, &self.session, &Value::Null).await;
    }

    pub(crate) async fn go(&self, url: &str) {
        self.post("url", json!({"url": url})).await;
    }

    /// Gives the page `width` pixels, as a screen of that width would: windows themselves do not get that narrow.
    pub(crate) async fn resize(&self, width: u32) {
        let screen =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        let command = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": screen});
        self.post("goog/cdp/execute", command).await;
    }

    /// The first element that matches a CSS selector.
    pub(crate) async fn find(&self, selector: &str) -> String {
        let query = json!({"using": "css selector", "value": selector});
        let found = self.post("element", query).await;
        found[ELEMENT].as_str().expect("an element has an id").to_owned()
    }

    pub(crate) async fn click(&self, element: &str) {
        self.post(&format!("element/{element}/click"), json!({})).await;
    }

    /// Types into the first element that matches.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.post(&format!("element/{element}/value"), json!({"text": text})).await;
    }

    /// Clicks the first element that matches.
    pub(crate) async fn press(&self, selector: &str) {
        let element = self.find(selector).await;
        self.click(&element).await;
    }

    /// Clicks the first element that matches and waits for the page that it leads to: a click may return before its page
    /// has begun to load.
    pub(crate) async fn follow(&self, selector: &str) {
        self.evaluate("window.isLeft = true").await;
        self.press(selector).await;
        let url = format!("{}/execute/sync", self.session);
        let script = "return !window.isLeft && document.readyState === 'complete'";
        let question = json!({"script": script, "args": []});
        let loaded = tokio::time::timeout(LOAD_MAX, async {
            // Between two pages there is nobody to answer, which is no answer either.
            while answer(&self.http, Method::POST, &url, &question).await.ok() != Some(true.into())
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        loaded.await.unwrap_or_else(|_| panic!("`{selector}` led to no other page"));
    }

    /// Shows pages in the `light` or the `dark` theme, as the system would ask for it.
    pub(crate) async fn theme(&self, theme: &str) {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": theme}]});
        let command = json!({"cmd": "Emulation.setEmulatedMedia", "params": media});
        self.post("goog/cdp/execute", command).await;
    }

    /// What a script hands to its last argument.
    pub(crate) async fn evaluate_later(&self, script: &str) -> Value {
        self.post("execute/async", json!({"script": script, "args": []})).await
    }

    /// The words of the page's main part.
    pub(crate) async fn text(&self) -> String {
        let text = self.evaluate("return document.querySelector('main').innerText").await;
        text.as_str().expect("a page has text").to_owned()
    }

    /// The path and the query of the page.
    pub(crate) async fn path(&self) -> String {
        let path = self.evaluate("return location.pathname + location.search").await;
        path.as_str().expect("a path is text").to_owned()
    }

    /// What a script returns.
    pub(crate) async fn evaluate(&self, script: &str) -> Value {
        self.post("execute/sync", json!({"script": script, "args": []})).await
    }

    /// Keeps a picture of the page under `target/tmp`.
    pub(crate) async fn screenshot(&self, name: &str) -> PathBuf {
        let url = format!("{}/screenshot", self.session);
        let value = ask(&self.http, Method::GET, &url, &Value::Null).await;
        let picture = from_base64(value.as_str().expect("a picture is text"));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("browser");
        fs::create_dir_all(&folder).expect("the target folder can be written");
        let path = folder.join(name);
        fs::write(&path, picture).expect("the target folder can be written");
        path
    }

    /// What the browser could not do, or what the page may not: errors of its console, but for the icon that nobody has
    /// and for conflicts, by which the page says that a proposal is no longer what it was.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let entries = self.post("se/log", json!({"type": "browser"})).await;
        let entries = entries.as_array().expect("the log is a list").iter();
        entries
            .filter(|entry| entry["level"] == "SEVERE")
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .filter(|message| {
                !message.contains("/favicon.ico") && !message.contains("409 (Conflict)")
            })
            .collect()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        ask(&self.http, Method::POST, &format!("{}/{path}", self.session), &body).await
    }
}

async fn ask(http: &Client, method: Method, url: &str, body: &Value) -> Value {
    let answered = answer(http, method, url, body).await;
    answered.unwrap_or_else(|message| panic!("{url}: {body}: {message}"))
}

/// The driver's value, or why it has none.
async fn answer(http: &Client, method: Method, url: &str, body: &Value) -> Result<Value, Value> {
    let mut request = http.request(method, url);
    if !body.is_null() {
        request = request.json(body);
    }
    let answer = request.send().await.expect("chromedriver answers");
    let status = answer.status();
    let mut answer: Value = answer.json().await.expect("chromedriver speaks JSON");
    if status.is_success() {
        Ok(answer["value"].take())
    } else {
        Err(answer["value"]["message"].take())
    }
}

/// Decodes base64 (RFC 4648, section 4).
fn from_base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text.bytes().filter(|byte| *byte != b'=') {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    bytes
}
