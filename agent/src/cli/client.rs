//! The daemon's client: finds it and its token by the configuration, and asks over HTTP.
//!
//! Not here: what is asked and how answers are laid out.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{Client as Http, Method, RequestBuilder, StatusCode, Url, header::RETRY_AFTER};
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;
use trimtab_config::{ConfigError, Settings, TlsFiles, surroundings};

use super::{args::Globals, pinned::pinned};
use crate::{
    api::{Problem, RecommendationsBody, TlsError, TokenError, certificates, read_token},
    journal::ChainError,
    records::RecordError,
    stop::StopError,
    view::RecommendationView,
};

/// The daemon is on this machine: it answers at once or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A little longer than the daemon gives itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(130);

/// How often a request that came too soon is sent again: a long list of decisions may meet the daemon's limits.
const TRIES_MAX: u32 = 20;

/// Why a command failed.
#[derive(Debug, Error)]
pub enum CliError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The token.
    #[error(
        "a token is needed to ask the daemon: name the file with yours by --token-file or TRIMTAB_TOKEN_FILE, or run this as \
         the daemon's user, who may read the operator's"
    )]
    Token(#[from] TokenError),
    /// The daemon does not take the token, or none was sent.
    #[error("{detail}{}", sent(.file.as_deref()))]
    Unauthorized {
        /// What the daemon says.
        detail: String,
        /// The file of the token that was sent.
        file: Option<PathBuf>,
    },
    /// Nobody answers.
    #[error(
        "no trimtab answers at {address}: start it with `trimtab run --config {config}`, or name another with --address"
    )]
    Unreachable {
        /// Where it should be.
        address: SocketAddr,
        /// The configuration that says so.
        config: String,
        /// What the connection met.
        #[source]
        source: reqwest::Error,
    },
    /// The daemon refused.
    #[error("{}", .0.detail)]
    Problem(Problem),
    /// Something else answers.
    #[error("what answers at {address} is not this version of trimtab: {detail}")]
    Foreign {
        /// Where.
        address: SocketAddr,
        /// What was not understood.
        detail: String,
    },
    /// The stop switch could not be set by hand.
    #[error("the stop switch could not be set without the daemon")]
    Stop(#[from] StopError),
    /// The journal's chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A decision record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// No such account.
    #[error("no account of the configuration is named `{name}`: there are {}", known.join(", "))]
    NoAccount {
        /// What was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// There is no AWS to ask.
    #[error("nothing can be verified: {0:#}")]
    NoCloud(anyhow::Error),
    /// The system gives no randomness.
    #[error("no external id can be made: the system gives no randomness")]
    Random(#[source] getrandom::Error),
    /// The output.
    #[error("the output cannot be written")]
    Output(#[from] std::io::Error),
    /// The HTTP client could not be made.
    #[error("no HTTP client could be made")]
    Http(#[source] reqwest::Error),
    /// The daemon's certificate.
    #[error("the daemon's certificate is needed to ask it")]
    Certificate(#[from] TlsError),
    /// The TLS client could not be made.
    #[error("no TLS client could be made")]
    Tls(#[source] tokio_rustls::rustls::Error),
    /// A question without anybody to answer it.
    #[error(
        "nothing was done: there is no terminal to ask on. Give --yes to do what is shown without being asked"
    )]
    NobodyToAsk,
    /// A question that was not answered by yes.
    #[error("nothing was done: the answer was not `yes`")]
    Declined,
}

/// Which token the daemon did not take.
fn sent(file: Option<&Path>) -> String {
    match file {
        Some(file) => format!("\n  the token that was sent is the one in `{}`", file.display()),
        None => {
            "\n  no token was sent: name the file with yours by --token-file or TRIMTAB_TOKEN_FILE"
                .to_owned()
        }
    }
}

impl CliError {
    /// The exit code: 1 failed, 2 bad arguments or configuration, 3 refused by policy.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::NobodyToAsk | Self::NoAccount { .. } => 2,
            Self::Problem(problem) => match problem.status {
                400 => 2,
                // The role lacks it, policy forbids it, or what is meant has changed.
                403 | 409 | 412 => 3,
                _ => 1,
            },
            Self::Token(_)
            | Self::Unauthorized { .. }
            | Self::Unreachable { .. }
            | Self::Foreign { .. }
            | Self::Stop(_)
            | Self::Chain(_)
            | Self::Record(_)
            | Self::NoCloud(_)
            | Self::Random(_)
            | Self::Output(_)
            | Self::Http(_)
            | Self::Certificate(_)
            | Self::Tls(_)
            | Self::Declined => 1,
        }
    }
}

/// The client; over TLS it takes the daemon's own certificate and no other.
fn http(tls: Option<&TlsFiles>) -> Result<Http, CliError> {
    let builder =
        Http::builder().no_proxy().connect_timeout(CONNECT_TIMEOUT).timeout(ANSWER_TIMEOUT);
    let builder = match tls {
        None => builder,
        Some(files) => {
            let own = certificates(&files.certificate)?.swap_remove(0);
            builder.tls_backend_preconfigured(pinned(own).map_err(CliError::Tls)?)
        }
    };
    builder.build().map_err(CliError::Http)
}

/// Where a daemon that listens on every address is reached from its own machine.
const fn here(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(_) | IpAddr::V6(_) => listen.ip(),
    };
    SocketAddr::new(ip, listen.port())
}

/// Talks to one daemon.
#[derive(Debug)]
pub(super) struct Client {
    http: Http,
    scheme: &'static str,
    address: SocketAddr,
    config: String,
    token_file: Option<PathBuf>,
    state_dir: Option<PathBuf>,
}

impl Client {
    /// Finds the daemon by `--address`, else by the configuration.
    pub(super) fn new(globals: &Globals) -> Result<Self, CliError> {
        let config = globals.config.display().to_string();
        let own = globals.token_file.clone().or_else(|| surroundings().token_file);
        if let Some(address) = globals.address {
            let http = http(None)?;
            return Ok(Self {
                http,
                scheme: "http",
                address,
                config,
                token_file: own,
                state_dir: None,
            });
        }
        let settings = load(&globals.config)?;
        let tls = settings.api.tls.as_ref();
        Ok(Self {
            http: http(tls)?,
            scheme: if tls.is_some() { "https" } else { "http" },
            address: here(settings.agent.listen),
            config,
            token_file: Some(own.unwrap_or(settings.api.token_file)),
            state_dir: Some(settings.agent.state_dir),
        })
    }

    /// Where the daemon keeps its state, when the configuration was read.
    pub(super) const fn state_dir(&self) -> Option<&PathBuf> {
        self.state_dir.as_ref()
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, CliError> {
        self.send(self.http.request(Method::GET, self.url(path, query))).await
    }

    /// Every page of a list, to its end; `split` takes a page apart into its items and where the next one begins.
    pub(super) async fn get_pages<B: DeserializeOwned, T>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        split: impl Fn(B) -> (Vec<T>, Option<String>),
    ) -> Result<Vec<T>, CliError> {
        let (mut all, mut query) = (Vec::new(), query.to_vec());
        loop {
            let (items, next) = split(self.get(path, &query).await?);
            all.extend(items);
            let Some(next) = next else { return Ok(all) };
            query.retain(|(key, _)| *key != "after");
            query.push(("after", next));
        }
    }

    /// The recommendations that a query means, in the order of the queue.
    pub(super) async fn recommendations(
        &self,
        query: &[(&str, String)],
    ) -> Result<Vec<RecommendationView>, CliError> {
        let split = |body: RecommendationsBody| (body.recommendations, body.next);
        self.get_pages(&["recommendations"], query, split).await
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &Value,
    ) -> Result<T, CliError> {
        self.post_within(ANSWER_TIMEOUT, path, body).await
    }

    /// Posts, and takes a daemon that has not answered by then for silent.
    pub(super) async fn post_within<T: DeserializeOwned>(
        &self,
        timeout: Duration,
        path: &[&str],
        body: &Value,
    ) -> Result<T, CliError> {
        let request = self.http.request(Method::POST, self.url(path, &[])).json(body);
        self.send(request.timeout(timeout)).await
    }

    /// Ids are path segments of their own, so that nothing in them changes what is asked.
    fn url(&self, path: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = Url::parse(&format!("{}://{}/api/v1", self.scheme, self.address))
            .expect("an address with a port makes a URL");
        url.path_segments_mut().expect("an http URL has segments").extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    async fn send<T: DeserializeOwned>(&self, mut request: RequestBuilder) -> Result<T, CliError> {
        match self.token_file.as_deref().map(read_token).transpose() {
            Ok(Some(token)) => request = request.bearer_auth(token),
            Ok(None) => {}
            // A daemon that never ran has made no token: that nobody answers says more than that.
            Err(error) => return Err(self.silence().await.unwrap_or(CliError::Token(error))),
        }
        let mut tries = 0;
        loop {
            let again = request.try_clone();
            let response = request.send().await.map_err(|source| self.unreachable(source))?;
            let (status, wait) = (response.status(), retry_after(&response));
            match (wait, again) {
                (Some(wait), Some(again)) if tries < TRIES_MAX => {
                    tokio::time::sleep(wait).await;
                    request = again;
                    tries += 1;
                }
                _ => {
                    let text = response.text().await.map_err(|source| self.unreachable(source))?;
                    return self.read(status, &text);
                }
            }
        }
    }

    async fn silence(&self) -> Option<CliError> {
        let url = format!("{}://{}/healthz", self.scheme, self.address);
        self.http
            .get(url)
            .timeout(CONNECT_TIMEOUT)
            .send()
            .await
            .err()
            .map(|source| self.unreachable(source))
    }

    fn unreachable(&self, source: reqwest::Error) -> CliError {
        CliError::Unreachable { address: self.address, config: self.config.clone(), source }
    }

    fn read<T: DeserializeOwned>(&self, status: StatusCode, text: &str) -> Result<T, CliError> {
        let foreign = |error: serde_json::Error| CliError::Foreign {
            address: self.address,
            detail: format!("it answers {status}, and {error}"),
        };
        if status.is_success() {
            return serde_json::from_str(text).map_err(foreign);
        }
        Err(match serde_json::from_str::<Problem>(text) {
            Ok(Problem { detail, status: 401, .. }) => {
                CliError::Unauthorized { detail, file: self.token_file.clone() }
            }
            Ok(problem) => CliError::Problem(problem),
            Err(error) => foreign(error),
        })
    }
}

/// How long to wait, where the daemon says that too much was asked.
fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let is_refused = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let wait = response.headers().get(RETRY_AFTER).filter(|_| is_refused)?;
    wait.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// The settings in a file, with the environment over them.
///
/// # Errors
/// When the file cannot be read or is wrong.
pub(super) fn load(path: &Path) -> Result<Settings, ConfigError> {
    trimtab_config::load(path, &trimtab_config::environment())
}
