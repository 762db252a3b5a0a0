//! `[notify]`: whom the daemon tells, of what, and how they are reached.
//!
//! Secrets are files, and what leaves the machine is encrypted. Not here: whether a receiver answers, which
//! `trimtab notify test` shows.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    path::{Path, PathBuf},
};

use jiff::tz::TimeZone;

use super::times::zone;
use crate::{
    load::resolve,
    notify::{Channel, MailEncryption, MailSettings, NotifyEvent, NotifySettings, Receiver},
    raw::notify::{RawEmail, RawNotify, RawSlack, RawWebhook},
    report::Report,
};

/// Where Slack's own bots post to.
const SLACK_API_URL: &str = "https://slack.com/api/chat.postMessage";
const SECRET_FORM: &str = "the path of a file, such as a systemd credential";
const URL_FORM: &str = "https://HOST/PATH, or http://127.0.0.1:PORT/PATH";
const NAME_FORM: &str = "lower-case letters, digits and dashes, such as \"operations\"";
const ADDRESS_FORM: &str = "a mail address such as \"trimtab@example.com\"";
/// More receivers would be a list for a mail server or a relay to keep.
const RECEIVERS_MAX: usize = 16;

/// The names that webhooks cannot have.
const TAKEN: [&str; 2] = ["slack", "email"];

/// `[notify]`.
pub(super) fn notify(raw: &RawNotify, report: &mut Report<'_>, folder: &Path) -> NotifySettings {
    let hour = report.whole("notify.digest_hour", raw.digest_hour, 8, 0..=23);
    let digest_zone = match &raw.digest_time_zone {
        None => Some(TimeZone::UTC),
        Some(name) => zone(name, "notify.digest_time_zone", report),
    };
    let mut receivers: Vec<Receiver> = raw
        .webhook
        .iter()
        .enumerate()
        .filter_map(|(index, raw)| webhook(raw, index, report, folder))
        .collect();
    refuse_names(&raw.webhook, report);
    receivers.extend(raw.slack.as_ref().and_then(|raw| slack(raw, report, folder)));
    receivers.extend(raw.email.as_ref().and_then(|raw| email(raw, report, folder)));
    if receivers.len() > RECEIVERS_MAX {
        let why = "more receivers than the daemon tells";
        report.refuse("notify.webhook", receivers.len(), why, format!("at most {RECEIVERS_MAX}"));
    }
    NotifySettings {
        page_url: page_url(raw, report),
        digest_hour: i8::try_from(hour).unwrap_or(8),
        digest_zone: digest_zone.unwrap_or(TimeZone::UTC),
        receivers,
    }
}

fn page_url(raw: &RawNotify, report: &mut Report<'_>) -> Option<String> {
    let form = "http://HOST or https://HOST, as people type it";
    let url = report.optional("notify.page_url", raw.page_url.as_ref(), form)?;
    if Address::of(&url).is_none() {
        report.refuse_text("notify.page_url", &url, "not an address", form);
    }
    Some(url.trim_end_matches('/').to_owned())
}

fn webhook(
    raw: &RawWebhook,
    index: usize,
    report: &mut Report<'_>,
    folder: &Path,
) -> Option<Receiver> {
    let key = |name: &str| format!("notify.webhook[{index}].{name}");
    let name = report.required(&key("name"), raw.name.as_ref(), NAME_FORM);
    let url = safe_url(&key("url"), raw.url.as_ref(), report);
    let secret_file = file(&key("secret_file"), raw.secret_file.as_ref(), report, folder);
    let events = events(&key("events"), raw.events.as_ref(), default_events(), report);
    let channel = Channel::Webhook { url: url?, secret_file: secret_file? };
    Some(Receiver { name: name?.to_owned(), events, channel })
}

fn refuse_names(webhooks: &[RawWebhook], report: &mut Report<'_>) {
    let mut seen = BTreeSet::from(TAKEN);
    for (index, name) in webhooks.iter().enumerate().filter_map(|(index, raw)| {
        let name = raw.name.as_deref().filter(|name| !name.trim().is_empty())?;
        Some((index, name))
    }) {
        let key = format!("notify.webhook[{index}].name");
        let fits =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        // It names a file in the state folder.
        if !name.chars().all(fits) || name.len() > 40 {
            report.refuse_text(&key, name, "not a name", NAME_FORM);
        } else if !seen.insert(name) {
            report.refuse_text(&key, name, "another receiver has this name", "unique names");
        }
    }
}

fn slack(raw: &RawSlack, report: &mut Report<'_>, folder: &Path) -> Option<Receiver> {
    let secret_file = file("notify.slack.secret_file", raw.secret_file.as_ref(), report, folder);
    let form = "a channel such as \"#aws-costs\", or its id";
    let channel = report.optional("notify.slack.channel", raw.channel.as_ref(), form);
    let api_url = match &raw.api_url {
        None => Some(SLACK_API_URL.to_owned()),
        Some(_) => safe_url("notify.slack.api_url", raw.api_url.as_ref(), report),
    };
    let events = events("notify.slack.events", raw.events.as_ref(), default_events(), report);
    let channel = Channel::Slack { secret_file: secret_file?, channel, api_url: api_url? };
    Some(Receiver { name: "slack".to_owned(), events, channel })
}

