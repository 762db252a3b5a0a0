//! The identity provider, and which of its people are whom.
//!
//! Not here: what is asked of it (`trimtab`).

use std::{collections::BTreeMap, path::Path};

use crate::{
    load::resolve,
    raw::{RawApprover, RawFile, RawOidc},
    report::Report,
    settings::OidcSettings,
};

/// Where the provider sends people back to.
const CALLBACK: &str = "/login/oidc/callback";

/// `[api.oidc]`; `None` where no key of it is given, or it is refused.
pub(super) fn oidc(raw: &RawFile, report: &mut Report<'_>, folder: &Path) -> Option<OidcSettings> {
    let subjects = identities(
        &raw.approver,
        ("oidc_subject", ToOwned::to_owned),
        |one| one.oidc_subject.as_ref(),
        report,
    );
    let emails = identities(
        &raw.approver,
        ("oidc_email", str::to_ascii_lowercase),
        |one| one.oidc_email.as_ref(),
        report,
    );
    let given = &raw.api.oidc;
    if *given == RawOidc::default() {
        for (index, one) in raw.approver.iter().enumerate() {
            if one.oidc_subject.is_some() || one.oidc_email.is_some() {
                let why = "names somebody of an identity provider, and there is none";
                report.missing(&format!("approver[{index}]"), why, "add [api.oidc], or remove it");
            }
        }
        return None;
    }
    let issuer = url("api.oidc.issuer", given.issuer.as_ref(), report);
    let redirect_url = url("api.oidc.redirect_url", given.redirect_url.as_ref(), report);
    if let Some(other) = redirect_url.as_ref().filter(|url| !url.ends_with(CALLBACK)) {
        let form = format!("the page's own address followed by {CALLBACK}");
        report.refuse_text("api.oidc.redirect_url", other, "nothing answers there", form);
    }
    let client_id =
        report.required("api.oidc.client_id", given.client_id.as_ref(), "the client's id");
    let client_id = client_id.map(ToOwned::to_owned);
    let file = given.client_secret_file.as_ref();
    let secret =
        report.required("api.oidc.client_secret_file", file, "the path of the secret's file");
    let client_secret_file = secret.map(|path| resolve(folder, path));
    Some(OidcSettings {
        issuer: issuer?,
        client_id: client_id?,
        client_secret_file: client_secret_file?,
        redirect_url: redirect_url?,
        subjects,
        emails,
    })
}

/// Names by what the provider calls them; each of its people is one person here.
fn identities(
    raw: &[RawApprover],
    (key, folded): (&str, fn(&str) -> String),
    of: impl Fn(&RawApprover) -> Option<&String>,
    report: &mut Report<'_>,
) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for (index, one) in raw.iter().enumerate() {
        let path = format!("approver[{index}].{key}");
        let Some(identity) = report.optional(&path, of(one), "as the provider's tokens say it")
        else {
            continue;
        };
        let name = one.name.clone().unwrap_or_default();
        if names.insert(folded(&identity), name).is_some() {
            report.refuse_text(&path, &identity, "somebody else is it already", "each once");
        }
    }
    names
}

/// A URL over TLS; in the clear only to this machine.
fn url(key: &str, raw: Option<&String>, report: &mut Report<'_>) -> Option<String> {
    let form = "https://HOST/…, or http://127.0.0.1:PORT/… on this machine";
    let url = report.required(key, raw, form)?.to_owned();
    if !is_unread_on_the_way(&url) {
        report.refuse_text(
            key,
            &url,
            "codes and tokens would cross the network in the clear",
            form,
        );
        return None;
    }
    Some(url)
}

/// Whether nobody on the way reads what is sent to a URL: it goes over TLS, or to this machine.
#[must_use]
pub fn is_unread_on_the_way(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) => host,
        Some(_) | None => authority,
    };
    let is_host = !host.is_empty() && !url.contains(char::is_whitespace) && !host.contains('@');
    match scheme {
        "https" => is_host && (host.starts_with('[') || !host.contains(':')),
        "http" => is_host && ["127.0.0.1", "localhost", "[::1]"].contains(&host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_unread_on_the_way;

    #[test]
    fn only_tls_and_this_machine_keep_a_secret() {
        for (url, is_unread) in [
            ("https://login.example.com", true),
            ("https://login.example.com:8443/a?b=c@d", true),
            ("https://[2001:db8::1]/", true),
            ("http://127.0.0.1:8080/token", true),
            ("http://localhost", true),
            ("http://[::1]:1/", true),
            ("http://login.example.com", false),
            ("http://127.0.0.1:x@evil.example/", false),
            ("http://127.0.0.1:80@evil.example/", false),
            ("http://localhost.evil.example/", false),
            ("https://me@login.example.com/", false),
            ("https:///token", false),
            ("https://:443/", false),
            ("https://a b/", false),
            ("ftp://127.0.0.1/", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(is_unread_on_the_way(url), is_unread, "{url}");
        }
    }
}
