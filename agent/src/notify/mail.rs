//! A message as mail: plain text and the same as simple HTML, by SMTP.
//!
//! Not here: when it is sent and tried again (`courier`, `outbox`).

use std::time::Duration;

use askama::Template;
use jiff::Timestamp;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message as Mail, Tokio1Executor,
    address::Envelope,
    message::{Mailbox, MultiPart},
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
        extension::ClientId,
    },
};
use thiserror::Error;
use trimtab_config::{MailEncryption, MailSettings};

use super::notice::{Message, link};

/// Why mail was not sent.
#[derive(Debug, Error)]
pub enum MailError {
    /// An address of the settings.
    #[error("`{address}` is not a mail address")]
    Address {
        /// The address.
        address: String,
        /// What the parser says.
        #[source]
        source: lettre::address::AddressError,
    },
    /// The mail could not be put together.
    #[error("the mail cannot be put together")]
    Build(#[source] lettre::error::Error),
    /// The HTML could not be rendered.
    #[error("the mail's HTML cannot be rendered")]
    Html(#[source] askama::Error),
    /// The server.
    #[error("the mail server did not take it")]
    Server(#[source] lettre::transport::smtp::Error),
    /// The server does not answer.
    #[error("the mail server takes longer than {0:?} to take it")]
    Slow(Duration),
}

impl MailError {
    /// Whether the server says that it will never take it.
    fn is_final(&self) -> bool {
        matches!(self, Self::Server(error) if error.is_permanent())
    }
}

/// One notice as both forms show it.
#[derive(Debug)]
struct Part {
    title: Option<String>,
    details: Vec<(String, String)>,
    link: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "mail.html")]
struct HtmlMail {
    title: String,
    parts: Vec<Part>,
    rest: Vec<String>,
}

#[derive(Debug, Template)]
#[template(path = "mail.txt")]
struct TextMail {
    title: String,
    parts: Vec<Part>,
    rest: Vec<String>,
}

/// Sends a message; the connection takes `timeout` at most, and a conversation six times that.
///
/// A conversation ends with the first recipient who is refused, before anything is sent: each is then sent to by itself, and
/// those who are refused for good are told in words.
///
/// # Errors
/// When an address is none, or the server takes it for nobody, or for somebody not now: it is sent to all again then.
pub(super) async fn send(
    settings: &MailSettings,
    password: Option<String>,
    mail: Mail,
    timeout: Duration,
) -> Result<Option<String>, MailError> {
    let tls = || TlsParameters::new(settings.host.clone()).map_err(MailError::Server);
    let tls = match settings.encryption {
        MailEncryption::StartTls => Tls::Required(tls()?),
        MailEncryption::Tls => Tls::Wrapper(tls()?),
        MailEncryption::None => Tls::None,
    };
    let server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
        .port(settings.port)
        .tls(tls)
        .timeout(Some(timeout))
        .hello_name(ClientId::Domain("trimtab.localdomain".to_owned()));
    let server = match (&settings.login, password) {
        (Some((username, _)), Some(password)) => {
            server.credentials(Credentials::new(username.clone(), password))
        }
        (Some(_) | None, _) => server,
    };
    // The transport's own bound is that of the connection alone; a conversation has some six answers.
    let longest = timeout * 6;
    let (server, bytes) = (server.build(), mail.formatted());
    let converse = async |envelope: &Envelope| {
        let sent = tokio::time::timeout(longest, server.send_raw(envelope, &bytes)).await;
        sent.map_err(|_| MailError::Slow(longest))?.map_err(MailError::Server)
    };
    let refusal = match converse(mail.envelope()).await {
        Ok(_) => return Ok(None),
        Err(error) if error.is_final() && mail.envelope().to().len() > 1 => error,
        Err(error) => return Err(error),
    };
    let (mut taken, mut refused) = (0, Vec::new());
    for to in mail.envelope().to() {
        let from = mail.envelope().from().cloned();
        let alone = Envelope::new(from, vec![to.clone()]).map_err(MailError::Build)?;
        match converse(&alone).await {
            Ok(_) => taken += 1,
            Err(error) if error.is_final() => {
                refused.push(format!("{to} ({:#})", anyhow::Error::from(error)));
            }
            Err(error) => return Err(error),
        }
    }
    if taken == 0 {
        return Err(refusal);
    }
    Ok((!refused.is_empty()).then(|| format!("not taken for {}", refused.join(", "))))
}

/// The mail of a message. Its id is the message's, so that one that comes twice is known.
///
/// # Errors
/// When an address is none.
pub(super) fn mail(
    settings: &MailSettings,
    message: &Message,
    page_url: Option<&str>,
    now: Timestamp,
) -> Result<Mail, MailError> {
    let severity = match message.severity() {
        trimtab_config::Severity::Info => "",
        trimtab_config::Severity::Warning => "warning: ",
        trimtab_config::Severity::Critical => "CRITICAL: ",
    };
    let mut builder = Mail::builder()
        .from(mailbox(&settings.from)?)
        .subject(format!("[trimtab] {severity}{}", message.title()))
        .message_id(Some(format!("<{}@trimtab>", message.id)))
        .date(now.into());
    for to in &settings.to {
        builder = builder.to(mailbox(to)?);
    }
    let (title, rest) = (message.title(), rest(message, page_url));
    let text =
        TextMail { title: title.clone(), parts: parts(message, page_url), rest: rest.clone() };
    let html = HtmlMail { title, parts: parts(message, page_url), rest };
    let text = text.render().map_err(MailError::Html)?;
    let html = html.render().map_err(MailError::Html)?;
    builder.multipart(MultiPart::alternative_plain_html(text, html)).map_err(MailError::Build)
}

fn mailbox(address: &str) -> Result<Mailbox, MailError> {
    address.parse().map_err(|source| MailError::Address { address: address.to_owned(), source })
}

fn parts(message: &Message, page_url: Option<&str>) -> Vec<Part> {
    let part = |notice: &super::notice::Notice| Part {
        title: (message.count > 1).then(|| notice.title.clone()),
        details: notice.details.clone(),
        link: link(page_url, notice.path.as_ref()),
    };
    message.notices.iter().map(part).collect()
}

fn rest(message: &Message, page_url: Option<&str>) -> Vec<String> {
    let mut rest = Vec::new();
    if message.unlisted() > 0 {
        let page = page_url.map_or_else(String::new, |url| format!(" on {url}"));
        rest.push(format!("{} more{page}.", message.unlisted()));
    }
    if message.dropped_before > 0 {
        rest.push(format!("{} earlier notices were dropped.", message.dropped_before));
    }
    rest
}
