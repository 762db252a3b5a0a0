//! TLS for the listener: the certificate and key of the settings, and renewed ones after a reload.
//!
//! Not here: when TLS is needed (`trimtab_config`) and what is served (`serve`).

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use thiserror::Error;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};
use trimtab_config::TlsFiles;

/// HTTP/1.1 is all that is spoken.
const PROTOCOL: &[u8] = b"http/1.1";

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The certificate's or key's file.
    #[error("`{path}` holds no usable {what} in PEM: check the file and who may read it")]
    Pem {
        /// `certificate` or `private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the parser says.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A file without any certificate.
    #[error("`{0}` holds no certificate: write the certificate and its chain there in PEM")]
    Empty(PathBuf),
    /// They do not go together.
    #[error("the certificate `{certificate}` and the key `{key}` cannot be used together")]
    Unfit {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls says.
        #[source]
        source: rustls::Error,
    },
}

/// The certificate in use.
#[derive(Debug)]
pub struct Tls {
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// When one of them cannot be read, or they do not go together.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self { config: RwLock::new(read(files)?) })
    }

    /// Reads them again; connections that are open keep what they have.
    ///
    /// # Errors
    /// As [`Tls::load`]; the old ones stay in use then.
    pub fn renew(&self, files: &TlsFiles) -> Result<(), TlsError> {
        let config = read(files)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// What the next connection is accepted with.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&config))
    }
}

/// The certificates of a file, the server's own first.
///
/// # Errors
/// When there is none.
pub fn certificates(path: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let chain: Vec<_> = read.map_err(|source| TlsError::Pem {
        what: "certificate",
        path: path.to_owned(),
        source,
    })?;
    if chain.is_empty() {
        return Err(TlsError::Empty(path.to_owned()));
    }
    Ok(chain)
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::Pem {
        what: "private key",
        path: files.key.clone(),
        source,
    })?;
    let unfit = |source| TlsError::Unfit {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(unfit)?.with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).map_err(unfit)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(Arc::new(config))
}
