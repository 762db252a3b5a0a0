//! A message as Slack's blocks: a title, a section for each notice with a link to the page, and what is not listed.
//!
//! Nothing comes in from Slack. Not here: how it is sent (`courier`).

use serde_json::{Value, json};
use trimtab_config::Severity;

use super::notice::{Message, Notice, link};

/// Letters that Slack takes in a header.
const HEADER_MAX: usize = 150;
/// Letters that Slack takes in a section are 3,000; some are escaped to five.
const SECTION_MAX: usize = 2_000;
/// Sections of a message; Slack takes fifty blocks, and a channel is no list.
const SECTIONS_MAX: usize = 10;

/// What is posted. `channel` is a bot's; an incoming webhook has one of its own.
pub(super) fn body(message: &Message, channel: Option<&str>, page_url: Option<&str>) -> Value {
    let title = format!("{}{}", mark(message.severity()), message.title());
    let mut blocks = vec![json!({
        "type": "header",
        "text": { "type": "plain_text", "text": cut(&title, HEADER_MAX), "emoji": false },
    })];
    blocks.extend(message.notices.iter().take(SECTIONS_MAX).map(|notice| {
        let text = section(notice, message.count > 1, page_url);
        json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
    }));
    if let Some(rest) = rest(message, page_url) {
        let element = json!({ "type": "mrkdwn", "text": rest });
        blocks.push(json!({ "type": "context", "elements": [element] }));
    }
    let mut body = json!({ "text": escaped(&title), "blocks": blocks, "unfurl_links": false });
    if let Some(channel) = channel {
        body["channel"] = json!(channel);
    }
    body
}

/// Severities read without colour.
const fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "",
        Severity::Warning => "Warning: ",
        Severity::Critical => "CRITICAL: ",
    }
}

fn section(notice: &Notice, is_one_of_many: bool, page_url: Option<&str>) -> String {
    let mut lines = Vec::new();
    if is_one_of_many {
        lines.push(format!("*{}*", escaped(&notice.title)));
    }
    lines.extend(
        notice.details.iter().map(|(name, value)| format!("{}: {}", escaped(name), escaped(value))),
    );
    let text = cut(&lines.join("\n"), SECTION_MAX);
    match link(page_url, notice.path.as_ref()) {
        Some(url) => format!("{text}\n<{}|Open the page>", escaped(&url)),
        // A section without text is refused.
        None if text.is_empty() => escaped(&notice.title),
        None => text,
    }
}

/// What is not listed, and what was never told.
fn rest(message: &Message, page_url: Option<&str>) -> Option<String> {
    let listed = message.notices.len().min(SECTIONS_MAX) as u64;
    let more = message.count.saturating_sub(listed);
    let root = "/".to_owned();
    let page = link(page_url, Some(&root));
    let all = page.map_or_else(String::new, |url| format!(" on <{}|the page>", escaped(&url)));
    let more = (more > 0).then(|| format!("{more} more{all}."));
    let dropped = message.dropped_before;
    let dropped = (dropped > 0).then(|| format!("{dropped} earlier notices were dropped."));
    let parts: Vec<String> = more.into_iter().chain(dropped).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Text with nothing in it that Slack takes for a link, a mention or a channel.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn cut(text: &str, letters_max: usize) -> String {
    if text.chars().count() <= letters_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(letters_max - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use trimtab_config::NotifyEvent;

    use super::*;

    fn message(count: u64, title: &str) -> Message {
        let notice = |index: u64| {
            Notice::new(NotifyEvent::ChangeStuck, format!("k{index}"), Timestamp::UNIX_EPOCH, title)
                .detail("Reason", "x & <!channel>")
                .path("/changes/c")
        };
        let at = Timestamp::UNIX_EPOCH;
        let mut message = Message::of("slack", notice(0), at, at);
        (1..count).for_each(|index| message.push(notice(index)));
        message
    }

    #[test]
    fn nothing_in_a_name_is_taken_for_markup() {
        let body = body(&message(1, "<@U1> & co"), Some("#ops"), Some("https://t"));
        assert_eq!(body["channel"], "#ops");
        assert_eq!(body["text"], "CRITICAL: &lt;@U1&gt; &amp; co");
        let section = body["blocks"][1]["text"]["text"].as_str().expect("text");
        assert_eq!(
            section,
            "Reason: x &amp; &lt;!channel&gt;\n<https://t/changes/c|Open the page>"
        );
    }

    #[test]
    fn many_are_cut_to_what_slack_takes() {
        let mut message = message(64, &"n".repeat(4_000));
        message.dropped_before = 3;
        let body = body(&message, None, None);
        let blocks = body["blocks"].as_array().expect("a list");
        assert_eq!(blocks.len(), 12);
        for block in &blocks[1..11] {
            let text = block["text"]["text"].as_str().expect("text");
            assert!(text.chars().count() <= 3_000 && !text.is_empty());
        }
        let header = blocks[0]["text"]["text"].as_str().expect("text");
        assert_eq!(header, "CRITICAL: 64 changes could not be taken back");
        let rest = blocks[11]["elements"][0]["text"].as_str().expect("text");
        assert_eq!(rest, "54 more. 3 earlier notices were dropped.");
        assert!(body.get("channel").is_none());
    }
}
