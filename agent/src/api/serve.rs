//! Serving the router on a listener: few connections, slow ones cut off, an orderly end.
//!
//! Not here: what is answered (`router`), and how much one peer may take (`peers`).

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Extension, Router, extract::ConnectInfo};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{
    peers::{Patient, Peers},
    tls::Tls,
};

/// Connections at once: people and scripts of one machine need few.
const CONNECTIONS_MAX: usize = 256;
/// How long a client may take to send its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after a connection could not be accepted, mostly for lack of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// That the server ends: what would go on answering for ever stops then.
#[derive(Debug, Clone)]
pub(super) struct Ending(CancellationToken);

impl Ending {
    /// One that does not come.
    #[cfg(test)]
    pub(super) fn never() -> Self {
        Self(CancellationToken::new())
    }

    /// Whether it ends.
    pub(super) fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it ends.
    pub(super) async fn cancelled(&self) {
        self.0.cancelled().await;
    }
}

/// Serves until `end` comes, then lets open answers finish; streams are told to stop.
pub async fn serve(listener: TcpListener, router: Router, end: impl Future<Output = ()>) {
    serve_with(listener, router, None, end).await;
}

/// Serves over TLS where there is a certificate.
pub async fn serve_with(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<Tls>>,
    end: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let (room, peers) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), Arc::<Peers>::default());
    let ending = Ending(CancellationToken::new());
    let mut end = std::pin::pin!(end);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut end => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let (stream, peer, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(share) = peers.take(peer.ip()) else {
            tracing::debug!(%peer, "a connection was closed: its peer has its share already");
            continue;
        };
        let service: TowerToHyperService<Router> = TowerToHyperService::new(
            router
                .clone()
                .layer(Extension(ConnectInfo::<SocketAddr>(peer)))
                .layer(Extension(ending.clone())),
        );
        let (watcher, acceptor) = (graceful.watcher(), tls.as_ref().map(|tls| tls.acceptor()));
        let (stream, ending) = (Patient::new(stream), ending.clone());
        tokio::spawn(async move {
            match acceptor {
                None => answer(stream, service, watcher).await,
                Some(acceptor) => {
                    if let Some(stream) = shake_hands(acceptor, stream, &ending).await {
                        answer(stream, service, watcher).await;
                    }
                }
            }
            drop((permit, share));
        });
    }
    ending.0.cancel();
    graceful.shutdown().await;
}

/// Greets a peer over TLS; `None` when it is none, takes too long, or the server ends meanwhile.
async fn shake_hands<S>(acceptor: TlsAcceptor, stream: S, ending: &Ending) -> Option<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let shaken = tokio::select! {
        biased;
        () = ending.cancelled() => return None,
        shaken = tokio::time::timeout(HEADER_TIMEOUT, acceptor.accept(stream)) => shaken,
    };
    match shaken {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("a TLS handshake took too long");
            None
        }
    }
}

/// Answers on one connection until it ends.
async fn answer<S>(stream: S, service: TowerToHyperService<Router>, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

type Accepted = (tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> std::io::Result<Accepted> {
    let permit = Arc::clone(room).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{io::AsyncWriteExt, time::Instant};

    use super::*;
    use crate::api::peers::WRITE_TIMEOUT;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_what_it_asked_for_is_cut_off() {
        let router = Router::new().route("/", get(|| async { "x".repeat(1 << 20) }));
        let (mut peer, stream) = tokio::io::duplex(1 << 10);
        peer.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("it fits");
        let (graceful, began) = (GracefulShutdown::new(), Instant::now());
        let service = TowerToHyperService::new(router);
        answer(Patient::new(stream), service, graceful.watcher()).await;
        let lasted = began.elapsed();
        assert!(lasted >= WRITE_TIMEOUT && lasted < 2 * WRITE_TIMEOUT, "{lasted:?}");
        drop(peer);
    }
}
