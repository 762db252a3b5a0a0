//! How much of the server one peer may take: so many connections at once, and so long for reading what it asked for.
//!
//! Not here: how often somebody may ask (`limits`), and the server itself (`serve`).

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv6Addr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// Connections of one peer at once: a quarter of all. A browser opens six.
const CONNECTIONS_OF_ONE_MAX: usize = 64;
/// How long a peer may leave unread what is written to it: more than any stall of a line that is worth waiting for.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How many connections each peer has.
#[derive(Debug, Default)]
pub(super) struct Peers {
    open: Mutex<BTreeMap<IpAddr, usize>>,
}

impl Peers {
    /// One more connection of a peer, until the share is dropped; `None` when it has its share.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Share> {
        let peer = site(address);
        let mut open = self.lock();
        let theirs = open.entry(peer).or_default();
        if *theirs >= CONNECTIONS_OF_ONE_MAX {
            return None;
        }
        *theirs += 1;
        Some(Share { peers: Arc::clone(self), peer })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom an address stands for: by IPv6 everybody has at least 2^64 of them, so that the first half tells peers apart.
pub(super) fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        known @ IpAddr::V4(_) => known,
    }
}

/// One connection of a peer.
#[derive(Debug)]
pub(super) struct Share {
    peers: Arc<Peers>,
    peer: IpAddr,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.peers.lock();
        if let Some(theirs) = open.get_mut(&self.peer) {
            *theirs -= 1;
            if *theirs == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

/// A stream whose writes fail once nothing of them was taken for a while.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    /// Runs while a write waits.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, until: None }
    }

    /// What came of a write; one that waits for too long has failed.
    fn patiently<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.until = None;
            return written;
        }
        let until =
            self.until.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + WRITE_TIMEOUT)));
        ready!(until.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.patiently(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.patiently(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(context);
        self.patiently(context, ended)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.patiently(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_has_its_share_and_leaves_the_rest() {
        let peers = Arc::new(Peers::default());
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        for (first, same, other) in [
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
        ] {
            let take = |of: &str| peers.take(address(of));
            let mut held: Vec<Share> =
                (0..CONNECTIONS_OF_ONE_MAX).map(|_| take(first).expect("room")).collect();
            assert!(take(first).is_none() && take(same).is_none(), "{first}");
            assert!(take(other).is_some(), "{other}");
            held.pop();
            assert!(take(same).is_some(), "one has ended");
        }
        assert!(peers.lock().is_empty(), "nobody is remembered");
    }
}
