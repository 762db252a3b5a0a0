//! `[notify]`: what it comes to, and what is refused.

use super::{accepted, with};
use crate::{Channel, MailEncryption, NotifyEvent, parse};

const WEBHOOK: &str =
    "[[notify.webhook]]\nname = \"ops\"\nurl = \"https://h.example.com/x\"\nsecret_file = \"/s\"\n";

#[track_caller]
fn refused(more: &str, expect: &str) {
    let error = parse(&with(more), "t.toml").expect_err("it must be refused");
    let found: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    assert!(found.len() == 1 && found[0].contains(expect), "{found:?}\n---\n{more}");
}

#[test]
fn nobody_is_told_by_default() {
    assert_eq!(accepted(&with("")).notify.receivers, []);
}

#[test]
fn receivers_have_harmless_defaults() {
    let text = format!(
        "{WEBHOOK}[notify.slack]\nsecret_file = \"/s\"\n\
         [notify.email]\nhost = \"m.example.com\"\nfrom = \"T <t@example.com>\"\nto = [\"a@b.c\"]\n\
         [notify]\npage_url = \"https://t.example.com/\"\n"
    );
    let notify = accepted(&with(&text)).notify;
    assert_eq!(notify.page_url.as_deref(), Some("https://t.example.com"));
    let names: Vec<&str> = notify.receivers.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["ops", "slack", "email"]);
    for receiver in &notify.receivers {
        let is_mail = matches!(receiver.channel, Channel::Email(_));
        for event in NotifyEvent::ALL {
            let told = if is_mail {
                event == NotifyEvent::DailyDigest
            } else {
                event.is_told_by_default()
            };
            assert_eq!(receiver.events.contains(&event), told, "{} {event}", receiver.name);
        }
    }
    let Channel::Email(mail) = &notify.receivers[2].channel else { panic!("it is mail") };
    assert_eq!((mail.encryption, mail.port), (MailEncryption::StartTls, 587));
}

#[test]
fn each_event_can_be_chosen_by_its_word() {
    for event in NotifyEvent::ALL {
        let text = format!("{WEBHOOK}events = [\"{event}\"]\n");
        let chosen = &accepted(&with(&text)).notify.receivers[0].events;
        assert_eq!(chosen.iter().collect::<Vec<_>>(), [&event]);
    }
    refused(&format!("{WEBHOOK}events = [\"test\"]\n"), "unknown word");
    refused(&format!("{WEBHOOK}events = []\n"), "a receiver that is told nothing");
}

#[test]
fn nothing_leaves_the_machine_in_the_clear() {
    let webhook = |url: &str| {
        format!("[[notify.webhook]]\nname = \"ops\"\nurl = \"{url}\"\nsecret_file = \"/s\"\n")
    };
    for url in ["https://h", "http://127.0.0.1:9/x", "http://localhost/x", "http://[::1]:9/x"] {
        assert_eq!(accepted(&with(&webhook(url))).notify.receivers.len(), 1, "{url}");
    }
    for url in ["http://h.example.com/x", "http://127.0.0.1.example.com/", "http://10.0.0.1/"] {
        refused(&webhook(url), "in the clear");
    }
    for url in ["ftp://127.0.0.1/", "https://", "https://u:p@h/", "http://127.0.0.1@h/", "h/x"] {
        refused(&webhook(url), "not an address");
    }
    refused("[notify.slack]\nsecret_file = \"/s\"\napi_url = \"http://s/\"\n", "in the clear");
    let mail = |more: &str| format!("[notify.email]\nfrom = \"t@e.x\"\nto = [\"a@b.c\"]\n{more}");
    refused(&mail("host = \"m.example.com\"\nencryption = \"none\"\n"), "in the clear");
    accepted(&with(&mail("host = \"127.0.0.1\"\nencryption = \"none\"\n")));
    refused(&mail("host = \"m\"\nusername = \"u\"\n"), "username needs it");
    refused(&mail("host = \"m\"\npassword_file = \"/p\"\n"), "password_file needs it");
}

#[test]
fn receivers_have_names_of_their_own() {
    let named = |name: &str| WEBHOOK.replace("ops", name);
    refused(&format!("{WEBHOOK}{WEBHOOK}"), "another receiver has this name");
    refused(&named("slack"), "another receiver has this name");
    for name in ["../x", "A", "a b"] {
        refused(&named(name), "not a name");
    }
    refused("[notify]\ndigest_time_zone = \"Mars/One\"\n", "no such time zone");
    refused("[notify]\ndigest_hour = 24\n", "0 to 23");
    refused("[notify.email]\nhost = \"m\"\nfrom = \"t\"\nto = [\"a@b.c\"]\n", "not a mail address");
    refused("[notify.email]\nhost = \"m\"\nfrom = \"t@e\"\n", "nobody to write to");
}