fn email(raw: &RawEmail, report: &mut Report<'_>, folder: &Path) -> Option<Receiver> {
    let host = report.required("notify.email.host", raw.host.as_ref(), "a mail server's name");
    let host = host.map(ToOwned::to_owned);
    let encryption = encryption(raw, host.as_deref(), report);
    let usual_port = match encryption {
        MailEncryption::StartTls => 587,
        MailEncryption::Tls => 465,
        MailEncryption::None => 25,
    };
    let port = report.whole("notify.email.port", raw.port, usual_port, 1..=65_535);
    let login = login(raw, report, folder);
    let from = address("notify.email.from", raw.from.as_ref(), report);
    let to = report.list("notify.email.to", raw.to.as_ref(), ADDRESS_FORM);
    if to.is_empty() {
        report.missing("notify.email.to", "nobody to write to", "at least one mail address");
    }
    for (index, one) in to.iter().enumerate().filter(|(_, one)| !one.trim().is_empty()) {
        address(&format!("notify.email.to[{index}]"), Some(one), report);
    }
    let digest = BTreeSet::from([NotifyEvent::DailyDigest]);
    let events = events("notify.email.events", raw.events.as_ref(), digest, report);
    let port = u16::try_from(port).unwrap_or(587);
    let mail = MailSettings { host: host?, port, encryption, login, from: from?, to };
    Some(Receiver { name: "email".to_owned(), events, channel: Channel::Email(mail) })
}

fn encryption(raw: &RawEmail, host: Option<&str>, report: &mut Report<'_>) -> MailEncryption {
    let key = "notify.email.encryption";
    let words = [
        ("starttls", MailEncryption::StartTls),
        ("tls", MailEncryption::Tls),
        ("none", MailEncryption::None),
    ];
    let word = report.word(key, raw.encryption.as_deref(), &words);
    let encryption = word.unwrap_or(MailEncryption::StartTls);
    if encryption == MailEncryption::None && host.is_some_and(|host| !is_loopback(host)) {
        let why = "what is told would cross the network in the clear";
        report.refuse_text(
            key,
            "none",
            why,
            "starttls or tls; none only to 127.0.0.1 or localhost",
        );
    }
    encryption
}

fn login(raw: &RawEmail, report: &mut Report<'_>, folder: &Path) -> Option<(String, PathBuf)> {
    let (name, password) = ("notify.email.username", "notify.email.password_file");
    match (&raw.username, &raw.password_file) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            let username = report.required(name, raw.username.as_ref(), "a name")?.to_owned();
            Some((username, file(password, raw.password_file.as_ref(), report, folder)?))
        }
        (Some(_), None) => {
            report.missing(password, "username needs it", SECRET_FORM);
            None
        }
        (None, Some(_)) => {
            report.missing(name, "password_file needs it", "a name");
            None
        }
    }
}

fn address(key: &str, raw: Option<&String>, report: &mut Report<'_>) -> Option<String> {
    let text = report.required(key, raw, ADDRESS_FORM)?;
    let bare = text.rsplit_once('<').map_or(text, |(_, rest)| rest.trim_end_matches('>'));
    let fits = bare.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@')
    });
    if !fits || text.contains(char::is_control) {
        report.refuse_text(key, text, "not a mail address", ADDRESS_FORM);
        return None;
    }
    Some(text.to_owned())
}

fn file(
    key: &str,
    raw: Option<&String>,
    report: &mut Report<'_>,
    folder: &Path,
) -> Option<PathBuf> {
    report.required(key, raw, SECRET_FORM).map(|path| resolve(folder, path))
}

fn default_events() -> BTreeSet<NotifyEvent> {
    NotifyEvent::ALL.into_iter().filter(|event| event.is_told_by_default()).collect()
}

fn events(
    key: &str,
    raw: Option<&Vec<String>>,
    default: BTreeSet<NotifyEvent>,
    report: &mut Report<'_>,
) -> BTreeSet<NotifyEvent> {
    let words = NotifyEvent::ALL.map(|event| (event.as_str(), event));
    let allowed = words.map(|(word, _)| word).join(", ");
    let chosen = report.list(key, raw, &allowed);
    if raw.is_none() {
        return default;
    }
    if chosen.is_empty() {
        report.refuse(key, "[]", "a receiver that is told nothing", allowed);
    }
    let read = |(index, word): (usize, &String)| {
        report.word(&format!("{key}[{index}]"), Some(word), &words)
    };
    chosen.iter().enumerate().filter(|(_, word)| !word.trim().is_empty()).filter_map(read).collect()
}

/// An address that nobody on the way can read or change what is sent to.
fn safe_url(key: &str, raw: Option<&String>, report: &mut Report<'_>) -> Option<String> {
    let url = report.required(key, raw, URL_FORM)?;
    match Address::of(url) {
        None => {
            report.refuse_text(key, url, "not an address without a password in it", URL_FORM);
            None
        }
        Some(address) if !address.encrypted && !is_loopback(address.host) => {
            let why = "what is told would cross the network in the clear";
            report.refuse_text(key, url, why, URL_FORM);
            None
        }
        Some(_) => Some(url.to_owned()),
    }
}

/// The parts of an HTTP address that are looked at.
struct Address<'a> {
    encrypted: bool,
    host: &'a str,
}

impl<'a> Address<'a> {
    fn of(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let encrypted = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let host = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?.0,
            None => authority.split(':').next()?,
        };
        let odd = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '\\';
        let fits = !host.is_empty() && !authority.contains('@') && !url.contains(odd);
        fits.then_some(Self { encrypted, host })
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
