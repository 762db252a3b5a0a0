//! The listener over TLS: who can talk to it, what browsers are told, and a certificate that is renewed.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::{Certificate, Client, StatusCode, redirect::Policy};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use trimtab::api::{ApiState, Tls, router, serve_with};
use trimtab_config::TlsFiles;

use crate::{
    door::{Door, header, runtime, send},
    people::SCENARIO,
};

/// Writes a new certificate for `localhost` and its key; the certificate's text.
fn certify(files: &TlsFiles) -> String {
    let names = vec!["localhost".to_owned()];
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(names).expect("a certificate is made");
    fs::write(&files.certificate, cert.pem()).expect("the folder takes a file");
    fs::write(&files.key, signing_key.serialize_pem()).expect("the folder takes a file");
    cert.pem()
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") }
}

/// A browser that trusts one certificate.
fn trusting(certificate: &str) -> Client {
    let certificate = Certificate::from_pem(certificate.as_bytes()).expect("it is one");
    let builder = Client::builder().no_proxy().redirect(Policy::none());
    builder.tls_certs_only([certificate]).build().expect("a client")
}

/// The door's agent, served over TLS beside it.
struct Secure {
    door: Door,
    tls: Arc<Tls>,
    address: SocketAddr,
    end: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

async fn secure(files: &TlsFiles) -> Secure {
    let door = Door::of(SCENARIO, false, false).await;
    let mut settings = (*door.agent.settings()).clone();
    settings.api.tls = Some(files.clone());
    door.agent.set_settings(settings);
    let (on_signal, on_open_change) = (Arc::new(|_| {}), Arc::new(|| {}));
    let api = ApiState::new(Arc::clone(&door.agent), on_signal, on_open_change, false)
        .expect("the token is there");
    let tls = Arc::new(Tls::load(files).expect("certificate and key"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (end, ended) = oneshot::channel::<()>();
    let served = tokio::spawn(serve_with(listener, router(api), Some(Arc::clone(&tls)), async {
        let _ = ended.await;
    }));
    Secure { door, tls, address, end, served }
}

fn at(address: SocketAddr, path: &str) -> String {
    format!("https://localhost:{}{path}", address.port())
}

#[test]
fn over_tls_cookies_are_bound_to_the_host_and_browsers_come_back_over_tls() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = files(folder.path());
    let certificate = certify(&files);
    runtime().block_on(async {
        let secure = secure(&files).await;
        let (browser, address) = (trusting(&certificate), secure.address);
        let health = send(browser.get(at(address, "/healthz"))).await;
        assert_eq!(health.status(), StatusCode::OK);
        assert_eq!(header(&health, "strict-transport-security"), "max-age=31536000");
        let login = browser
            .post(at(address, "/login"))
            .header("origin", at(address, ""))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("token={}", secure.door.token));
        let signed_in = send(login).await;
        assert_eq!(signed_in.status(), StatusCode::SEE_OTHER);
        let cookie = header(&signed_in, "set-cookie");
        for part in ["__Host-trimtab_session=", "Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
        let value = cookie.split(';').next().expect("a first part").to_owned();
        let status = async |cookie: &str| {
            send(browser.get(at(address, "/")).header("cookie", cookie)).await.status()
        };
        assert_eq!(status(&value).await, StatusCode::OK);
        let bare = value.replace("__Host-", "");
        assert_eq!(status(&bare).await, StatusCode::SEE_OTHER, "another host could have set it");
        let plain = Client::builder().no_proxy().build().expect("a client");
        let url = format!("http://127.0.0.1:{}/healthz", address.port());
        assert!(plain.get(url).send().await.is_err(), "nothing is said in the clear");
        let plainly = send(secure.door.request(reqwest::Method::GET, "/healthz")).await;
        assert_eq!(header(&plainly, "strict-transport-security"), "", "only TLS promises TLS");
    });
}

#[test]
fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = files(folder.path());
    let first = certify(&files);
    runtime().block_on(async {
        let secure = secure(&files).await;
        let reaches = async |certificate: &str| {
            trusting(certificate).get(at(secure.address, "/healthz")).send().await.is_ok()
        };
        assert!(reaches(&first).await);
        let second = certify(&files);
        assert!(!reaches(&second).await, "it is read at a reload, not before");
        secure.tls.renew(&files).expect("certificate and key");
        assert!(reaches(&second).await && !reaches(&first).await);
        let whole = fs::read_to_string(&files.key).expect("it is there");
        for (text, told) in
            [(String::new(), "private key"), (whole.replace("KEY", "EEL"), "private key")]
        {
            fs::write(&files.key, text).expect("the folder takes a file");
            let error = secure.tls.renew(&files).expect_err("no key");
            assert!(error.to_string().contains(told), "{error}");
            assert!(reaches(&second).await, "the old one stays in use");
        }
        let other =
            TlsFiles { certificate: folder.path().join("other.pem"), key: PathBuf::from("/none") };
        fs::write(&other.certificate, "").expect("the folder takes a file");
        let error = secure.tls.renew(&other).expect_err("no certificate");
        assert!(error.to_string().contains("holds no certificate"), "{error}");
        fs::write(&files.key, whole).expect("the folder takes a file");
        certify(&TlsFiles {
            certificate: folder.path().join("stranger.pem"),
            key: files.key.clone(),
        });
        let error = secure.tls.renew(&files).expect_err("a stranger's key");
        assert!(error.to_string().contains("cannot be used together"), "{error}");
    });
}

#[test]
fn the_command_line_takes_the_daemons_own_certificate_and_no_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = files(folder.path());
    certify(&files);
    runtime().block_on(async {
        let secure = secure(&files).await;
        let state = secure.door.state.path();
        let config = state.join("trimtab.toml");
        let text = |certificate: &Path| {
            format!(
                "[agent]\nstate_dir = \"{}\"\nlisten = \"{}\"\n[cloud]\nprovider = \"simulated\"\nscenario = \"any.toml\"\n\
                 [api]\ntls_certificate = \"{}\"\ntls_key = \"{}\"\n",
                state.display(), secure.address, certificate.display(), files.key.display()
            )
        };
        let status = |certificate: &Path| {
            fs::write(&config, text(certificate)).expect("the folder takes a file");
            let config = config.display().to_string();
            let command = Command::new(env!("CARGO_BIN_EXE_trimtab"))
                .args(["--config", &config, "--json", "status"])
                .output()
                .expect("the binary runs");
            (command.status.code(), String::from_utf8_lossy(&command.stderr).into_owned())
        };
        let (code, told) = status(&files.certificate);
        assert_eq!(code, Some(0), "{told}");
        let stranger = TlsFiles {
            certificate: folder.path().join("stranger.pem"),
            key: folder.path().join("stranger.key"),
        };
        certify(&stranger);
        let (code, told) = status(&stranger.certificate);
        assert_eq!(code, Some(1), "somebody else listens there: {told}");
    });
}

#[test]
fn a_peer_that_does_not_shake_hands_does_not_hold_up_the_end() {
    /// Half of what a handshake may take.
    const SOON: std::time::Duration = std::time::Duration::from_secs(5);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = files(folder.path());
    let certificate = certify(&files);
    runtime().block_on(async {
        let secure = secure(&files).await;
        let silent = TcpStream::connect(secure.address).await.expect("a connection");
        // Whoever comes later is answered: the silent one was accepted before.
        let health = send(trusting(&certificate).get(at(secure.address, "/healthz"))).await;
        assert_eq!(health.status(), StatusCode::OK);
        secure.end.send(()).expect("it is served");
        let ended = tokio::time::timeout(SOON, secure.served).await;
        ended.expect("it waits for nobody who says nothing").expect("it ends in order");
        drop(silent);
    });
}
